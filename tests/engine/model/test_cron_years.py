"""Ten simulated years of each cron form, in time zones that set their clocks in different ways, against an oracle."""

from datetime import UTC, datetime

import pytest

from engine.model.cron import parse_cron
from engine.model.zones import Wall, load_zone
from tests.support.cron_years import Meaning, fire_times

SECOND = 10**9
FIRST_YEAR, LAST_YEAR = 2025, 2034
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
WEEK = range(1, 6)

RARE = [
    pytest.param("0 8 * * *", Meaning((0,), [0], [8]), id="five fields, daily"),
    pytest.param("30 2 * * *", Meaning((0,), [30], [2]), id="in the hour that clocks leave out"),
    pytest.param("45 1 * * *", Meaning((0,), [45], [1]), id="in the half hour that Lord Howe repeats"),
    pytest.param("*/20 2 * * 0", Meaning((0,), [0, 20, 40], [2], weekdays=[0]), id="several on a Sunday at two"),
    pytest.param("0 2,3 * * *", Meaning((0,), [0], [2, 3]), id="at both ends of the gap"),
    pytest.param("15 0 * * 7", Meaning((0,), [15], [0], weekdays=[0]), id="five fields, Sunday is seven"),
    pytest.param("0 6 * * 1-5", Meaning((0,), [0], [6], weekdays=WEEK), id="five fields, a range of days"),
    pytest.param(
        "0 0 13 * 5", Meaning((0,), [0], [0], [13], weekdays=[5], either_day=True), id="five fields, either day"
    ),
    pytest.param("0 0 1 */3 *", Meaning((0,), [0], [0], [1], [1, 4, 7, 10]), id="five fields, steps of months"),
    pytest.param("0 0 6 * * 1-5", Meaning((0,), [0], [6], weekdays=range(5)), id="six fields count from Sunday = 1"),
    pytest.param("0 0 0 13 * FRI", Meaning((0,), [0], [0], [13], weekdays=[5]), id="six fields, both days"),
    pytest.param("10,40 59 23 31 * ?", Meaning((10, 40), [59], [23], [31]), id="six fields, lists"),
    pytest.param("*/30 30 2 * * *", Meaning((0, 30), [30], [2]), id="six fields, seconds in the gap"),
    pytest.param("0 0 0 29 FEB *", Meaning((0,), [0], [0], [29], [2]), id="six fields, leap days"),
    pytest.param("0 30 1-3 * MAR,OCT SUN", Meaning((0,), [30], [1, 2, 3], None, [3, 10], [0]), id="names"),
    pytest.param(
        "0 0 12 1 1 * 2028-2034/3", Meaning((0,), [0], [12], [1], [1], years=[2028, 2031, 2034]), id="seven fields"
    ),
    pytest.param("0 5/25 */6 * * *", Meaning((0,), [5, 30, 55], [0, 6, 12, 18]), id="steps"),
    pytest.param("@yearly", Meaning((0,), [0], [0], [1], [1]), id="yearly"),
    pytest.param("@monthly", Meaning((0,), [0], [0], [1]), id="monthly"),
    pytest.param("@weekly", Meaning((0,), [0], [0], weekdays=[0]), id="weekly"),
    pytest.param("@daily", Meaning((0,), [0], [0]), id="daily"),
]
FREQUENT = [
    pytest.param("@hourly", Meaning((0,), [0]), id="hourly"),
    pytest.param("15 * * * *", Meaning((0,), [15]), id="five fields, each hour"),
    pytest.param("*/10 * * * *", Meaning((0,), range(0, 60, 10)), id="five fields, each ten minutes"),
    pytest.param(
        "0 0-59/30 0-23 * * 2-6", Meaning((0,), [0, 30], range(24), weekdays=WEEK), id="each hour, written out"
    ),
    pytest.param("* * * * *", Meaning((0,)), id="each minute"),
]
EACH_SECOND = pytest.param("* * * * * *", Meaning(range(60)), id="B4.2 each second")


def fires(text: str, zone: str, first_s: int, end_s: int) -> list[int]:
    """Return all seconds from ``first_s`` on, below ``end_s``, at which it fires."""
    schedule, wall = parse_cron(text), Wall(load_zone(zone))
    found = []
    at = schedule.next_after((first_s - 1) * SECOND, wall)
    while at is not None and at < end_s * SECOND:
        found.append(at // SECOND)
        at = schedule.next_after(at, wall)
    return found


def bounds(first_year: int, last_year: int) -> tuple[int, int]:
    first, end = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (first_year, last_year + 1))
    return int(first), int(end)


def check(text: str, meaning: Meaning, zone: str, first_s: int, end_s: int) -> None:
    assert fires(text, zone, first_s, end_s) == fire_times(meaning, zone, first_s, end_s)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("text", "meaning"), RARE)
def test_the_times_of_a_leap_year_are_those_of_the_oracle(text: str, meaning: Meaning, zone: str) -> None:
    check(text, meaning, zone, *bounds(2028, 2028))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("text", "meaning"), [*FREQUENT, EACH_SECOND])
def test_frequent_times_are_those_of_the_oracle_where_clocks_are_set(text: str, meaning: Meaning, zone: str) -> None:
    wall, (at, end_s) = Wall(load_zone(zone)), bounds(FIRST_YEAR, FIRST_YEAR)
    while at is not None:
        check(text, meaning, zone, at - 900, at + 2 * 3_600)
        at = wall.next_change(at, end_s)


@pytest.mark.long
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("text", "meaning"), [*RARE, *FREQUENT])
def test_ten_years_of_times_are_those_of_the_oracle(text: str, meaning: Meaning, zone: str) -> None:
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        check(text, meaning, zone, *bounds(year, year))
