import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.model.precision import GUESS_LIMITS, Precision, guess


@pytest.mark.parametrize(
    ("words", "precision"),
    [
        pytest.param(["auto"], Precision.AUTO, id="auto"),
        pytest.param(["s", "second"], Precision.SECOND, id="second"),
        pytest.param(["ms", "millisecond"], Precision.MILLISECOND, id="millisecond"),
        pytest.param(["u", "us", "microsecond"], Precision.MICROSECOND, id="microsecond"),
        pytest.param(["\u00b5s", "\u03bcs"], Precision.MICROSECOND, id="microsecond-as-the-go-client-sends-it"),
        pytest.param(["n", "ns", "nanosecond"], Precision.NANOSECOND, id="nanosecond"),
    ],
)
def test_long_and_short_words_name_a_precision(words, precision):
    assert [Precision.parse(word) for word in words] == [precision] * len(words)


def test_an_unknown_word_is_refused_with_all_that_are_known():
    with pytest.raises(InvalidRequest) as refused:
        Precision.parse("fake")
    assert str(refused.value) == (
        "unknown variant `fake`, expected one of `auto`, `s`, `second`, `millisecond`, `ms`, `microsecond`, `u`, `us`, "
        "`n`, `nanosecond`, `ns`"
    )


@pytest.mark.parametrize("word", ["auto", "S", "Second", "µ", " s", ""])
def test_case_counts_and_older_endpoints_do_not_guess(word):
    with pytest.raises(InvalidRequest, match=f"^unknown variant `{word}`, expected one of `s`, "):
        Precision.parse(word, auto_allowed=False)


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (0, Precision.SECOND),
        (4_999_999_999, Precision.SECOND),
        (5_000_000_000, Precision.MILLISECOND),
        (4_999_999_999_999, Precision.MILLISECOND),
        (5_000_000_000_000, Precision.MICROSECOND),
        (4_999_999_999_999_999, Precision.MICROSECOND),
        (5_000_000_000_000_000, Precision.NANOSECOND),
        (-4_999_999_999, Precision.SECOND),
        (-5_000_000_000, Precision.MILLISECOND),
        (-(2**63), Precision.NANOSECOND),
    ],
)
def test_the_magnitude_of_a_timestamp_tells_its_unit(timestamp, expected):
    assert guess(timestamp) is expected


@given(st.integers(-(2**63), 2**63 - 1))
def test_auto_is_the_guess_and_all_others_are_themselves(timestamp):
    assert Precision.AUTO.of(timestamp) is guess(timestamp)
    assert Precision.SECOND.of(timestamp) is Precision.SECOND


def test_factors_are_nanoseconds():
    assert [p.factor for _, p in GUESS_LIMITS] == [10**9, 10**6, 10**3]
    assert Precision.NANOSECOND.factor == 1
    with pytest.raises(ValueError, match="auto"):
        _ = Precision.AUTO.factor


def test_titles_are_those_of_messages():
    assert Precision.SECOND.title == "Second"
