"""Log-and-recovery, "What tests prove", 1 and 4, for deletion: stopped at every step, nothing old attaches and space returns."""

from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.model.retention import HardDelete
from tests.support.disk import CrashingDisk, Stopped
from tests.support.node import DATABASE, Node

DAY_S = 86_400
OLD, NEW = [1.0, 2.0], [10.0]


class Story:
    """Tables and a database that are deleted, one of them made anew.

    Attributes:
        done: how many steps were acknowledged.
    """

    def __init__(self, folder: Path, disk: CrashingDisk) -> None:
        self.done = 0
        self.node = Node(folder, disk=disk)
        self.node.write("a v=1 1\nb v=1 1")
        self.node.engine.snapshot()
        self.node.write("a v=2 2")
        self.first_step = disk.steps

    def tell(self) -> None:
        node, tables = self.node, self.node.engine.tables
        for number, act in enumerate(
            (
                lambda: tables.delete(DATABASE, "a", HardDelete.NEVER),
                lambda: node.write("a v=10 10"),
                lambda: tables.delete(DATABASE, "b", HardDelete.NOW),
                node.engine.tick,
                lambda: node.advance(DAY_S + 1),
                lambda: tables.delete_database(DATABASE, HardDelete.NOW),
                node.engine.tick,
                lambda: node.advance(DAY_S + 1),
            ),
            start=1,
        ):
            act()
            self.done = number


def values(node: Node, table: str) -> list[float]:
    return sorted(row["v"] for row in node.rows(f'SELECT v FROM "{table}"'))


def check(node: Node, done: int) -> None:
    """Hold what is there after a crash against what was acknowledged."""
    is_there = (DATABASE, False) in node.engine.tables.databases(show_deleted=False)
    assert is_there or done >= 5
    if is_there:
        check_tables(node, done)
    for _ in range(2):
        node.engine.tick()  # what was due
    store = node.engine.store
    known = {schema.table_id: schema for schema in store.schemas.all_tables()}
    folders = [int(folder.name) for folder in node.engine.paths.parquet.iterdir() if list(folder.iterdir())]
    assert set(folders) <= known.keys(), "files of a table that is gone"
    if done >= 3 and is_there:
        assert [s.name for s in known.values() if s.name.startswith("b")] == []
    if done >= 6:
        assert [s for s in known.values() if node.engine.catalog.state.database_by_id(s.database_id) is None] == []
        assert not [s for s in known.values() if s.name[0] in "ab"]
    assert not is_there or done >= 6 or node.rows("SHOW TABLES")


def check_tables(node: Node, done: int) -> None:
    names = [row["table_name"] for row in node.rows("SHOW TABLES") if row["table_schema"] == "iox"]
    deleted = [name for name in names if name.startswith("a-")]
    assert len(deleted) == 1 or done == 0
    if deleted:
        assert values(node, deleted[0]) == OLD
    if done >= 2:
        assert values(node, "a") == NEW
    elif "a" in names:
        assert values(node, "a") in ([[], NEW] if deleted else [OLD])


def crash_at(step: int, folder: Path) -> None:
    disk = CrashingDisk(folder / "before", seed=step)
    disk.stop_at(step)
    story = Story(folder / "before", disk)
    with suppress(Stopped, EngineError, OSError):
        story.tell()
    disk.crash(folder / "after")
    node = Node(folder / "after", clock=story.node.clock)
    check(node, story.done)
    node.close()


@pytest.mark.parametrize("part", range(3))
def test_a_crash_at_any_step_of_a_deletion(part: int, tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "whole")
    story = Story(tmp_path / "whole", disk)
    story.tell()
    assert story.done == 8
    assert story.node.engine.tables.databases(show_deleted=True) == [("_internal", False)]
    for step in range(story.first_step + 1 + part, disk.steps + 1, 3):
        crash_at(step, tmp_path / str(step))
