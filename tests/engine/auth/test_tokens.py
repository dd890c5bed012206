import base64

import pytest

from engine.auth.tokens import (
    MALFORMED,
    check_token,
    find_token,
    hash_token,
    parse_authorization,
    presented_token,
)
from engine.catalog.state import Token
from engine.errors import AuthorizationMalformed, Unauthorized

NOW_NS = 10**18
TEXT = "apiv3_operator"
TOKENS = (
    Token(1, "_admin", hash_token(TEXT), 0),
    Token(2, "short", hash_token("apiv3_short"), 0, NOW_NS + 1),
    Token(3, "over", hash_token("apiv3_over"), 0, NOW_NS),
)


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        pytest.param(None, None, id="no-header"),
        pytest.param("Bearer T", "T", id="fact-140-bearer"),
        pytest.param("Token T", "T", id="fact-140-token"),
        pytest.param(b"Token T", "T", id="bytes"),
        pytest.param(basic("x:T"), "T", id="fact-140-basic"),
        pytest.param(basic(":T"), "T", id="fact-140-basic-without-user"),
        pytest.param(basic("a:b:T"), "T", id="token-is-behind-the-last-colon"),
        pytest.param(basic("x:"), "", id="basic-with-empty-token"),
    ],
)
def test_header_holds_a_token(header: str | bytes | None, token: str | None) -> None:
    assert parse_authorization(header) == token


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("bearer T", id="fact-141-scheme-in-lower-case"),
        pytest.param("Bearer", id="fact-141-no-token"),
        pytest.param("Bearer ", id="empty-token"),
        pytest.param("Bearer  T", id="two-blanks"),
        pytest.param("Bearer T extra", id="fact-141-extra-part"),
        pytest.param("Token fake token", id="fact-141-three-parts"),
        pytest.param("Any T", id="fact-141-other-scheme"),
        pytest.param("", id="empty"),
        pytest.param("Basic", id="basic-alone"),
        pytest.param("Basic !!", id="not-base64"),
        pytest.param("Basic eDpU=", id="wrong-padding"),
        pytest.param(basic("T"), id="basic-without-colon"),
        pytest.param(basic(b"x:\xff"), id="basic-not-utf-8"),
    ],
)
def test_other_headers_are_malformed(header: str) -> None:
    with pytest.raises(AuthorizationMalformed) as caught:
        parse_authorization(header)
    assert str(caught.value) == MALFORMED


@pytest.mark.parametrize("header", ["Bearer ü", "Bearer 中", b"Bearer \xff", "Bearer \x01"])
def test_header_beyond_visible_ascii_is_told(header: str | bytes) -> None:
    with pytest.raises(AuthorizationMalformed, match=r"^to str error: "):
        parse_authorization(header)


def test_parameter_comes_before_the_header() -> None:
    # fact 143
    assert presented_token("Bearer T", "wrong") == "wrong"
    assert presented_token("nonsense", "P") == "P"
    assert presented_token("Bearer T") == "T"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param(TEXT, "_admin", id="right"),
        pytest.param("apiv3_short", "short", id="not-expired-yet"),
        pytest.param("apiv3_over", None, id="fact-147-expired"),
        pytest.param(TEXT + "x", None, id="wrong"),
        pytest.param("", None, id="empty"),
        pytest.param(hash_token(TEXT), None, id="the-hash-is-no-token"),
        pytest.param("ü\ud800", None, id="odd-text"),
    ],
)
def test_find_token(text: str, name: str | None) -> None:
    found = find_token(TOKENS, text, NOW_NS)
    assert (found.name if found else None) == name


@pytest.mark.parametrize("text", [None, "wrong", "apiv3_over"])
def test_request_without_valid_token_is_not_authenticated(text: str | None) -> None:
    with pytest.raises(Unauthorized, match=r"^the request was not authenticated$"):
        check_token(TOKENS, text, NOW_NS)


def test_request_with_a_valid_token_passes() -> None:
    assert check_token(TOKENS, TEXT, NOW_NS) is TOKENS[0]


def test_no_token_is_valid_before_one_was_made() -> None:
    # fact 137
    with pytest.raises(Unauthorized):
        check_token((), TEXT, NOW_NS)
