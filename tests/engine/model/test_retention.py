import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.model.retention import MOST_PERIOD_S, HardDelete, format_period, parse_hard_delete_at, parse_period

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 30 * DAY),
        ("30days", 30 * DAY),
        ("1w", 7 * DAY),
        ("1month", 2_630_016),
        ("1y", 31_557_600),
        ("1h30m", 5400),
        ("2h 37min", 9420),
        ("1999ms", 1),
        ("1s", 1),
    ],
)
def test_periods_have_whole_seconds(text: str, seconds: int) -> None:
    assert parse_period(text) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("zz", "expected number at 0"),
        ("", "value was empty"),
        ("-1d", "expected number at 0"),
        ("none", "expected number at 0"),
        ("30", "time unit needed, for example 30sec or 30ms"),
        ("1mo", 'unknown time unit "mo"'),
        ("0", "'0' is too short: a retention period is at least 1s"),
        ("999ms", "'999ms' is too short"),
        ("585y", "'585y' is too long: a retention period is at most 584 years"),
    ],
)
def test_what_is_no_period_is_told(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_period(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(30 * DAY, "30d"), (36 * 3600, "36h"), (5400, "90m"), (45, "45s"), (61, "61s")]
)
def test_periods_are_shown_in_the_largest_unit(seconds: int, text: str) -> None:
    assert format_period(seconds) == text


@given(st.integers(1, MOST_PERIOD_S))
def test_a_period_is_read_back(seconds: int) -> None:
    assert parse_period(format_period(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("never", HardDelete.NEVER),
        ("NOW", HardDelete.NOW),
        (" Default ", HardDelete.DEFAULT),
        ("2125-12-31T23:59:59Z", 4_922_899_199 * 10**9),
        ("2026-11-21T10:00:00.5+02:00", 1_795_248_000_500_000_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799 * 10**9),
    ],
)
def test_times_of_hard_deletion(text: str | None, expected: HardDelete | int | None) -> None:
    assert parse_hard_delete_at(text) == expected


@pytest.mark.parametrize("text", ["", "zz", "2026-11-21", "2026-11-21T08:00:00", "1795248000", "2026-02-30T00:00:00Z"])
def test_what_is_no_time_is_told(text: str) -> None:  # fact 117
    with pytest.raises(InvalidRequest) as refused:
        parse_hard_delete_at(text)
    assert str(refused.value).startswith(f"Cannot parse the timestamp: '{text}' is not a time")
    assert str(refused.value).endswith("; or say never, now or default")
