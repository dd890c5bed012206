import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.columns.payload import decode_rows
from engine.disk import Bytes, RealDisk
from engine.errors import PluginFailed, Unavailable
from engine.host.batches import PayloadFiles, table_batches
from engine.host.protocol import Done, RequestData, Response, Run
from tests.support.disk import CrashingDisk
from tests.support.node import DATABASE, Node

RUNS = "SELECT outcome, attempt, error FROM system.processing_engine_runs ORDER BY time"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    yield node
    if not node.is_crashed:
        node.close()


def delivered(run: Run) -> list[tuple[str, Any]]:
    """The rows of a run as (table, value of the field v)."""
    batches = table_batches(run.batches, PayloadFiles())
    return [(batch["table_name"], row["v"]) for batch in batches for row in batch["rows"]]


class FullDisk(RealDisk):
    """A disk that takes no catalog while it is full."""

    is_full = False

    def write(self, path: Path, data: Bytes) -> None:
        if self.is_full and path.name.startswith("catalog"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        super().write(path, data)


def test_only_rows_of_the_triggers_table_arrive(node: Node) -> None:  # B3.7, B3.8
    node.trigger("t", "table:a")
    node.write("b v=1")
    node.write("a v=2\nb v=3")
    assert delivered(node.executor.next().run) == [("a", 2.0)]
    assert node.executor.waiting == 0


def test_all_tables_includes_tables_that_come_later(node: Node) -> None:  # B3.9
    node.trigger("t", "all_tables")
    node.write("brand_new v=1")
    assert delivered(node.executor.next().run) == [("brand_new", 1.0)]


def test_what_is_written_during_a_run_is_one_batch_afterwards(node: Node) -> None:  # B3.6, B3.16
    node.trigger("t", "table:a")
    node.write("a v=1")
    first = node.executor.next()
    for value in (2, 3, 4):
        node.write(f"a v={value}")
    assert node.executor.waiting == 0
    first.succeed()
    assert delivered(node.executor.next().run) == [("a", 2.0), ("a", 3.0), ("a", 4.0)]


def test_output_can_be_queried_after_the_run_and_names_its_trigger(node: Node) -> None:  # B6.9
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed("out w=5 1", "out w=6 2")
    node.settle()
    assert node.rows("SELECT w FROM out ORDER BY w") == [{"w": 5.0}, {"w": 6.0}]
    (run,) = node.rows("SELECT outcome, rows_in, lines_out FROM system.processing_engine_runs")
    assert run == {"outcome": "success", "rows_in": 1, "lines_out": 2}


def test_bad_output_loses_only_its_own_database(node: Node) -> None:  # B6.11, B6.12
    node.trigger("t", "table:a")
    node.write("a v=1\nb v=1")
    begun = node.executor.next()
    begun.end(Done(begun.run.run_id, writes=[(None, 'b v="text"'), (None, "c v=1"), ("other", "d v=1")]))
    node.settle()
    node.engine._journal.flush()
    node.settle()
    assert node.rows("SELECT v FROM d", database="other") == [{"v": 1.0}]
    assert {r["table_name"] for r in node.rows("SHOW TABLES") if r["table_schema"] == "iox"} == {"a", "b", "settled"}
    (line,) = node.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'ERROR'")
    assert line["log_text"].startswith("error running wal plugin: error writing back lines to db: ")
    assert node.engine.catalog.state.database(DATABASE).trigger("t").enabled  # type: ignore[union-attr]


def test_a_finished_batch_is_not_delivered_again_and_an_unfinished_one_is(node: Node, tmp_path: Path) -> None:  # B3.18
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed("out w=1 1")
    node.settle()
    node.write("a v=2")
    node.executor.next()
    node.write("a v=3")
    again = node.crashed(tmp_path / "after")
    assert delivered(again.executor.next().run) == [("a", 2.0), ("a", 3.0)]
    again.close()


def test_what_is_written_while_disabled_never_arrives(node: Node) -> None:  # B3.17
    node.trigger("t", "table:a")
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    node.write("a v=1")
    node.engine.set_trigger_enabled(DATABASE, "t", True)
    node.write("a v=2")
    assert delivered(node.executor.next().run) == [("a", 2.0)]


def test_a_run_that_ends_after_its_trigger_was_disabled_leaves_no_output(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1")
    begun = node.executor.next()
    node.engine.set_trigger_enabled(DATABASE, "t", False)
    begun.succeed("out w=1")
    node.settle()
    assert "out" not in {r["table_name"] for r in node.rows("SHOW TABLES")}
    assert begun.run.namespace in node.executor.forgotten


def test_a_failing_batch_is_tried_five_times_then_kept_as_a_dead_letter(node: Node) -> None:  # B9.2, B9.3
    node.trigger("t", "table:a", error_behavior="retry")
    node.write("a v=1")
    node.executor.next().fail()
    node.write("a v=2")
    for delay_s in (0.1, 0.2, 0.4, 0.8):
        node.advance(delay_s - 0.01)
        assert node.executor.waiting == 0, "too early"
        node.advance(0.01)
        again = node.executor.next()
        assert delivered(again.run) == [("a", 1.0)]
        again.fail()
    node.settle()
    assert delivered(node.executor.next().run) == [("a", 2.0)], "the next batch follows"
    (letter,) = node.rows("SELECT attempts, error, traceback, input FROM system.processing_engine_dead_letters")
    assert (letter["attempts"], letter["error"]) == (5, "ValueError: no")
    assert [r["v"] for r in json.loads(letter["input"])["rows"]] == [1.0]
    assert [r["attempt"] for r in node.rows(RUNS)] == [1, 2, 3, 4, 5]


def test_failed_attempts_that_are_repeated_are_settled_as_such(node: Node) -> None:
    node.trigger("t", "table:a", error_behavior="retry")
    node.write("a v=1")
    begun = node.executor.next()
    begun.fail()
    assert (begun.run.run_id, False, {}) in node.executor.settled


def test_log_goes_on_with_the_next_batch(node: Node) -> None:  # B9.1
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().fail()
    node.write("a v=2")
    assert delivered(node.executor.next().run) == [("a", 2.0)]
    node.settle()
    (run,) = node.rows(RUNS)
    assert run == {"outcome": "error", "attempt": 1, "error": "ValueError: no"}


def test_disable_switches_the_trigger_off_for_good(node: Node, tmp_path: Path) -> None:  # B9.4
    node.trigger("t", "table:a", error_behavior="disable")
    node.write("a v=1")
    node.executor.next().fail()
    node.engine.triggers.quiet()
    node.write("a v=2")
    assert node.executor.waiting == 0
    again = node.crashed(tmp_path / "after")
    (row,) = again.rows("SELECT disabled FROM system.processing_engine_triggers")
    assert row == {"disabled": True}
    again.engine.set_trigger_enabled(DATABASE, "t", True)
    again.write("a v=3")
    assert delivered(again.executor.next().run) == [("a", 3.0)]
    again.close()


def test_disable_waits_for_a_disk_that_is_full(tmp_path: Path) -> None:
    disk = FullDisk()
    node = Node(tmp_path / "node", disk=disk)
    node.trigger("t", "table:a", error_behavior="disable")
    node.write("a v=1")
    disk.is_full = True
    node.executor.next().fail()
    node.engine.triggers.quiet()
    node.write("a v=2")
    assert node.executor.waiting == 0
    disk.is_full = False
    node.advance(1)
    node.engine.triggers.quiet()
    assert node.rows("SELECT disabled FROM system.processing_engine_triggers") == [{"disabled": True}]
    told = node.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_text LIKE 'disabling%'")
    assert len(told) == 1
    node.close()


def test_a_trigger_that_feeds_itself_turns_once_a_second_and_says_so_once(node: Node) -> None:  # B3.11
    node.trigger("t", "all_tables")
    node.write("a v=1")
    node.executor.next().succeed("out v=1 1")
    node.executor.next().succeed("out v=2 2")
    assert node.executor.waiting == 0
    for turn in range(3):
        node.advance(0.9)
        assert node.executor.waiting == 0
        node.advance(0.1)
        node.executor.next().succeed(f"out v=3 {turn + 10}")
    node.advance(0.1)
    node.settle()
    warnings = node.rows("SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'WARN'")
    assert len(warnings) == 1


def test_rows_of_others_do_not_wait_for_the_pace(node: Node) -> None:
    node.trigger("t", "all_tables")
    node.write("a v=1")
    node.executor.next().succeed("out v=1 1")
    node.executor.next().succeed("out v=2 2")
    assert node.executor.waiting == 0
    node.write("a v=9")
    assert delivered(node.executor.next().run) == [("out", 2.0), ("a", 9.0)]


def test_asynchronous_runs_overlap_and_only_uncommitted_ones_are_repeated(node: Node, tmp_path: Path) -> None:
    node.trigger("t", "table:a", run_async=True)
    begun = []
    for value in (1, 2, 3):
        node.write(f"a v={value}")
        begun.append(node.executor.next())
    begun[1].succeed("out w=2 2")
    begun[2].succeed("out w=3 3")
    node.settle()
    again = node.crashed(tmp_path / "after")
    assert delivered(again.executor.next().run) == [("a", 1.0)]
    assert again.executor.waiting == 0
    assert again.rows("SELECT w FROM out ORDER BY w") == [{"w": 2.0}, {"w": 3.0}]
    again.close()


def test_state_is_committed_with_the_run_and_gone_after_disable(node: Node, tmp_path: Path) -> None:  # B8.8, B8.12
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed_with_state("k", b"one", "out w=1")
    node.settle()
    again = node.crashed(tmp_path / "after")
    again.write("a v=2")
    assert again.executor.next().state == {"k": b"one"}
    again.engine.set_trigger_enabled(DATABASE, "t", False)
    again.engine.set_trigger_enabled(DATABASE, "t", True)
    again.write("a v=3")
    assert again.executor.next().state == {}
    again.close()


def test_a_table_made_anew_under_the_same_name_is_another_one(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1")
    first = node.executor.next()
    node.write("a v=2")
    node.engine.tables.delete(DATABASE, "a")
    node.write("a v=3")
    first.succeed()
    assert delivered(node.executor.next().run) == [("a", 3.0)]
    assert node.rows("SELECT v FROM a") == [{"v": 3.0}]


def test_a_request_is_answered_after_its_commit(node: Node) -> None:
    node.trigger("r", "request:hook")
    reply = node.engine.request("hook", RequestData({}, {}, b""))
    node.executor.next().succeed("out w=1", response=Response(201, [], b"done"))
    assert reply.result(10).status == 201
    assert node.rows("SELECT w FROM out") == [{"w": 1.0}]


def test_a_failed_request_says_why(node: Node) -> None:  # B5.11
    node.trigger("r", "request:hook")
    reply = node.engine.request("hook", RequestData({}, {}, b""))
    node.executor.next().fail("ValueError: x")
    with pytest.raises(PluginFailed, match=r"^Python function call failed: ValueError: x$"):
        reply.result(10)


def test_the_last_enabled_trigger_owns_a_path_until_it_goes(node: Node) -> None:  # B5.20
    node.trigger("one", "request:hook")
    node.trigger("two", "path:hook")
    node.engine.request("hook", RequestData({}, {}, b""))
    assert node.executor.next().run.trigger_name == "two"
    node.engine.set_trigger_enabled(DATABASE, "two", False)
    node.engine.request("hook", RequestData({}, {}, b""))
    assert node.executor.next().run.trigger_name == "one"


def test_a_log_that_a_slow_trigger_needs_stays_and_goes_when_it_is_done(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", wal_segment_size_bytes=64 * 1024)
    node.trigger("t", "table:a")
    node.write("a v=1")
    slow = node.executor.next()
    node.write("\n".join(f'a v=2,s="{"x" * 1000}" {i}' for i in range(200)))
    node.engine.snapshot()
    before = len(node.engine.wal.sealed_segments())
    slow.succeed()
    node.executor.next().succeed()
    node.settle()
    node.engine.snapshot()
    node.engine.snapshot()
    assert before > 0
    assert len(node.engine.wal.sealed_segments()) < before
    node.close()


def test_encoded_rows_are_read_where_they_stand_in_the_log(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("\n".join(f"a v={i} {i}" for i in range(100)))
    (batch,) = node.executor.next().run.batches
    (ref,) = batch.payloads
    schema = node.engine.store.schemas.find(node.engine.catalog.state.database(DATABASE).database_id, "a")  # type: ignore[union-attr]
    assert schema is not None
    assert decode_rows(ref.encoding, PayloadFiles().payload(ref), schema).num_rows == 100


@pytest.mark.parametrize("behavior", ["log", "retry", "disable"])
def test_what_a_stop_in_good_order_cuts_off_is_done_after_the_next_start(tmp_path: Path, behavior: str) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a", error_behavior=behavior)
    node.write("a v=1")
    node.executor.next()
    node.write("a v=2")
    node = node.restarted()
    assert delivered(node.executor.next().run) == [("a", 1.0), ("a", 2.0)]
    node.settle()
    assert node.rows(RUNS) == [{"outcome": "cancelled", "attempt": 1, "error": "the run was cancelled"}]
    assert node.rows("SELECT * FROM system.processing_engine_dead_letters") == []
    node.close()


def test_a_stop_in_good_order_does_not_count_what_waits_for_another_attempt(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a", error_behavior="retry")
    node.write("a v=1")
    node.executor.next().fail()
    node = node.restarted()
    assert delivered(node.executor.next().run) == [("a", 1.0)]
    node.close()


def test_no_run_begins_while_the_engine_stops(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:a")
    node.write("a v=1")
    first = node.executor.next()
    node.write("a v=2")
    node.engine.triggers.close()
    first.succeed("out w=1 1")
    node.settle()
    assert node.executor.waiting == 0
    node = node.restarted()
    assert delivered(node.executor.next().run) == [("a", 2.0)]
    node.close()


def test_a_request_that_a_stop_cuts_off_is_told_of_it(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "request:hook")
    reply = node.engine.request("hook", RequestData({}, {}, b""))
    node.executor.next()
    node.close()
    with pytest.raises(Unavailable, match="server is shutting down"):
        reply.result(0)


def test_a_stop_in_good_order_leaves_no_log_that_nobody_needs(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.trigger("t", "table:a")
    node.write("b v=1")
    node.close()
    again = Node(tmp_path / "node", clock=node.clock)
    assert again.engine.wal.sealed_segments() == ()
    again.close()
