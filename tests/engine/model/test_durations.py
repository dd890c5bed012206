from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.durations import format_duration, parse_duration

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTH = 2_630_016 * SECOND
YEAR = 31_557_600 * SECOND

UNITS = {
    "nsec ns nanos": 1,
    "usec us µs": 1_000,
    "msec ms millis": 1_000_000,
    "seconds second secs sec s": SECOND,
    "minutes minute mins min m": MINUTE,
    "hours hour hrs hr h": HOUR,
    "days day d": DAY,
    "weeks week wks wk w": 7 * DAY,
    "months month M": MONTH,
    "years year yrs yr y": YEAR,
}

TOO_LARGE = (
    "number is too large or cannot be represented without a lack of precision (values below 1ns are not supported)"
)


@pytest.mark.parametrize(("word", "ns"), [(word, ns) for words, ns in UNITS.items() for word in words.split()])
def test_every_unit_has_its_length(word, ns):
    assert parse_duration(f"3{word}") == 3 * ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90 * SECOND),
        ("1h30m", 90 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        ("  1h \t 30m ", 90 * MINUTE),
        ("1 h", HOUR),
        ("1 0 s", 10 * SECOND),
        ("1.5h", 90 * MINUTE),
        ("0.25s500ms", 750 * 10**6),
        ("1.5us", 1_500),
        ("0.0000000019s", 1),
        ("2h 37min", 157 * MINUTE),
        ("30m 1h", 90 * MINUTE),
        ("000000000000000000000000001s", SECOND),
        ("18446744073709551615ns", 2**64 - 1),
    ],
)
def test_groups_of_number_and_unit_add_up(text, ns):
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "value was empty"),
        ("   ", "value was empty"),
        ("none", "expected number at 0"),
        ("abc", "expected number at 0"),
        ("-1d", "expected number at 0"),
        (".5h", "expected number at 0"),
        ("1s abc", "expected number at 3"),
        ("1µs é", "expected number at 5"),
        ("10", "time unit needed, for example 10sec or 10ms"),
        ("1h 30", "time unit needed, for example 30sec or 30ms"),
        ("1d-", "invalid character at 2"),
        ("1h5s!", "invalid character at 4"),
        ("1-2s", "invalid character at 1"),
        ("1.", "invalid character at 1"),
        ("1.s", "invalid character at 1"),
        ("1.5.5s", "invalid character at 3"),
        (
            "1mo",
            'unknown time unit "mo", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years '
            "(and few variations)",
        ),
        ("18446744073709551616s", TOO_LARGE),
        ("9" * 10_000 + "s", TOO_LARGE),
        ("18446744073709551615y", TOO_LARGE),
        ("1.5ns", TOO_LARGE),
        ("0." + "1" * 10_000 + "s", TOO_LARGE),
    ],
)
def test_what_is_wrong_is_told_with_its_place_in_bytes(text, message):
    with pytest.raises(ValueError, match=r".") as refused:
        parse_duration(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["1S", "1H", "1D", "1MS", "1mo", "1Month"])
def test_case_of_units_counts(text):
    with pytest.raises(ValueError, match="unknown time unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (90 * SECOND, "1m 30s"),
        (30 * DAY, "30days"),
        (24 * HOUR, "1day"),
        (7 * DAY, "7days"),
        (60 * DAY, "1month 29days 13h 26m 24s"),
        (90 * DAY, "2months 29days 2h 52m 48s"),
        (2 * YEAR, "2years"),
        (
            YEAR + 2 * MONTH + 3 * DAY + 4 * HOUR + 5 * MINUTE + 6 * SECOND + 7_008_009,
            "1year 2months 3days 4h 5m 6s 7ms 8us 9ns",
        ),
        (3_120_416, "3ms 120us 416ns"),
    ],
)
def test_the_canonical_text_runs_from_large_to_small(ns, text):
    assert format_duration(ns) == text


@given(st.integers(0, 200 * YEAR))
def test_what_is_rendered_reads_back(ns):
    assert parse_duration(format_duration(ns)) == ns


@given(st.text(alphabet="0159 .-hmsdyMµ\té", max_size=12))
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        assert parse_duration(text) >= 0
