"""Log-and-recovery, "What tests prove", 4: what was deleted, renamed or made anew never attaches to old things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copier import copy_rows
from tests.support.node import DATABASE, Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def edit_catalog(node: Node, old: str, new: str) -> None:
    path = node.engine.paths.catalog
    path.write_text(path.read_text().replace(old, new))
    node.engine.tick()


def test_a_database_that_is_renamed_by_hand_keeps_its_rows_and_its_triggers(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    node.executor.next().succeed_with_state("k", b"one", "out w=1 1")
    node.settle()
    edit_catalog(node, f"[databases.{DATABASE}", "[databases.other")
    assert node.rows("SELECT v FROM a", database="other") == [{"v": 1.0}]
    node.write("a v=2 2")  # the old name is free: another database
    assert node.executor.waiting == 0
    assert node.rows("SELECT v FROM a") == [{"v": 2.0}]
    assert node.rows("SELECT v FROM a", database="other") == [{"v": 1.0}]


def test_a_trigger_made_anew_under_the_same_name_starts_from_nothing(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    first = node.executor.next()
    first.succeed_with_state("k", b"one", "out w=1 1")
    node.settle()
    node.engine.delete_trigger(DATABASE, "t", force=True)
    node.write("a v=2 2")
    node.trigger("t", "table:a")
    node.write("a v=3 3")
    again = node.executor.next()
    assert again.state == {}
    assert again.run.namespace != first.run.namespace


def test_a_run_of_an_older_generation_leaves_nothing(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1")
    begun = node.executor.next()
    for enabled in (False, True):
        node.engine.set_trigger_enabled(DATABASE, "t", enabled)
    begun.succeed("out w=1")
    node.settle()
    assert "out" not in {r["table_name"] for r in node.rows("SHOW TABLES")}


def test_a_database_made_anew_under_the_same_name_has_no_old_rows(node: Node) -> None:
    node.write("a v=1 1")
    node.engine.snapshot()
    node.engine.tables.delete_database(DATABASE)
    node.write("a v=2 2")
    node.engine.snapshot()
    again = node.restarted()
    assert again.rows("SELECT v FROM a") == [{"v": 2.0}]
    again.close()


def test_a_changed_specification_is_another_generation(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1 1\nb v=1 1")
    copy_rows(node.executor.next())
    node.settle()
    edit_catalog(node, 'spec = "table:a"', 'spec = "table:b"')
    node.write("a v=2 2\nb v=2 2")
    begun = node.executor.next()
    assert [batch.table for batch in begun.run.batches] == ["b"]
