from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.cron import parse_cron
from engine.model.trigger_spec import (
    LONGEST_PERIOD_NS,
    SHORTEST_PERIOD_NS,
    CronSpec,
    EverySpec,
    parse_trigger_spec,
)
from engine.triggers.schedule import call_time_s, due_times, next_fire

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

START = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * SECOND


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
    spec = parse_trigger_spec(text)
    at = after_ns
    for offset in expected:
        at = next_fire(spec, at)
        assert at == (None if offset is None else START + offset)


@pytest.mark.parametrize(
    ("text", "last_due_ns", "now_ns", "most", "expected"),
    [
        pytest.param("every:1s", 0, 999_999_999, 9, [], id="nothing is due early"),
        pytest.param("every:1s", 0, SECOND, 9, [SECOND], id="due at its time"),
        pytest.param(
            "every:1s", SECOND, 4_500_000_000, 9, [2 * SECOND, 3 * SECOND, 4 * SECOND], id="B4.5 a run of 3.5 s"
        ),
        pytest.param("every:1s", SECOND, HOUR, 2, [2 * SECOND, 3 * SECOND], id="the oldest first, a bounded number"),
        pytest.param("every:1s", HOUR, HOUR + SECOND, 9, [HOUR + SECOND], id="B4.6 a start counts from the present"),
        pytest.param("cron:*/20 * * * * *", 0, MINUTE, 9, [20 * SECOND, 40 * SECOND, MINUTE], id="B4.5 cron"),
        pytest.param("cron:0 0 0 30 2 *", 0, 10**18, 9, [], id="never"),
        pytest.param("every:1s", 5 * SECOND, SECOND, 9, [], id="a clock behind the last time"),
    ],
)
def test_every_time_that_passed_is_due_by_itself(text, last_due_ns, now_ns, most, expected):
    assert due_times(parse_trigger_spec(text), last_due_ns, now_ns, most) == expected


def test_b4_6_a_server_that_was_down_does_not_catch_up():
    went_down, came_back = START, START + HOUR + 1
    first = next_fire(EverySpec(MINUTE), came_back)
    assert first == START + 61 * MINUTE
    assert len(due_times(EverySpec(MINUTE), went_down, came_back, 1_000)) == 60  # what a running server would owe


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
    at = next_fire(EverySpec(period_ns), after_ns)
    assert at % period_ns == 0
    assert at - period_ns <= after_ns < at


@given(st.integers(1, 30), st.integers(0, 200), st.integers(1, 7))
def test_due_times_asked_for_in_parts_are_the_same(period_s, span_s, most):
    spec = EverySpec(period_s * SECOND)
    now_ns = START + span_s * SECOND
    whole = due_times(spec, START, now_ns, 1_000)
    parts: list[int] = []
    while part := due_times(spec, parts[-1] if parts else START, now_ns, most):
        parts += part
    assert parts == whole


def test_a_cron_trigger_fires_as_its_schedule_says():
    text = "5 4 * * SUN"
    assert next_fire(CronSpec(text), START) == parse_cron(text).next_after(START)
