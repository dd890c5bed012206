"""Backfills: stored rows through a trigger once more."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import AlreadyExists, InvalidRequest, NotFound
from engine.host.batches import PayloadFiles, table_batches
from engine.model.backfill import BackfillRequest, FromNow, FromStored, Span
from tests.integration.test_delivery import trigger_id
from tests.integration.test_write_triggers import delivered
from tests.support.disk import CrashingDisk
from tests.support.engines import eventually
from tests.support.node import DATABASE, Node
from tests.support.scripted_executor import StartedRun

STEP_NS = 150 * 10**9
"""Four rows in each window."""

FIRST_NS = 1_500_000_000 * 10**9
_effects = itertools.count()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", disk=CrashingDisk(tmp_path / "node"))
    yield node
    if not node.is_crashed:
        node.close()


def request(batch_rows: int = 10_000, start_ns: int | None = None, end_ns: int | None = None) -> BackfillRequest:
    return BackfillRequest(Span(start_ns, end_ns), batch_rows)


def backfill(node: Node, batch_rows: int = 10_000, **span: int) -> int:
    return node.engine.backfill(DATABASE, "t", request(batch_rows, **span)).rows_total


def copied(begun: StartedRun) -> list[float]:
    """End a run as a plugin whose output has a row with a key of its own for each effect."""
    values = [row["v"] for batch in table_batches(begun.run.batches, PayloadFiles()) for row in batch["rows"]]
    begun.succeed(*(f"copies,effect=e{next(_effects)} v={value} {int(value)}" for value in values))
    return values


def at(number: int) -> int:
    return FIRST_NS + number * STEP_NS


def goes_on(node: Node) -> bool:
    return node.engine.triggers.backfill_status(DATABASE, "t") is not None


def work_off(node: Node) -> list[float]:
    """Copy all that comes until the backfill is over and nothing waits; return what came, in its order."""
    came: list[float] = []

    def is_over() -> bool:
        while node.executor.waiting:
            came.extend(copied(node.executor.next()))
            node.settle()
        return not goes_on(node) and not node.executor.waiting

    eventually(is_over)
    node.settle()
    return came


def copies(node: Node) -> list[float]:
    return sorted(r["v"] for r in node.rows("SELECT v FROM copies"))


def ended(node: Node) -> list[dict[str, Any]]:
    sql = "SELECT state, rows_total, rows_done, error FROM system.processing_engine_backfills"
    return [row for row in node.rows(sql) if row["state"] != "running"]


def write_history(node: Node, rows: int) -> None:
    """Write rows over many windows, backwards in time, into files and into the buffer."""
    for part in range(3):
        values = [v for v in range(rows) if v % 3 == part][::-1]
        node.write("\n".join(f"a v={v} {at(v)}" for v in values))
        if part < 2:
            node.engine.snapshot()


def test_history_comes_in_the_order_of_time_and_in_batches(node: Node) -> None:
    write_history(node, 30)
    node.trigger("t", "table:a")
    assert backfill(node, batch_rows=7) == 30
    got = []
    for _ in range(5):
        begun = node.executor.next()
        got.append([v for _, v in delivered(begun.run)])
        begun.succeed()
    assert [len(batch) for batch in got] == [7, 7, 7, 7, 2]
    assert [v for batch in got for v in batch] == [float(v) for v in range(30)]
    eventually(lambda: not goes_on(node))
    node.settle()
    assert ended(node) == [{"state": "done", "rows_total": 30, "rows_done": 30, "error": ""}]


def test_only_the_wanted_times_and_tables_come(node: Node) -> None:
    write_history(node, 30)
    node.write("b v=99 5")
    node.trigger("t", "table:a")
    assert backfill(node, start_ns=at(3), end_ns=at(9)) == 6
    assert delivered(node.executor.next().run) == [("a", float(v)) for v in range(3, 9)]


def test_all_tables_are_gone_through_window_by_window(node: Node) -> None:
    node.write(f"a v=1 {at(0)}\nb v=2 {at(1)}\na v=3 {at(4)}\nb v=4 {at(5)}")
    node.trigger("t", "all_tables")
    backfill(node, batch_rows=2)
    first = node.executor.next()
    assert sorted(delivered(first.run)) == [("a", 1.0), ("b", 2.0)]
    first.succeed()
    assert sorted(delivered(node.executor.next().run)) == [("a", 3.0), ("b", 4.0)]


def test_rows_are_merged_and_keep_all_columns(node: Node) -> None:
    node.write(f"a,host=x v=1,w=2i {at(0)}\na,host=y v=5 {at(0)}")
    node.engine.snapshot()
    node.write(f'a,host=x v=7,s="late" {at(0)}')
    node.trigger("t", "table:a")
    backfill(node)
    (batch,) = table_batches(node.executor.next().run.batches, PayloadFiles())
    assert list(batch["rows"]) == [
        {"host": "x", "v": 7.0, "w": 2, "s": "late", "time": at(0)},
        {"host": "y", "v": 5.0, "w": None, "s": None, "time": at(0)},
    ]


def test_live_rows_and_history_take_turns_and_never_overlap(node: Node) -> None:
    write_history(node, 4)
    node.trigger("t", "table:a")
    backfill(node, batch_rows=1)
    begun = node.executor.next()
    node.write("a v=100 1000")
    node.write("a v=101 1001")
    order = []
    for _ in range(5):
        assert node.executor.waiting == 0
        order.append([v for _, v in delivered(begun.run)])
        begun.succeed()
        if len(order) < 5:
            begun = node.executor.next()
    assert order == [[0.0], [100.0, 101.0], [1.0], [2.0], [3.0]]


def test_what_is_stored_while_it_goes_on_does_not_join_it(node: Node) -> None:
    write_history(node, 6)
    node.trigger("t", "table:a")
    assert backfill(node, batch_rows=2) == 6
    first = node.executor.next()
    node.write(f"a v=50 {at(0) + 1}")
    node.engine.snapshot()
    node.engine.snapshot()
    copied(first)
    work_off(node)
    assert copies(node) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 50.0]


def test_it_goes_on_after_a_crash_where_it_was(node: Node, tmp_path: Path) -> None:
    write_history(node, 10)
    node.trigger("t", "table:a")
    backfill(node, batch_rows=2)
    copied(node.executor.next())
    copied(node.executor.next())
    node.executor.next()
    node.settle()
    node.engine.snapshot()
    after = node.crashed(tmp_path / "after")
    status = after.engine.triggers.backfill_status(DATABASE, "t")
    assert status is not None
    assert (status.rows_done, status.rows_total) == (4, 10)
    work_off(after)
    assert copies(after) == [float(v) for v in range(10)]
    assert list(after.engine.paths.backfills.iterdir()) == []
    after.close()


def test_asynchronous_batches_that_end_out_of_order_are_done_once(node: Node, tmp_path: Path) -> None:
    write_history(node, 8)
    node.trigger("t", "table:a", run_async=True)
    backfill(node, batch_rows=2)
    begun = [node.executor.next() for _ in range(3)]
    copied(begun[2])
    copied(begun[0])
    node.settle()
    after = node.crashed(tmp_path / "after")
    assert after.engine.triggers.backfill_status(DATABASE, "t").rows_done == 4  # type: ignore[union-attr]
    work_off(after)
    assert copies(after) == [float(v) for v in range(8)]
    after.close()


def test_poisonous_rows_of_history_become_dead_letters(node: Node) -> None:
    write_history(node, 8)
    node.trigger("t", "table:a", error_behavior="retry")
    backfill(node, batch_rows=4)

    def is_over() -> bool:
        while node.executor.waiting:
            begun = node.executor.next()
            if any(v == 2.0 for _, v in delivered(begun.run)):
                begun.fail()
            else:
                copied(begun)
            node.settle()
        node.advance(1)
        return not goes_on(node)

    eventually(is_over)
    node.settle()
    assert copies(node) == [0.0, 1.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    (letter,) = node.rows("SELECT input FROM system.processing_engine_dead_letters")
    assert '"v": 2.0' in letter["input"]


@pytest.mark.parametrize("way", ["cancel", "disable", "delete", "respecify"])
def test_it_ends_with_its_trigger_or_by_command(node: Node, way: str) -> None:
    write_history(node, 8)
    node.trigger("t", "table:a")
    backfill(node, batch_rows=2)
    begun = node.executor.next()
    if way == "cancel":
        node.engine.cancel_backfill(DATABASE, "t")
        copied(begun)
        node.settle()
        assert copies(node) == [0.0, 1.0], "what runs ends, and counts"
    elif way == "disable":
        node.engine.set_trigger_enabled(DATABASE, "t", False)
    elif way == "delete":
        node.engine.delete_trigger(DATABASE, "t", True)
    else:
        from dataclasses import replace

        from engine.model.trigger_spec import AllTablesSpec

        node.engine.update_trigger(DATABASE, "t", lambda d: replace(d, spec=AllTablesSpec()))
    node.settle()
    assert not goes_on(node)
    assert list(node.engine.paths.backfills.iterdir()) == []
    assert [row["state"] for row in ended(node)] == (
        [] if way == "delete" else ["cancelled" if way == "cancel" else "closed"]
    )
    node.write("c v=1")
    assert all(run.has_ended for run in node.executor.started if run.run.trigger_name == "t" and run is begun)


def test_a_change_of_arguments_does_not_end_it(node: Node) -> None:
    from dataclasses import replace

    write_history(node, 6)
    node.trigger("t", "table:a")
    backfill(node, batch_rows=2)
    copied(node.executor.next())
    node.executor.next()
    node.engine.update_trigger(DATABASE, "t", lambda d: replace(d, arguments={"a": "b"}))
    work_off(node)
    assert copies(node) == [float(v) for v in range(6)]


def test_a_table_that_is_deleted_meanwhile_is_passed_over(node: Node) -> None:
    node.write("\n".join(f"a v={v} {v}" for v in range(4)))
    node.write("\n".join(f"b v={v} {v + 700 * 10**9}" for v in range(10, 14)))
    node.trigger("t", "all_tables")
    backfill(node, batch_rows=1)
    begun = node.executor.next()
    node.engine.tables.delete(DATABASE, "a")
    begun.succeed()
    got = []
    while len(got) < 4:
        begun = node.executor.next()
        got += [v for table, v in delivered(begun.run) if table == "b"]
        begun.succeed()
    assert got == [10.0, 11.0, 12.0, 13.0]
    eventually(lambda: not goes_on(node))
    assert ended(node)[0]["rows_done"] == 8


def test_no_second_one_at_the_same_time_and_none_for_what_has_no_rows(node: Node) -> None:
    write_history(node, 4)
    node.trigger("t", "table:a")
    node.trigger("s", "every:1m")
    node.trigger("off", "table:a", enabled=False)
    backfill(node, batch_rows=2)
    with pytest.raises(AlreadyExists, match=r"^a backfill of trigger t goes on \(0 of 4 rows are done\): wait"):
        backfill(node)
    with pytest.raises(InvalidRequest, match=r"^trigger s runs on every:1m, not on rows"):
        node.engine.backfill(DATABASE, "s", request())
    with pytest.raises(AlreadyExists, match=r"^trigger off is disabled, so nothing can be delivered to it"):
        node.engine.backfill(DATABASE, "off", request())
    with pytest.raises(NotFound):
        node.engine.backfill(DATABASE, "none", request())
    with pytest.raises(NotFound, match=r"^no backfill of trigger off goes on$"):
        node.engine.cancel_backfill(DATABASE, "off")


def test_an_empty_history_is_done_at_once(node: Node) -> None:
    node.trigger("t", "table:a")
    assert backfill(node) == 0
    work_off(node)
    assert [row["state"] for row in ended(node)] == ["done"]


def test_a_lost_plan_ends_it_with_a_reason(tmp_path: Path) -> None:
    node = Node(tmp_path)
    write_history(node, 4)
    node.trigger("t", "table:a")
    backfill(node)
    node.executor.next()
    node.close()
    (folder,) = node.engine.paths.backfills.iterdir()
    (folder / "plan").unlink()
    node = Node(tmp_path, clock=node.clock)
    eventually(lambda: not goes_on(node))
    node.settle()
    (row,) = ended(node)
    assert row["state"] == "failed"
    assert "is missing: the rows of this backfill are not known any more" in row["error"]
    node.close()


# ---- update trigger --from


def test_from_now_skips_the_backlog(node: Node, tmp_path: Path) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    slow = node.executor.next()
    node.write("a v=2 2")
    assert node.engine.begin_trigger_from(DATABASE, "t", FromNow()) is None
    slow.succeed("copies,effect=x v=1 1")
    node.write("a v=3 3")
    assert delivered(node.executor.next().run) == [("a", 3.0)]
    assert node.executor.waiting == 0
    after = node.crashed(tmp_path / "after")
    assert delivered(after.executor.next().run) == [("a", 3.0)]
    after.close()


def test_from_the_beginning_each_row_comes_once_history_first_and_the_cache_is_empty(
    node: Node, tmp_path: Path
) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    node.executor.next().succeed_with_state("k", b"one", "out w=1")
    node.write("a v=2 2")
    node.executor.next()
    node.write("a v=3 3")
    status = node.engine.begin_trigger_from(DATABASE, "t", FromStored())
    assert status is not None
    assert (status.rows_total, status.live_waits) == (3, True)
    node.write("a v=4 4")
    begun = node.executor.next()
    assert begun.state == {}
    node.settle()
    after = node.crashed(tmp_path / "after")
    assert work_off(after) == [1.0, 2.0, 3.0, 4.0]
    assert copies(after) == [1.0, 2.0, 3.0, 4.0]
    after.close()


def test_from_a_time_only_what_is_stored_from_then_on_comes_before_new_rows(node: Node) -> None:
    write_history(node, 6)
    node.trigger("t", "table:a")
    node.engine.begin_trigger_from(DATABASE, "t", FromStored(at(3)))
    node.write(f"a v=50 {at(0) + 1}")
    assert work_off(node) == [3.0, 4.0, 5.0, 50.0]


def test_from_again_while_history_goes_on_begins_again(node: Node) -> None:
    write_history(node, 4)
    node.trigger("t", "table:a")
    node.engine.begin_trigger_from(DATABASE, "t", FromStored())
    node.executor.next()
    node.engine.begin_trigger_from(DATABASE, "t", FromStored())
    work_off(node)
    assert copies(node) == [0.0, 1.0, 2.0, 3.0]
    assert len(list(node.engine.paths.backfills.iterdir())) == 0
    assert trigger_id(node)


_values = st.lists(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=8), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=15)
@given(_values, st.integers(1, 9), st.integers(0, 6), st.booleans())
def test_what_a_plugin_makes_of_history_equals_what_it_made_of_new_rows(
    tmp_path_factory: pytest.TempPathFactory, writes: list[list[tuple[int, bool]]], batch: int, crash: int, turn: bool
) -> None:
    """The brief's property: random data, batches, and a crash after a number of runs."""
    folder = tmp_path_factory.mktemp("node")
    node = Node(folder / "0", disk=CrashingDisk(folder / "0"))
    node.trigger("t", "table:a", run_async=turn)

    def mapped(table: str, node: Node) -> None:
        begun = node.executor.next()
        rows = [row for part in table_batches(begun.run.batches, PayloadFiles()) for row in part["rows"]]
        begun.succeed(*(f"{table},g={row['g']} v={row['v'] * 2} {row['time']}" for row in rows))

    for group in writes:
        node.write("\n".join(f"a,g={'x' if g else 'y'} v={number} {at(number)}" for number, g in group))
        while node.executor.waiting:
            mapped("live", node)
            node.settle()
    backfill(node, batch_rows=batch)
    for _ in range(crash):
        eventually(lambda: node.executor.waiting > 0 or not goes_on(node))
        if node.executor.waiting:
            mapped("again", node)
            node.settle()
    after = node.crashed(folder / "1")

    def is_over() -> bool:
        while after.executor.waiting:
            mapped("again", after)
            after.settle()
        return not goes_on(after)

    eventually(is_over)
    after.settle()
    sql = "SELECT * FROM {} ORDER BY time, g"
    assert after.rows(sql.format("again")) == after.rows(sql.format("live"))
    after.close()
