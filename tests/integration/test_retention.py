"""Retention periods: what is shown, what goes, what edits of the file do."""

from pathlib import Path

import pytest

from engine.caches.definitions import DistinctRequest, LastRequest
from engine.errors import TableNotFound
from tests.support.node import DATABASE, START_NS, Node

HOUR = 3600
SECOND_NS = 10**9


def at(seconds_ago: float) -> int:
    """Return the time so long before the nodes' clock begins."""
    return START_NS - int(seconds_ago * SECOND_NS)


def files(node: Node) -> int:
    return len(list(node.engine.paths.parquet.rglob("*.parquet")))


def ages(node: Node, table: str = "cpu") -> list[int]:
    """Return the values of ``v``: how many seconds before the beginning a row was."""
    return sorted(int(row["v"]) for row in node.rows(f"SELECT v FROM {table}"))


def write_ages(node: Node, *ages_s: int, table: str = "cpu") -> None:
    node.write("\n".join(f"{table} v={age} {at(age)}" for age in ages_s))


@pytest.mark.parametrize("where", ["buffer", "files", "both", "merged"])
def test_rows_older_than_the_period_are_not_shown(tmp_path: Path, where: str) -> None:
    node = Node(tmp_path)
    node.engine.tables.create_database(DATABASE, HOUR)
    write_ages(node, 10, 3599, 3600, 3601, 7200)
    if where != "buffer":
        node.engine.snapshot()
        assert files(node) == 1
    if where == "both":
        write_ages(node, 20, 3601, 3602)
    if where == "merged":
        write_ages(node, 10, 3599, 3600, 3601, 7200)
    assert ages(node) == [10, *([20] if where == "both" else []), 3599, 3600]
    assert node.rows("SELECT count(*) AS n FROM cpu") == [{"n": 4 if where == "both" else 3}]
    node.advance(1)
    assert ages(node) == [10, *([20] if where == "both" else []), 3599]
    node.advance(2 * HOUR)
    assert ages(node) == []
    node.close()


def test_a_change_of_the_period_counts_at_once(tmp_path: Path) -> None:
    node = Node(tmp_path)
    write_ages(node, 10, 100, 1000)
    node.engine.tables.set_retention(DATABASE, 500)
    assert ages(node) == [10, 100]
    node.engine.tables.set_retention(DATABASE, 50, "cpu")
    assert ages(node) == [10]
    node.engine.tables.set_retention(DATABASE, None, "cpu")
    assert ages(node) == [10, 100]
    node.engine.tables.set_retention(DATABASE, None)
    assert ages(node) == [10, 100, 1000]
    with pytest.raises(TableNotFound, match="Table nope not in DB schema for db"):
        node.engine.tables.set_retention(DATABASE, 50, "nope")
    node.close()


def test_a_period_in_the_file_takes_effect_and_a_change_by_command_leaves_the_rest(tmp_path: Path) -> None:
    node = Node(tmp_path)
    write_ages(node, 10, 100)
    file = node.engine.paths.catalog
    entry = f'[databases.{DATABASE}.tables.cpu]  # short\n# of the test bench\nretention_period = "50s"  # enough\n'
    file.write_text(f"{file.read_text()}\n{entry}")
    node.engine.catalog.poll_edits()
    assert ages(node) == [10]
    node.engine.tables.set_retention(DATABASE, 7200, "cpu")
    assert entry.replace("50s", "2h") in file.read_text()
    again = node.restarted()
    assert ages(again) == [10, 100]
    again.close()


def test_files_that_are_wholly_older_go_every_thirty_minutes(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.engine.tables.create_database(DATABASE, 2 * HOUR)
    node.engine.tick()
    write_ages(node, 7000)
    node.engine.snapshot()
    write_ages(node, 10)
    node.engine.snapshot()
    size = sum(f.stat().st_size for f in node.engine.paths.parquet.rglob("*.parquet"))
    node.advance(1000)
    assert (files(node), ages(node)) == (2, [10])
    node.advance(900)
    assert files(node) == 1
    assert sum(f.stat().st_size for f in node.engine.paths.parquet.rglob("*.parquet")) <= size // 2 + 100
    again = node.restarted()
    assert ages(again) == [10]
    again.close()


def test_rows_that_expire_in_the_buffer_never_come_into_a_file(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.engine.tables.create_database(DATABASE, HOUR)
    write_ages(node, 10, 3000, table="cpu")
    write_ages(node, 3000, table="mem")
    node.clock.advance(1000 * SECOND_NS)
    node.engine.snapshot()
    (file,) = node.engine.store.manifest.files
    assert file.row_count == 1
    node.engine.tables.set_retention(DATABASE, None)
    assert (ages(node), ages(node, "mem")) == ([10], [])
    node.close()


def test_caches_and_plugins_do_not_see_expired_rows(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.engine.tables.create_database(DATABASE, HOUR)
    node.write(f"cpu,host=a v=1 {at(10)}")
    node.engine.caches.create_last(DATABASE, "cpu", LastRequest())
    node.engine.caches.create_distinct(DATABASE, "cpu", DistinctRequest(["host"]))
    node.write(f"cpu,host=b v=2 {at(3000)}\ncpu,host=c v=3 {at(5)}")
    last, distinct = "SELECT host FROM last_cache('cpu') ORDER BY host", "SELECT host FROM distinct_cache('cpu')"
    assert [row["host"] for row in node.rows(last)] == ["b", "c"]
    assert [row["host"] for row in node.rows(distinct)] == ["b", "c"]
    node.advance(1000)
    assert [row["host"] for row in node.rows(last)] == ["c"]
    assert [row["host"] for row in node.rows(distinct)] == ["c"]
    assert b"a" in node.engine.plugin_query(DATABASE, "SELECT host FROM cpu", {})
    assert [row["host"] for row in node.rows("SELECT host FROM cpu ORDER BY host")] == ["a", "c"]
    node.close()


def test_a_trigger_gets_rows_that_expired_while_they_waited(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.engine.tables.create_database(DATABASE, HOUR)
    node.trigger("t", "table:cpu")
    write_ages(node, 7200)
    (batch,) = node.executor.next().run.batches or ()
    assert [payload.row_count for payload in batch.payloads] == [1]
    node.close()
