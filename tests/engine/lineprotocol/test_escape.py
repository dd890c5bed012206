import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lineprotocol import escape


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param(r"a\,b", "a,b", id="comma"),
        pytest.param(r"a\ b", "a b", id="blank"),
        pytest.param(r"a\\b", r"a\b", id="backslash"),
        pytest.param(r"a\xb", r"a\xb", id="a-backslash-before-another-character-is-itself"),
        pytest.param(r"a\\\,b", r"a\,b", id="backslash-then-comma"),
    ],
)
@pytest.mark.parametrize("unescape", [escape.unescape_measurement, escape.unescape_name])
def test_names_are_unescaped_as_the_grammar_says(unescape, written, meant):
    assert unescape(written) == meant


def test_an_equals_sign_is_escaped_in_all_names_but_the_measurement():
    assert escape.unescape_name(r"a\=b") == "a=b"
    assert escape.unescape_measurement(r"a\=b") == r"a\=b"


def test_only_quotes_and_backslashes_are_escaped_in_strings():
    assert escape.unescape_string(r"a \"q\" \\ b") == r'a "q" \ b'
    assert escape.unescape_string(r"C:\dir\, \=") == r"C:\dir\, \="


@given(st.text())
def test_what_is_escaped_reads_as_itself(text):
    assert escape.unescape_name(escape.escape_name(text)) == text
    assert escape.unescape_string(escape.quote_string(text)[1:-1]) == text


@given(st.text(st.characters(exclude_characters="\\")))
def test_a_measurement_without_backslash_reads_as_itself(text):
    assert escape.unescape_measurement(escape.escape_measurement(text)) == text
