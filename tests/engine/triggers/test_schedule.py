from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.trigger import Misfire, ScheduleOptions
from engine.model.trigger_spec import LONGEST_PERIOD_NS, SHORTEST_PERIOD_NS, EverySpec, parse_trigger_spec
from engine.triggers.schedule import (
    SKIP_AFTER_NS,
    CatchUp,
    Timetable,
    call_time_s,
    catch_up,
    dealt_with,
    jitter_ns,
    next_run,
    timetable,
)

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

START = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * SECOND

NO_OPTIONS = ScheduleOptions()
SKIP, ONCE, ALL = (ScheduleOptions(misfire=misfire) for misfire in Misfire)
ONCE_5M = ScheduleOptions(misfire=Misfire.ONCE, misfire_window_s=300)
ALL_5M = ScheduleOptions(misfire=Misfire.ALL, misfire_window_s=300)


def table(text: str) -> Timetable:
    spec = parse_trigger_spec(text)
    return timetable(spec, NO_OPTIONS)


@pytest.mark.parametrize(
    ("text", "after_ns", "expected"),
    [
        pytest.param("every:10s", START + 3 * SECOND, [10 * SECOND, 20 * SECOND, 30 * SECOND], id="B4.1"),
        pytest.param("every:1h", START + 59 * MINUTE, [HOUR, 2 * HOUR], id="an hour fires on the hour"),
        pytest.param("every:1h", START, [HOUR], id="never at once"),
        pytest.param("every:7d", START, [5 * DAY, 12 * DAY], id="a week fires on Thursdays, as the epoch began"),
        pytest.param("every:250ms", START + 1, [SECOND // 4, SECOND // 2], id="parts of a second"),
        pytest.param("cron:* * * * * *", START + 1, [SECOND, 2 * SECOND], id="B4.2"),
        pytest.param("cron:0 8 * * *", START + 8 * HOUR, [32 * HOUR], id="five fields"),
        pytest.param("cron:0 0 0 30 2 *", START, [None], id="B1.13"),
    ],
)
def test_fire_times_come_from_the_specification(text, after_ns, expected):
    at = after_ns
    for offset in expected:
        at = table(text).next_after(at)
        assert at == (None if offset is None else START + offset)


def test_a_cron_expression_is_read_in_the_time_zone_of_its_trigger():
    spec = parse_trigger_spec("cron:0 8 * * *")
    berlin = timetable(spec, ScheduleOptions(timezone="Europe/Berlin"))
    assert berlin.next_after(START) == START + 7 * HOUR


def runs(text: str, options: ScheduleOptions, after_ns: int, now_ns: int) -> list[int]:
    """Return the due times that get a run until ``now_ns``, offsets from the start in minutes."""
    found = []
    at = next_run(table(text), catch_up(options), after_ns, now_ns)
    while at is not None and at <= now_ns:
        found.append((at - START) // MINUTE)
        at = next_run(table(text), catch_up(options), at, now_ns)
    return found


@pytest.mark.parametrize("text", ["every:1m", "cron:* * * * *"])
@pytest.mark.parametrize(
    ("options", "minutes", "expected"),
    [
        pytest.param(NO_OPTIONS, 3.5, [1, 2, 3], id="B4.5 without options each missed one follows"),
        pytest.param(NO_OPTIONS, 0.9, [], id="nothing is due early"),
        pytest.param(NO_OPTIONS, 1, [1], id="due at its time"),
        pytest.param(NO_OPTIONS, -5, [], id="a clock behind the last time"),
        pytest.param(SKIP, 3.5, [3], id="skip: the newest is not missed yet"),
        pytest.param(SKIP, 1, [1], id="skip: on time"),
        pytest.param(ONCE, 3.5, [3], id="once: the newest"),
        pytest.param(ONCE, 600.9, [600], id="once: the newest of many"),
        pytest.param(ONCE_5M, 9.5, [9], id="once: the newest is within the window"),
        pytest.param(ALL, 3.5, [1, 2, 3], id="all"),
        pytest.param(ALL_5M, 9, [4, 5, 6, 7, 8, 9], id="all within the window"),
        pytest.param(ALL_5M, 9.01, [5, 6, 7, 8, 9], id="all, and what is just too late"),
    ],
)
def test_what_still_gets_a_run_when_it_has_passed(text, options, minutes, expected):
    assert runs(text, options, START, START + int(minutes * MINUTE)) == expected


@pytest.mark.parametrize(
    ("options", "late_ns", "expected"),
    [
        pytest.param(SKIP, SKIP_AFTER_NS, [60], id="skip: a server that was busy for a moment"),
        pytest.param(SKIP, SKIP_AFTER_NS + 1, [], id="skip: missed"),
        pytest.param(ONCE, 50 * MINUTE, [60], id="once: late"),
        pytest.param(ONCE_5M, 5 * MINUTE, [60], id="once: at the end of the window"),
        pytest.param(ONCE_5M, 5 * MINUTE + 1, [], id="once: too late"),
        pytest.param(ALL_5M, 5 * MINUTE + 1, [], id="all: too late"),
    ],
)
@pytest.mark.parametrize("text", ["every:1h", "cron:0 * * * *"])
def test_how_late_a_run_may_be(text, options, late_ns, expected):
    assert runs(text, options, START, START + HOUR + late_ns) == expected


@pytest.mark.parametrize(
    ("options", "last_due_ns", "delay_ns", "expected"),
    [
        pytest.param(NO_OPTIONS, None, 0, START, id="a new trigger"),
        pytest.param(ALL, None, 0, START, id="a new trigger that catches up"),
        pytest.param(NO_OPTIONS, START - HOUR, 0, START, id="B4.6 nothing is caught up"),
        pytest.param(SKIP, START - HOUR, 0, START, id="skip"),
        pytest.param(ONCE, START - HOUR, 0, START - HOUR, id="once looks back"),
        pytest.param(ALL, START - HOUR, 0, START - HOUR, id="all looks back"),
        pytest.param(NO_OPTIONS, START - HOUR, MINUTE, START - MINUTE, id="jitter: due, but not yet to begin"),
        pytest.param(NO_OPTIONS, START - 1, MINUTE, START - 1, id="jitter: but no time twice"),
        pytest.param(NO_OPTIONS, START + HOUR, 0, START + HOUR, id="a clock that was set back repeats none"),
        pytest.param(ALL, START + HOUR, 0, START + HOUR, id="nor where all are caught up"),
    ],
)
def test_from_when_on_a_trigger_owes_runs_at_a_start(options, last_due_ns, delay_ns, expected):
    assert dealt_with(catch_up(options), last_due_ns, START, delay_ns) == expected


@pytest.mark.parametrize(
    ("due_ns", "seconds"),
    [
        pytest.param(START + HOUR, START // SECOND + 3_600, id="B4.4 the true instant"),
        pytest.param(START + 1_500_000_000, START // SECOND + 1, id="B4.3 no parts of a second"),
    ],
)
def test_the_call_time_is_in_whole_seconds(due_ns, seconds):
    assert call_time_s(due_ns) == seconds


@given(st.integers(SHORTEST_PERIOD_NS, LONGEST_PERIOD_NS), st.integers(0, 2**62))
def test_a_period_fires_at_the_next_of_its_multiples(period_ns, after_ns):
    at = timetable(EverySpec(period_ns)).next_after(after_ns)
    assert at % period_ns == 0
    assert at - period_ns <= after_ns < at


RULES = st.builds(CatchUp, st.booleans(), st.none() | st.integers(0, 300 * SECOND))


@given(st.sampled_from(["every:7s", "cron:*/20 * * * * *"]), RULES, st.lists(st.integers(1, 200 * SECOND), max_size=8))
def test_whatever_the_rule_no_time_has_two_runs_and_none_comes_early(text, rule, pauses):
    due_times = table(text)
    reached, now, runs_of = START, START, []
    for pause in pauses:
        now += pause
        while (due := next_run(due_times, rule, reached, now)) <= now:
            passed = list(due_times.between(reached, now + 1))
            in_time = [at for at in passed if rule.window_ns is None or now - at <= rule.window_ns]
            assert due == (in_time[-1] if rule.is_newest_only else in_time[0])
            runs_of.append(due)
            reached = due
    assert runs_of == sorted(set(runs_of))
    if rule == CatchUp():
        assert runs_of == list(due_times.between(START, now + 1))


TEXTS = st.sampled_from(["every:7s", "every:90s", "cron:*/20 * * * * *", "cron:3 */2 * * * *", "cron:0 0 0 30 2 *"])


@given(TEXTS, st.integers(0, 10**13), st.integers(0, 10**12))
def test_the_newest_due_time_is_the_last_of_all(text, offset_ns, span_ns):
    after_ns = START + offset_ns
    all_of_them = list(table(text).between(after_ns, after_ns + span_ns + 1))
    assert table(text).newest(after_ns, after_ns + span_ns) == (all_of_them[-1] if all_of_them else None)


def test_the_newest_of_a_year_is_found_soon():
    each_second = table("cron:* * * * * *")
    assert each_second.newest(START - 365 * DAY, START + 1) == START


def test_jitter_spreads_triggers_and_is_the_same_each_time():
    options = ScheduleOptions(jitter_s=60)
    delays = [jitter_ns(trigger_id, options) for trigger_id in range(1, 1_001)]
    assert delays == [jitter_ns(trigger_id, options) for trigger_id in range(1, 1_001)]
    assert all(0 <= delay < MINUTE for delay in delays)
    in_each_quarter = [sum(q * 15 * SECOND <= delay < (q + 1) * 15 * SECOND for delay in delays) for q in range(4)]
    assert min(in_each_quarter) > 200
    assert jitter_ns(1, NO_OPTIONS) == 0
