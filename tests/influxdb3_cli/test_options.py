import pytest
import typer

from engine.errors import InvalidRequest
from influxdb3_cli.options import check_token, check_url, checked, comma_list, key_values, whole_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("http://127.0.0.1:8181", "http://127.0.0.1:8181"),
        ("https://example.com", "https://example.com"),
        ("http://[::1]:8181/some/path?x=1", "http://[::1]:8181"),
    ],
)
def test_a_url_keeps_scheme_host_and_port(text: str | None, expected: str | None) -> None:
    assert check_url(text) == expected


@pytest.mark.parametrize(
    "text", ["", "localhost:8181", "127.0.0.1", "ftp://h", "http://", "http://h:99999", "http://[::1"]
)
def test_what_is_not_a_url_is_named(text: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        check_url(text)
    assert repr(text) in refused.value.message


def test_a_token_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(typer.BadParameter) as refused:
        check_token("secret\n")
    assert "secret" not in refused.value.message
    assert (check_token("apiv3_x"), check_token(""), check_token(None)) == ("apiv3_x", "", None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("0", "0: value must be at least 1"), ("9", "9: value must be at most 8"), ("x", "'x': not a whole number")],
)
def test_a_number_out_of_bounds_is_named(text: str, problem: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        whole_number(1, 8)(text)
    assert refused.value.message == problem


def test_a_number_may_be_a_default() -> None:
    assert (whole_number(1)(10), whole_number(0, 8)("8")) == (10, 8)


def test_a_rule_of_the_engine_checks_an_option() -> None:
    def rule(text: str) -> str:
        if text == "bad":
            raise InvalidRequest("no good")
        return text.upper()

    assert (checked(rule)("a"), checked(rule)(None)) == ("A", None)
    with pytest.raises(typer.BadParameter) as refused:
        checked(rule)("bad")
    assert refused.value.message == "'bad': no good"


def test_lists_take_commas_and_repetition() -> None:
    assert comma_list(["a,b", "c"]) == ["a", "b", "c"]
    assert comma_list(None) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(None, None, id="not-given"),
        pytest.param(["a=1,b=2", "c=3"], {"a": "1", "b": "2", "c": "3"}, id="repeatable"),
        pytest.param(["a=1,a=2"], {"a": "2"}, id="the-last-one-counts"),
        pytest.param(["path=/m?x=y"], {"path": "/m?x=y"}, id="cut-at-the-first-equals-sign"),
        pytest.param(["a=,=v"], {"a": "", "": "v"}, id="empty-value-and-key"),
    ],
)
def test_arguments_are_pairs(values: list[str] | None, expected: dict[str, str] | None) -> None:
    assert key_values(values, "--trigger-arguments") == expected


@pytest.mark.parametrize("values", [["a"], [""], ["a=1,"], ["a=1", "b"]])
def test_an_argument_without_equals_sign_is_refused(values: list[str]) -> None:
    with pytest.raises(typer.BadParameter, match='must be formatted as "key=value"'):
        key_values(values, "--trigger-arguments")
