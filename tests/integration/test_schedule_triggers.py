from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.trigger import Misfire, ScheduleOptions, TriggerDefinition
from engine.model.trigger_spec import parse_trigger_spec
from engine.triggers.schedule import jitter_ns
from tests.support.clock import ManualClock
from tests.support.disk import CrashingDisk
from tests.support.engines import JOURNAL_S
from tests.support.node import START_NS, Node

START_S = START_NS // 10**9  # divisible by ten


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    yield node
    if not node.is_crashed:
        node.close()


def test_a_period_fires_at_its_multiples_with_these_call_times(node: Node) -> None:  # B4.1
    node.advance(3)
    node.trigger("s", "every:10s")
    node.advance(6.9)
    assert node.executor.waiting == 0
    node.advance(0.1)
    first = node.executor.next()
    first.succeed()
    node.advance(10)
    assert [first.run.call_time_s, node.executor.next().run.call_time_s] == [START_S + 10, START_S + 20]


def test_a_run_that_takes_too_long_is_followed_by_each_missed_one(node: Node) -> None:  # B4.5
    node.trigger("s", "every:1s")
    node.advance(1)
    long = node.executor.next()
    node.advance(3.5)
    assert node.executor.waiting == 0
    long.succeed("out w=1 1")
    times = []
    for _ in range(3):
        node.settle()
        begun = node.executor.next()
        times.append(begun.run.call_time_s)
        begun.succeed("out w=1 2")
    assert times == [START_S + 2, START_S + 3, START_S + 4]


def test_asynchronous_runs_overlap(node: Node) -> None:
    node.trigger("s", "every:1s", run_async=True)
    node.advance(1)
    node.advance(1)
    assert [node.executor.next().run.call_time_s for _ in range(2)] == [START_S + 1, START_S + 2]


def test_time_while_the_server_was_down_is_not_caught_up(node: Node) -> None:  # B4.6
    node.trigger("s", "every:10s")
    node.close()
    node.clock.advance(3600 * 10**9)
    again = Node(node.folder, clock=node.clock)
    assert again.executor.waiting == 0
    again.advance(10)
    assert again.executor.next().run.call_time_s == START_S + 3610
    assert again.executor.waiting == 0
    again.close()
    node.is_crashed = True


def test_a_run_that_a_crash_interrupts_is_repeated_with_its_own_time(node: Node, tmp_path: Path) -> None:
    node.trigger("s", "every:10s")
    node.advance(10)
    done = node.executor.next()
    done.succeed("out w=1 1")
    node.settle()
    node.advance(10)
    node.executor.next()
    node.settle()
    node.clock.advance(35 * 10**9)
    again = node.crashed(tmp_path / "after")
    repeated = again.executor.next()
    assert repeated.run.call_time_s == START_S + 20
    assert again.executor.waiting == 0
    repeated.succeed("out w=2 2")
    again.settle()
    last = again.crashed(tmp_path / "last")
    assert last.executor.waiting == 0, "it was committed, so it is not repeated again"
    last.close()


def test_a_run_that_a_stop_in_good_order_cuts_off_is_repeated_with_its_own_time(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "every:10s")
    node.advance(10)
    due = node.executor.next().run.call_time_s
    node = node.restarted()
    assert node.executor.next().run.call_time_s == due
    node.close()


def test_a_failing_schedule_leaves_a_dead_letter_with_its_time(node: Node) -> None:
    node.trigger("s", "every:10s", error_behavior="retry")
    node.advance(10)
    for _ in range(5):
        node.executor.next().fail()
        node.advance(1)
    node.settle()
    (letter,) = node.rows("SELECT attempts, due, input FROM system.processing_engine_dead_letters")
    assert letter["attempts"] == 5
    assert letter["due"] == (START_S + 10) * 10**9


def test_a_disabled_schedule_does_not_fire(node: Node) -> None:
    node.trigger("s", "every:10s")
    node.engine.set_trigger_enabled("db", "s", False)
    node.advance(60)
    assert node.executor.waiting == 0


def due_seconds(node: Node) -> list[int]:
    """Return the due times, as seconds from the start, of the runs that began; let each end well."""
    found = []
    while node.executor.waiting:
        begun = node.executor.next()
        found.append((begun.run.call_time_s or 0) - START_S)
        begun.succeed("out w=1 1")
        node.settle()
    return found


def options(**given: object) -> ScheduleOptions:
    return ScheduleOptions(**given)  # type: ignore[arg-type]


def test_a_cron_trigger_is_due_by_the_clock_of_its_time_zone(node: Node) -> None:
    # 2023-11-14 22:13:20 UTC: midnight in Berlin is at 23:00 UTC
    node.trigger("s", "cron:0 0 * * *", schedule=options(timezone="Europe/Berlin"))
    node.advance(46 * 60 + 40)
    assert node.executor.next().run.call_time_s == START_S + 46 * 60 + 40
    assert node.executor.waiting == 0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(options(), [40], id="B4.6 without options nothing is caught up"),
        pytest.param(options(misfire=Misfire.SKIP), [40], id="skip"),
        pytest.param(options(misfire=Misfire.ONCE), [30, 40], id="once"),
        pytest.param(options(misfire=Misfire.ALL), [20, 30, 40], id="all"),
        pytest.param(options(misfire=Misfire.ALL, misfire_window_s=5), [30, 40], id="all within a window"),
        pytest.param(options(misfire=Misfire.ONCE, misfire_window_s=2), [40], id="once, too late"),
    ],
)
def test_what_passed_while_the_server_was_down(
    node: Node, tmp_path: Path, schedule: ScheduleOptions, expected: list[int]
) -> None:
    node.trigger("s", "every:10s", schedule=schedule)
    node.advance(10)
    assert due_seconds(node) == [10]
    node.clock.advance(23 * 10**9)
    again = node.crashed(tmp_path / "after")
    caught_up = due_seconds(again)
    again.advance(7)
    assert caught_up + due_seconds(again) == expected
    again.close()


@pytest.mark.parametrize("misfire", [None, *Misfire])
@pytest.mark.parametrize(("down_s", "caught_up"), [(5, []), (15, [30])])
def test_an_interrupted_run_is_repeated_once_whatever_is_caught_up(
    node: Node, tmp_path: Path, misfire: Misfire | None, down_s: int, caught_up: list[int]
) -> None:
    node.trigger("s", "every:10s", schedule=options(misfire=misfire))
    node.advance(10)
    assert due_seconds(node) == [10]
    node.advance(10)
    node.executor.next()
    node.settle()
    node.clock.advance(down_s * 10**9)
    again = node.crashed(tmp_path / "after")
    assert due_seconds(again) == [20, *(caught_up if misfire in (Misfire.ONCE, Misfire.ALL) else [])]
    again.close()


def test_an_interrupted_run_is_repeated_once_by_a_clock_that_was_set_back(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("s", "every:10s")
    node.advance(10)
    node.executor.next()
    node.settle()
    node.close()
    again = Node(tmp_path, clock=ManualClock(START_NS + 5 * 10**9))
    assert due_seconds(again) == [10]
    again.advance(5)
    assert due_seconds(again) == []
    again.advance(10)
    assert due_seconds(again) == [20]
    again.close()


def test_a_trigger_that_never_ran_knows_since_when_it_is_on(node: Node, tmp_path: Path) -> None:
    node.advance(5)
    node.trigger("s", "every:10s", schedule=options(misfire=Misfire.ALL))
    node.settle()
    node.clock.advance(30 * 10**9)
    again = node.crashed(tmp_path / "after")
    assert due_seconds(again) == [10, 20, 30]
    again.close()


def test_what_a_run_that_took_too_long_makes_late_is_skipped_if_wanted(node: Node) -> None:
    node.trigger("s", "every:1s", schedule=options(misfire=Misfire.SKIP))
    node.advance(1)
    long = node.executor.next()
    node.advance(3.5)
    long.succeed("out w=1 1")
    node.settle()
    assert due_seconds(node) == [4]
    node.advance(0.5)
    assert due_seconds(node) == [5]
    node.advance(1)
    assert due_seconds(node) == [6]
    logs = node.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_text LIKE 'due times %'")
    assert [row["log_text"] for row in logs] == [
        "due times of trigger s before 2023-11-14 22:13:24 UTC that its misfire option leaves out: 2"
    ]


def test_a_clock_that_was_set_back_over_a_restart_repeats_no_due_time(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("s", "every:10s")
    node.advance(60)
    assert due_seconds(node) == [10, 20, 30, 40, 50, 60]
    node.close()
    again = Node(tmp_path, clock=ManualClock(START_NS + 5 * 10**9))
    again.advance(60)
    assert due_seconds(again) == []
    again.advance(5)
    assert due_seconds(again) == [70]
    again.close()


def test_jitter_delays_the_run_and_not_its_call_time(node: Node) -> None:
    node.trigger("s", "every:10m", schedule=options(jitter_s=300))
    trigger_id = node.engine.catalog.state.database("db").triggers[0].trigger_id  # type: ignore[union-attr]
    delay_s = jitter_ns(trigger_id, options(jitter_s=300)) / 1e9
    first = 400  # 22:20
    node.advance(first + delay_s - 0.001)
    assert node.executor.waiting == 0
    node.advance(0.002)
    assert due_seconds(node) == [first]


def test_a_due_time_whose_jitter_ends_after_a_restart_is_run(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("s", "every:10m", schedule=options(jitter_s=300))
    trigger_id = node.engine.catalog.state.database("db").triggers[0].trigger_id  # type: ignore[union-attr]
    delay_s = jitter_ns(trigger_id, options(jitter_s=300)) / 1e9
    node.advance(400 + delay_s / 2)
    node = node.restarted()
    assert node.executor.waiting == 0
    node.advance(delay_s / 2 + 0.001)
    assert due_seconds(node) == [400]
    node.close()


def test_a_changed_trigger_goes_on_where_it_was(node: Node) -> None:
    node.trigger("s", "every:10s")
    node.advance(10)
    node.executor.next()
    node.advance(25)
    node.engine.update_trigger("db", "s", lambda d: replace(d, arguments={"a": "b"}))
    assert due_seconds(node) == [10, 20, 30]
    node.advance(5)
    assert due_seconds(node) == [40]


def test_asynchronous_runs_are_bounded(tmp_path: Path) -> None:
    node = Node(tmp_path, async_trigger_concurrency_limit=2)
    node.trigger("s", "every:1s", run_async=True)
    for _ in range(4):
        node.advance(1)
    first = [node.executor.next() for _ in range(2)]
    assert node.executor.waiting == 0
    first[1].succeed("out w=1 1")
    node.settle()
    assert [(node.executor.next().run.call_time_s or 0) - START_S, node.executor.waiting] == [3, 0]
    node.close()


def test_a_jump_of_the_clock_over_years_costs_no_memory_and_little_time(node: Node) -> None:
    node.trigger("s", "every:1s", schedule=options(misfire=Misfire.ONCE))
    node.advance(10 * 365 * 86_400)
    assert node.executor.next().run.call_time_s == START_S + 10 * 365 * 86_400


def test_a_schedule_that_is_over_says_so(node: Node) -> None:
    node.trigger("s", "cron:0 0 0 1 1 * 2020")
    node.advance(JOURNAL_S)
    node.settle()
    (log,) = node.rows("SELECT log_text FROM system.processing_engine_logs")
    assert log["log_text"] == "trigger s is over: no time after 2023-11-14 22:13:20 UTC matches"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param("cron:0 0 0 30 2 *", "matches cron:0 0 0 30 2 *", id="B1.13"),
        pytest.param("cron:0 0 0 1 1 * 2020", "no time after 2023-11-14 22:13:20 UTC", id="a year that is over"),
        pytest.param("cron:0 0 0 29 FEB *", None, id="a leap day comes"),
    ],
)
def test_a_trigger_that_can_never_fire_is_made_with_a_warning(node: Node, spec: str, words: str | None) -> None:
    node.engine.tables.create_database("db")
    warnings = node.engine.create_trigger("db", TriggerDefinition(0, "s", "p.py", parse_trigger_spec(spec)))
    told = [text for text in warnings if text.startswith("this trigger never runs")]
    assert len(told) == (words is not None)
    assert all((words or "") in text for text in told)
    assert node.engine.catalog.state.database("db").trigger("s") is not None  # type: ignore[union-attr]
