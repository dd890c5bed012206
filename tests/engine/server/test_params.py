from contextlib import suppress
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.server.params import decode_json, from_json, from_query, query_pairs, variant


class Params(msgspec.Struct):
    db: str
    force: bool = False
    note: str | None = None


class Settings(msgspec.Struct):
    run_async: bool


class Nested(msgspec.Struct):
    db: str
    settings: Settings
    packages: list[str]


class Exact(msgspec.Struct, forbid_unknown_fields=True):
    inner_one: "Exact | msgspec.UnsetType" = msgspec.UNSET
    begin: int | None = msgspec.field(name="from", default=None)


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"a=1&a=2&b=x+y", [("a", "1"), ("a", "2"), ("b", "x y")]),
        (b"&&a&=1&", [("a", ""), ("", "1")]),
        (b"a=%C3%A9%2B&b=\xc3\xa9", [("a", "é+"), ("b", "é")]),
        (b"a=%ff%zz%4", [("a", "�%zz%4")]),
        (b"a=b=c", [("a", "b=c")]),
    ],
)
def test_a_query_string_is_form_encoded(query: bytes, pairs: list[tuple[str, str]]) -> None:
    assert list(query_pairs(query)) == pairs


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_a_query_string_that_was_made_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert list(query_pairs(urlencode(pairs).encode())) == pairs


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"db=x", Params("x")),
        (b"force=true&db=&other=1&other=2", Params("", True)),
        (b"db=x&force=false&note=", Params("x", False, "")),
    ],
)
def test_parameters_come_from_the_query_string(query: bytes, params: Params) -> None:
    assert from_query(query, Params) == params


@pytest.mark.parametrize(
    ("query", "kind", "text"),
    [
        pytest.param(b"", Params, "serde error: missing field `db`", id="fact 23"),
        pytest.param(b"db=a&db=b", Params, "serde error: duplicate field `db`", id="duplicate"),
        pytest.param(b"db=a&force=1", Params, "serde error: provided string was not `true` or `false`", id="fact 25"),
        pytest.param(
            b"db=a&settings=x",
            Nested,
            'serde error: invalid type: string "x", expected a value that only a JSON body can hold',
            id="nested",
        ),
    ],
)
def test_a_bad_query_string_is_told_in_the_words_that_clients_know(
    query: bytes, kind: type[msgspec.Struct], text: str
) -> None:
    with pytest.raises(InvalidRequest) as told:
        from_query(query, kind)
    assert str(told.value) == text


def test_each_endpoint_puts_its_own_words_before_the_cause() -> None:
    with pytest.raises(InvalidRequest, match=r"^failed to read: missing field `db`$"):
        from_query(b"x=1", Params, "failed to read: ")


def test_parameters_come_from_a_json_body_and_unknown_keys_are_passed_over() -> None:
    body = b'{"db": "x", "settings": {"run_async": true, "y": 1}, "packages": ["p"], "z": {"a": [1]}}'
    assert from_json(body, Nested) == Nested("x", Settings(True), ["p"])


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        pytest.param(b"{}", Params, "missing field `db` at line 1 column 2", id="1.4 example"),
        pytest.param(b'{\n "force": true\n}', Params, "missing field `db` at line 3 column 1", id="place"),
        pytest.param(
            b'{"db":"x","settings":{},"packages":[]}',
            Nested,
            "missing field `run_async` - at `$.settings`",
            id="in an inner object",
        ),
        pytest.param(b'{"db":1}', Params, "invalid type: expected `str`, got `int` - at `$.db`", id="wrong type"),
        pytest.param(
            b'{"begin":1}', Exact, "unknown field `begin`, expected one of `inner_one`, `from`", id="forbidden"
        ),
        pytest.param(
            b'{"inner_one":{"inner_one":{"a `b`\\n":1}}}',
            Exact,
            "unknown field `a `b`\n`, expected one of `inner_one`, `from`",
            id="forbidden in an inner object",
        ),
        pytest.param(b"[]", Params, "invalid type: expected `object`, got `array`", id="no object"),
        pytest.param(b"{", Params, "EOF while parsing an object at line 1 column 1", id="fact 15"),
        pytest.param(b'{"db":"x"', Params, "EOF while parsing an object at line 1 column 9", id="no end of an object"),
        pytest.param(b'{"x":{"y":[]}', Params, "EOF while parsing an object at line 1 column 13", id="outer object"),
        pytest.param(b'{"x":[1', Params, "EOF while parsing a list at line 1 column 7", id="no end of a list"),
        pytest.param(b'{"db":', Params, "EOF while parsing a value at line 1 column 6", id="no value"),
        pytest.param(b'{"db":"{', Params, "EOF while parsing a string at line 1 column 8", id="no end of a text"),
        pytest.param(b'{"x":"' + b"y" * 70_000, Params, "EOF while parsing a value at line 1 column 70006", id="long"),
        pytest.param(b"", Params, "EOF while parsing a value at line 1 column 1", id="empty"),
        pytest.param(b'{"db":"x"}\nx', Params, "trailing characters at line 2 column 2", id="trailing"),
        pytest.param(b'{"db":"\xff"}', Params, "invalid unicode code point", id="not UTF-8"),
        pytest.param(b'{"x":' + b"[" * 100_000, Params, "recursion limit exceeded", id="deep"),
    ],
)
def test_a_bad_json_body_is_told_in_the_words_that_clients_know(
    body: bytes, kind: type[msgspec.Struct], text: str
) -> None:
    with pytest.raises(InvalidRequest) as told:
        from_json(body, kind)
    assert str(told.value) == f"serde json error: {text}"


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        assert isinstance(decode_json(body, dict[str, str | int | float | bool | None]), dict)


def test_a_word_that_is_none_of_those_allowed_is_told_with_them() -> None:
    assert variant("b", {"a": 1, "b": 2}, "") == 2
    with pytest.raises(InvalidRequest, match=r"^serde error: unknown variant `Log`, expected one of `log`, `retry`$"):
        variant("Log", {"log": 1, "retry": 2}, "serde error: ")
