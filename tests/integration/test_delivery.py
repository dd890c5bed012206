"""Delivery to write triggers: sets of finished ranges, lag, what retention takes, backlogs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.progress import Lag, Progress
from engine.model.trigger import TriggerLimits
from tests.integration.test_write_triggers import delivered
from tests.support.copier import check_once, copy_rows, drain
from tests.support.disk import CrashingDisk
from tests.support.node import DATABASE, Node

ALL_GONE = {"wal_retention_size_bytes": 0, "wal_retention_age_s": 0.0}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    yield node
    if not node.is_crashed:
        node.close()


def trigger_id(node: Node, name: str = "t") -> int:
    return node.engine.catalog.state.database(DATABASE).trigger(name).trigger_id  # type: ignore[union-attr]


def progress(node: Node) -> Progress:
    return node.engine.store.consumers.get(trigger_id(node)).progress  # type: ignore[union-attr]


def lag(node: Node) -> Lag:
    found = node.engine.trigger_lag(trigger_id(node))
    assert found is not None
    return found


def edit(node: Node, old: str, new: str) -> None:
    """Change the catalog by hand."""
    path = node.engine.paths.catalog
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    node.engine.catalog.poll_edits()


def test_two_commits_out_of_order_then_a_crash_make_each_effect_once(node: Node, tmp_path: Path) -> None:
    node.trigger("t", "table:a", run_async=True)
    begun = []
    for value in (1, 2, 3):
        node.write(f"a v={value} {value}")
        begun.append(node.executor.next())
    copy_rows(begun[2])
    copy_rows(begun[0])
    node.settle()
    after = node.crashed(tmp_path / "after")
    assert delivered(after.executor.started[0].run) == [("a", 2.0)]
    drain(after)
    assert sorted(r["v"] for r in after.rows("SELECT v FROM copies")) == [1.0, 2.0, 3.0]
    after.close()


def test_a_run_that_hangs_lets_the_set_of_finished_ranges_not_grow(node: Node) -> None:
    node.trigger("t", "table:a", run_async=True)
    node.write("a v=0 0")
    node.executor.next()
    for value in range(1, 60):
        node.write(f"a v={value} {value}")
        node.executor.next().succeed(f"out w={value} {value}")
    node.settle()
    assert len(progress(node).finished) == 1
    assert lag(node).rows == 1


def test_there_are_never_more_ranges_than_runs_side_by_side(tmp_path: Path) -> None:
    node = Node(tmp_path, async_trigger_concurrency_limit=4)
    node.trigger("t", "table:a", run_async=True)
    for value in range(8):
        node.write(f"a v={value} {value}")
    for number in (1, 3):
        node.executor.next() if number == 1 else None
        node.executor.next().succeed("out w=1 1")
    node.settle()
    assert len(progress(node).finished) <= 4
    assert node.executor.waiting <= 4
    node.close()


def test_after_a_switch_to_synchronous_finished_ranges_are_skipped(node: Node, tmp_path: Path) -> None:
    node.trigger("t", "table:a", run_async=True)
    begun = []
    for value in (1, 2, 3):
        node.write(f"a v={value} {value}")
        begun.append(node.executor.next())
    begun[1].succeed("out w=2 2")
    node.settle()
    edit(node, "run_asynchronous = true", "run_asynchronous = false")
    assert delivered(node.executor.next().run) == [("a", 1.0), ("a", 3.0)]
    assert node.executor.waiting == 0
    after = node.crashed(tmp_path / "after")
    assert delivered(after.executor.next().run) == [("a", 1.0), ("a", 3.0)]
    after.close()


def test_a_change_of_the_definition_repeats_nothing_that_is_on_its_way_into_the_log(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    node.executor.next().succeed()  # its commit waits for company: nobody waits for it
    edit(node, 'error_behavior = "log"', 'error_behavior = "retry"')
    node.settle()
    assert node.executor.waiting == 0


def test_a_run_that_ends_after_its_trigger_was_changed_is_repeated_not_counted(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    begun = node.executor.next()
    edit(node, 'error_behavior = "log"', 'error_behavior = "retry"')
    copy_rows(begun)
    drain(node)
    check_once(node, [1.0], [1.0])


@pytest.mark.parametrize("ended", [False, True])
def test_lag_tells_what_is_not_committed(node: Node, ended: bool) -> None:
    node.trigger("t", "table:a")
    node.write("b v=1")
    assert lag(node).rows == 0
    node.write("a v=1 1\na v=2 2")
    node.clock.advance(3_000_000_000)
    node.write("a v=3 3")
    found = lag(node)
    assert (found.rows, found.records, found.oldest_age_ns) == (3, 2, 3_000_000_000)
    assert found.position < found.head
    if ended:
        node.executor.next().succeed("out w=1 1")
        node.executor.next().succeed("out w=1 1")
        node.settle()
        assert lag(node).rows == 0
        assert lag(node).oldest_age_ns == 0


def test_lag_is_known_after_a_restart_without_plugins_and_not_while_disabled(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    node.executor.next()
    node.clock.advance(5_000_000_000)
    node.changes["plugin_dir"] = None
    node = node.restarted()
    assert lag(node).rows == 1
    assert lag(node).oldest_age_ns >= 5_000_000_000
    node.write("a v=2 2")
    assert lag(node).rows == 2
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    assert node.engine.trigger_lag(trigger_id(node)) is None
    node.close()


def test_what_retention_takes_is_counted_told_and_survives_a_crash(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "node")
    node = Node(tmp_path / "node", disk=disk, wal_segment_size_bytes=64 * 1024, **ALL_GONE)
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    slow = node.executor.next()
    node.write("a v=2 2\na v=3 3")
    node.clock.advance(1)
    node.engine.snapshot()
    assert lag(node).missed_rows == 2, "the row of the run that is under way is not missed"
    node.engine._journal.flush()
    node.write("a v=4 4")
    slow.succeed("out w=1 1")
    node.settle()
    node = node.crashed(tmp_path / "after")
    assert lag(node).missed_rows == 2
    assert delivered(node.executor.next().run) == [("a", 4.0)], "it goes on behind the gap"
    node.engine.snapshot()
    node.settle()
    node = node.crashed(tmp_path / "later")
    assert lag(node).missed_rows == 2, "the checkpoint has it too"
    (line,) = node.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'ERROR'")
    assert line["log_text"] == (
        "trigger t is too far behind: 2 rows left the log before it read them "
        "(--wal-retention-size, --wal-retention-age); 2 since it was enabled"
    )
    node.close()


def test_a_backlog_in_many_old_segments_arrives_in_order_and_whole(tmp_path: Path) -> None:
    node = Node(tmp_path, wal_segment_size_bytes=64 * 1024)
    node.trigger("t", "table:a")
    node.write("a v=-1 0")
    node.executor.next()
    for part in range(12):
        node.write("\n".join(f'a v={part * 50 + i},s="{"x" * 1000}" {part * 50 + i}' for i in range(50)))
        node.engine.snapshot()
    assert len(node.engine.wal.sealed_segments()) > 8
    node = node.restarted()
    values: list[float] = []
    while len(values) < 601:
        begun = node.executor.next()
        values += [v for _, v in delivered(begun.run)]
        begun.succeed(f"out w=1 {len(values)}")
    assert values == [-1.0, *map(float, range(600))]
    node.close()


def test_a_run_gets_whole_records_up_to_the_trigger_s_limit(node: Node) -> None:
    node.trigger("t", "table:a", limits=TriggerLimits(max_rows_per_run=3))
    node.write("a v=0 0")
    first = node.executor.next()
    node.write("a v=1 1\na v=2 2")
    node.write("a v=3 3")
    node.write("a v=4 4")
    node.write("\n".join(f"a v={v} {v}" for v in range(5, 10)))
    node.write("a v=10 10")
    got = []
    first.succeed()
    for _ in range(4):
        begun = node.executor.next()
        got.append([v for _, v in delivered(begun.run)])
        begun.succeed()
    assert got == [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0, 7.0, 8.0, 9.0], [10.0]], "a record is never cut"


def test_the_server_s_limit_of_rows_holds_where_a_trigger_says_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path, plugin_max_rows_per_run=2)
    node.trigger("t", "table:a")
    node.write("a v=0 0")
    first = node.executor.next()
    for value in range(1, 5):
        node.write(f"a v={value} {value}")
    first.succeed()
    for expected in ([1.0, 2.0], [3.0, 4.0]):
        begun = node.executor.next()
        assert [v for _, v in delivered(begun.run)] == expected
        begun.succeed()
    node.close()
