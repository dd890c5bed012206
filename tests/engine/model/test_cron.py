import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.cron import parse_cron
from tests.support.cron import DrawnCron, crons

SECOND = 10**9


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def fires(expression: str, after: str, count: int) -> list[str]:
    schedule = parse_cron(expression)
    times = []
    at = ns(after)
    for _ in range(count):
        next_at = schedule.next_after(at)
        if next_at is None:
            times.append("never")
            break
        at = next_at
        times.append(datetime.fromtimestamp(at / SECOND, UTC).strftime("%a %Y-%m-%d %H:%M:%S"))
    return times


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        pytest.param(
            "0 0 6 * * 1-5",
            "2026-11-18",
            ["Wed 2026-11-18 06:00:00", "Thu 2026-11-19 06:00:00", "Sun 2026-11-22 06:00:00"],
            id="B1.9 six fields count weekdays from Sunday = 1",
        ),
        pytest.param(
            "0 0 0 13 * FRI",
            "2026-11-21",
            ["Fri 2027-08-13 00:00:00", "Fri 2028-10-13 00:00:00"],
            id="B1.10 both day fields must match",
        ),
        pytest.param(
            "0 8 * * *", "2026-11-21T08:00:00", ["Sun 2026-11-22 08:00:00"], id="B1.11 five fields are minute first"
        ),
        pytest.param(
            "0 8 * * 1-5",
            "2026-11-20T09:00:00",
            ["Mon 2026-11-23 08:00:00", "Tue 2026-11-24 08:00:00"],
            id="B1.11 five fields count weekdays from Sunday = 0",
        ),
        pytest.param(
            "0 0 13 * 5",
            "2026-12-05",
            ["Fri 2026-12-11 00:00:00", "Sun 2026-12-13 00:00:00", "Fri 2026-12-18 00:00:00"],
            id="B1.11 in five fields either day may match",
        ),
        pytest.param("0 0 * * 7", "2026-11-21", ["Sun 2026-11-22 00:00:00"], id="seven is Sunday in five fields"),
        pytest.param("0 0 * * 0", "2026-11-21", ["Sun 2026-11-22 00:00:00"], id="zero is Sunday in five fields"),
        pytest.param(
            "0 0 * * 5-7",
            "2026-11-19",
            ["Fri 2026-11-20 00:00:00", "Sat 2026-11-21 00:00:00", "Sun 2026-11-22 00:00:00"],
            id="a range may end with Sunday in five fields",
        ),
        pytest.param(
            "0 0 */2 * 1",
            "2026-11-21",
            ["Mon 2026-11-23 00:00:00", "Mon 2026-12-07 00:00:00"],
            id="a day field that begins with a star is not given, as in Unix",
        ),
        pytest.param("* * * * * *", "2026-11-21", ["Sat 2026-11-21 00:00:01", "Sat 2026-11-21 00:00:02"], id="B4.2"),
        pytest.param("0 0 0 30 2 *", "2026-11-21", ["never"], id="B1.13 the 30th of February never comes"),
        pytest.param(
            "0 0 0 29 2 SUN",
            "2026-11-21",
            ["Sun 2032-02-29 00:00:00", "Sun 2060-02-29 00:00:00", "Sun 2088-02-29 00:00:00", "never"],
            id="rare days are found",
        ),
        pytest.param("0 0 0 1 1 * 2100", "2026-11-21", ["Fri 2100-01-01 00:00:00", "never"], id="years end with 2100"),
        pytest.param("0 0 0 1 1 * 2025", "2026-11-21", ["never"], id="a year that is over"),
        pytest.param(
            "0 30 22 ? JAN-feb MON,thursday",
            "2026-11-21",
            ["Mon 2027-01-04 22:30:00", "Thu 2027-01-07 22:30:00"],
            id="names in any case, and the question mark",
        ),
        pytest.param(
            "5/25 59 23 31 12 *",
            "2026-11-21",
            ["Thu 2026-12-31 23:59:05", "Thu 2026-12-31 23:59:30", "Thu 2026-12-31 23:59:55"],
            id="a step behind a value runs to the field's end",
        ),
        pytest.param("0 0 8***", "2026-11-21", ["Sat 2026-11-21 08:00:00"], id="blanks may be missing"),
        pytest.param("  0 0  8 * * *\t", "2026-11-21", ["Sat 2026-11-21 08:00:00"], id="blanks do not count"),
        pytest.param("@yearly", "2026-11-21", ["Fri 2027-01-01 00:00:00"], id="yearly"),
        pytest.param("@monthly", "2026-11-21", ["Tue 2026-12-01 00:00:00"], id="monthly"),
        pytest.param("@weekly", "2026-11-21", ["Sun 2026-11-22 00:00:00"], id="weekly"),
        pytest.param("@daily", "2026-11-21", ["Sun 2026-11-22 00:00:00"], id="daily"),
        pytest.param("@hourly", "2026-11-21", ["Sat 2026-11-21 01:00:00"], id="B1.12 hourly"),
    ],
)
def test_expressions_fire_when_their_dialect_says(expression, after, expected):
    assert fires(expression, after, len(expected)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("@reboot", id="B1.12 reboot"),
        "",
        " ",
        "@annually",
        "@midnight",
        "@HOURLY",
        "* * * *",
        "* * * * * * * *",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 0 *",
        "* * * * 13 *",
        "* * * * * 0",
        "* * * * * 8",
        "* * * * 8",
        "* * * * * * 1969",
        "* * * * * * 2101",
        "30-10 * * * * *",
        "* * * * * FRI-MON",
        "*/0 * * * * *",
        "*/60 * * * * *",
        "* * */24 * * *",
        "* * * * * */8",
        "? * * * * *",
        "* * * * ? *",
        "* * * L * *",
        "* * * 15W * *",
        "* * * * * 6#3",
        "* * * * * fr",
        "* * * * jane *",
        "1,,2 * * * * *",
        ",1 * * * * *",
        "1, * * * * *",
        "* * * * * 1,",
        "1-2-3 * * * * *",
        "*-5 * * * * *",
        "-5 * * * * *",
        "1.5 * * * * *",
        "٣ * * * * *",
        "9" * 5_000 + " * * * * *",
    ],
)
def test_what_the_product_does_not_know_is_refused_with_a_reason(expression):
    with pytest.raises(ValueError, match=r"."):
        parse_cron(expression)


def test_only_five_fields_are_unix():
    assert [parse_cron(text).is_unix for text in ("0 8 * * *", "0 0 8 * * *", "@daily")] == [True, False, False]


def test_a_fire_time_is_strictly_after_and_a_whole_second():
    schedule = parse_cron("* * * * * *")
    assert schedule.next_after(0) == SECOND
    assert schedule.next_after(SECOND - 1) == SECOND
    assert schedule.next_after(SECOND) == 2 * SECOND


def test_nothing_fires_outside_the_years_that_cron_knows():
    schedule = parse_cron("@yearly")
    assert schedule.next_after(-(2**63)) == 0
    assert schedule.next_after(2**63 - 1) is None


def test_an_expression_that_never_fires_is_known_soon():
    started = time.perf_counter()
    assert parse_cron("* * * 31 2,4,6,9,11 *").next_after(0) is None
    assert time.perf_counter() - started < 1  # milliseconds; the limit only tells a walk of days from one of seconds


SOME_DAYS = 400


@settings(max_examples=150, deadline=None)
@given(crons(), st.integers(0, 4_102_444_800), st.integers(0, SECOND - 1))
def test_fire_times_are_those_that_a_trial_of_all_seconds_finds(drawn: DrawnCron, after_s: int, fraction_ns: int):
    schedule = parse_cron(drawn.text)
    expected = drawn.next_within(after_s, SOME_DAYS)
    actual = schedule.next_after(after_s * SECOND + fraction_ns)
    if expected is None:
        horizon = (after_s // 86_400 + SOME_DAYS) * 86_400 * SECOND
        assert actual is None or actual >= horizon
    else:
        assert actual == expected * SECOND


@settings(max_examples=300)
@given(st.text(alphabet="0159*/-,? mons@", max_size=24))
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        parse_cron(text).next_after(0)
