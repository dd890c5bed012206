"""When a consumer of the log hears of rows that it has found there by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.triggers.consumer import WriteConsumer
from engine.wal.ports import RowsRef
from tests.support.node import DATABASE, Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def consumer_of(node: Node, trigger: str) -> WriteConsumer:
    database = node.engine.catalog.state.database(DATABASE)
    definition = database.trigger(trigger) if database else None
    consumer = node.engine.triggers.wake_ups.consumer(definition.trigger_id) if definition else None
    assert consumer is not None
    return consumer


def rows_of_table(node: Node, table: str) -> list[RowsRef]:
    database = node.engine.catalog.state.database(DATABASE)
    schema = node.engine.store.schemas.find(database.database_id, table) if database else None
    assert schema is not None
    return list(node.engine.wal.reader.rows_after(0, [schema.table_id]))


@pytest.mark.parametrize("run_async", [False, True])
def test_rows_that_were_taken_from_the_log_before_their_wake_up_came_are_not_taken_again(
    node: Node, run_async: bool
) -> None:
    node.trigger("t", "table:a", run_async=run_async)
    node.write("a v=1 1")
    taken = node.executor.next()
    if not run_async:
        taken.succeed()
    consumer_of(node, "t").wake(rows_of_table(node, "a"))
    assert node.executor.waiting == 0
    node.write("a v=2 2")
    following = node.executor.next()
    assert [p.row_count for batch in following.run.batches for p in batch.payloads] == [1]
    following.succeed("out v=2 2")
    node.settle()
    assert [row["v"] for row in node.rows("SELECT v FROM out")] == [2.0]


def test_of_a_wake_up_only_what_is_new_is_taken(node: Node) -> None:
    node.trigger("t", "table:a", run_async=True)
    node.write("a v=1 1")
    node.executor.next()
    consumer = consumer_of(node, "t")
    node.write("b v=1 1")
    [old] = rows_of_table(node, "a")
    [foreign] = rows_of_table(node, "b")
    consumer.wake([old, foreign])
    assert [p.offset for b in node.executor.next().run.batches for p in b.payloads] == [foreign.location.offset]
