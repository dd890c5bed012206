from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk import CrashingDisk
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
