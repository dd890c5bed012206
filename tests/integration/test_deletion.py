"""Soft deletion, hard deletion: names, rows, files, space, writers, triggers, restarts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import AlreadyDeleted, NotFound
from engine.model.retention import HardDelete
from engine.write.service import LinesRejected
from tests.support.node import DATABASE, START_NS, Node

HOUR = 3600.0
DAY = 24 * HOUR
STAMP = "20231114T221320"
"""The time at which nodes begin, as it stands in names."""


def stored_bytes(node: Node) -> int:
    """Return how large the Parquet files of a node are."""
    return sum(f.stat().st_size for f in node.engine.paths.parquet.rglob("*") if f.is_file())


def shown(node: Node, database: str = DATABASE) -> list[str]:
    """Return the tables that a database shows."""
    rows = node.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'", database)
    return sorted(row["table_name"] for row in rows)


def test_a_deleted_table_is_read_under_its_new_name_and_the_old_one_is_free(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu,host=a v=1 1")
    node.engine.tables.delete(DATABASE, "cpu")
    deleted = f"cpu-{STAMP}"
    assert shown(node) == [deleted]
    assert node.rows(f'SELECT v FROM "{deleted}"') == [{"v": 1.0}]
    node.write('cpu v="text now" 1')
    assert node.rows("SELECT v FROM cpu") == [{"v": "text now"}]
    again = node.restarted()
    assert shown(again) == ["cpu", deleted]
    assert again.rows(f'SELECT v FROM "{deleted}"') == [{"v": 1.0}]
    assert again.rows("SELECT v FROM cpu") == [{"v": "text now"}]
    again.close()


def test_a_second_deletion_within_the_second_gets_the_id_too(tmp_path: Path) -> None:
    node = Node(tmp_path)
    for value in (1, 2):
        node.write(f"cpu v={value} 1")
        node.engine.tables.delete(DATABASE, "cpu")
    first, second = shown(node)
    assert (first, second.rpartition("-")[0]) == (f"cpu-{STAMP}", first)
    assert [node.rows(f'SELECT v FROM "{name}"') for name in (first, second)] == [[{"v": 1.0}], [{"v": 2.0}]]
    node.close()


def test_a_deleted_table_takes_no_rows(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1 1")
    node.engine.tables.delete(DATABASE, "cpu")
    with pytest.raises(
        LinesRejected, match=f"cannot write to soft-deleted table 'cpu-{STAMP}' - it is marked for deletion"
    ):
        node.write(f"cpu-{STAMP} v=2 2")
    assert node.rows(f'SELECT v FROM "cpu-{STAMP}"') == [{"v": 1.0}]
    node.close()


def test_a_deleted_database_is_read_under_its_new_name(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1 1")
    node.engine.tables.delete_database(DATABASE)
    deleted = f"{DATABASE}-{STAMP}"
    assert node.engine.tables.databases(show_deleted=True) == [("_internal", False), (deleted, True)]
    assert node.rows("SELECT v FROM cpu", deleted) == [{"v": 1.0}]
    node.write("cpu v=2 2")
    assert node.rows("SELECT v FROM cpu") == [{"v": 2.0}]
    again = node.restarted()
    assert again.rows("SELECT v FROM cpu", deleted) == [{"v": 1.0}]
    assert again.rows("SELECT v FROM cpu") == [{"v": 2.0}]
    again.close()


@pytest.mark.parametrize("is_stored", [True, False], ids=["in files", "in the buffer"])
def test_hard_deletion_gives_the_space_back_and_later_the_name(tmp_path: Path, is_stored: bool) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1 1\nmem v=1 1")
    if is_stored:
        node.engine.snapshot()
    node.engine.tables.delete(DATABASE, "cpu")
    node.engine.tables.delete(DATABASE, "mem", HardDelete.NEVER)
    node.advance(71.9 * HOUR)
    assert shown(node) == [f"cpu-{STAMP}", f"mem-{STAMP}"]
    node.advance(0.2 * HOUR)
    assert shown(node) == [f"mem-{STAMP}"]
    assert len(list(node.engine.paths.parquet.rglob("*.parquet"))) == 1
    catalog = node.engine.paths.catalog
    assert f"tables.cpu-{STAMP}" in catalog.read_text()
    node.advance(DAY)
    assert f"tables.cpu-{STAMP}" not in catalog.read_text()
    assert f"tables.mem-{STAMP}" in catalog.read_text()
    node.close()


def test_a_hard_deletion_of_a_database_at_once(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("\n".join(f"cpu{i} v=1 {t}" for i in range(3) for t in range(100)))
    node.engine.snapshot()
    assert stored_bytes(node) > 0
    node.engine.tables.delete_database(DATABASE, HardDelete.NOW)
    node.engine.tick()
    assert stored_bytes(node) == 0
    deleted = f"{DATABASE}-{STAMP}"
    assert (deleted, True) in node.engine.tables.databases(show_deleted=True)
    assert shown(node, deleted) == []
    node.advance(DAY)
    assert node.engine.tables.databases(show_deleted=True) == [("_internal", False)]
    again = node.restarted()
    assert again.engine.tables.databases(show_deleted=True) == [("_internal", False)]
    assert list(again.engine.paths.parquet.iterdir()) == []
    again.close()


def test_a_time_may_be_moved_until_it_has_come(tmp_path: Path) -> None:  # fact 118
    node = Node(tmp_path)
    node.write("cpu v=1 1")
    node.engine.tables.delete(DATABASE, "cpu", START_NS + 10**12)
    deleted = f"cpu-{STAMP}"
    with pytest.raises(AlreadyDeleted, match=deleted):
        node.engine.tables.delete(DATABASE, deleted, START_NS + 10**12)
    with pytest.raises(AlreadyDeleted, match=deleted):
        node.engine.tables.delete(DATABASE, deleted)
    node.engine.tables.delete(DATABASE, deleted, HardDelete.NEVER)
    node.advance(2000)
    assert shown(node) == [deleted]
    node.engine.tables.delete(DATABASE, deleted, START_NS)  # in the past = now
    node.engine.tick()
    assert shown(node) == []
    node.close()


def test_a_time_may_be_moved_in_the_file(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1 1")
    node.engine.tables.delete(DATABASE, "cpu")
    file = node.engine.paths.catalog
    file.write_text(file.read_text().replace("hard_delete_at = 2023-11-17T", "hard_delete_at = 2023-11-14T"))
    node.advance(1)
    assert shown(node) == []
    node.close()


def test_a_hard_deletion_that_came_while_no_server_ran(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1 1")
    node.engine.tables.delete_database(DATABASE)
    node.close()
    node.clock.advance(int(10 * DAY * 1e9))
    again = Node(tmp_path, clock=node.clock)
    assert shown(again, f"{DATABASE}-{STAMP}") == ["cpu"]
    again.engine.tick()
    assert stored_bytes(again) == 0
    assert again.engine.tables.databases(show_deleted=True) == [("_internal", False), (f"{DATABASE}-{STAMP}", True)]
    again.engine.tick()
    assert again.engine.tables.databases(show_deleted=True) == [("_internal", False)]
    again.close()


def test_rows_that_are_written_meanwhile_are_in_one_of_the_tables(tmp_path: Path) -> None:
    node = Node(tmp_path)
    writers, each = 4, 60

    def write(number: int) -> None:
        for i in range(each):
            node.write(f"cpu,w={number} v={number * each + i} {number * each + i}")

    with ThreadPoolExecutor(writers) as pool:
        futures = [pool.submit(write, number) for number in range(writers)]
        while not all(future.done() for future in futures):
            with suppress(NotFound):
                node.engine.tables.delete(DATABASE, "cpu")
        for future in futures:
            future.result()
    found = [row["v"] for table in shown(node) for row in node.rows(f'SELECT v FROM "{table}"')]
    assert sorted(found) == [float(v) for v in range(writers * each)]
    node.close()


def test_rows_that_are_written_while_tables_are_dropped_are_there_or_were_dropped(tmp_path: Path) -> None:
    node = Node(tmp_path)
    stop = threading.Event()

    def drop() -> None:
        while not stop.is_set():
            with suppress(NotFound):
                node.engine.tables.delete(DATABASE, "cpu", HardDelete.NOW)
                node.engine.tick()

    dropping = threading.Thread(target=drop)
    dropping.start()
    for i in range(100):
        node.write(f"cpu v={i} {i}")
    stop.set()
    dropping.join()
    node.write("cpu v=100 100")
    assert {"v": 100.0} in node.rows("SELECT v FROM cpu")
    again = node.restarted()
    again.engine.tick()
    assert shown(again) == ["cpu"]
    again.close()


def test_a_trigger_gets_no_more_rows_of_a_deleted_table(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("one", "table:cpu")
    node.trigger("all", "all_tables")
    node.write("cpu v=1 1")
    begun = [node.executor.next(), node.executor.next()]
    node.write("cpu v=2 2")
    node.engine.tables.delete(DATABASE, "cpu")
    node.write("cpu v=3 3")
    for run in begun:
        run.succeed("out w=1 1")
    for _ in range(2):
        batches = node.executor.next().run.batches or ()
        got = [(b.table, sum(p.row_count for p in b.payloads)) for b in batches if b.table != "out"]
        assert got == [("cpu", 1)]
    assert node.rows("SELECT w FROM out") == [{"w": 1.0}]
    node.close()


def test_triggers_of_a_deleted_database_are_disabled_and_their_runs_count_no_more(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.trigger("t", "table:cpu")
    node.write("cpu v=1 1")
    begun = node.executor.next()
    node.engine.tables.delete_database(DATABASE)
    deleted = f"{DATABASE}-{STAMP}"
    (trigger,) = node.rows("SELECT trigger_name, disabled FROM system.processing_engine_triggers", deleted)
    assert trigger == {"trigger_name": "t", "disabled": True}
    begun.succeed("out w=1 1")
    node.settle()
    assert shown(node, deleted) == ["cpu"]
    node.write("cpu v=2 2")
    assert node.executor.waiting == 0
    node.close()


def test_a_query_that_reads_while_the_data_goes_reads_to_its_end(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("\n".join(f"cpu v={i} {i}" for i in range(20_000)))
    node.engine.snapshot()
    with node.engine.query(DATABASE, "SELECT v FROM cpu", {}) as result:
        batches = result.batches
        read = next(batches).num_rows
        node.engine.tables.delete(DATABASE, "cpu", HardDelete.NOW)
        node.engine.tick()
        assert stored_bytes(node) == 0
        assert read + sum(batch.num_rows for batch in batches) == 20_000
    assert list(node.engine.paths.file_sets.rglob("*.parquet")) == []
    node.close()


def test_a_retention_period_goes_with_its_table(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write(f"cpu v=1 {START_NS}")
    node.engine.tables.set_retention(DATABASE, 60, "cpu")
    node.engine.tables.delete(DATABASE, "cpu")
    node.write(f"cpu v=2 {START_NS}")
    node.advance(61)
    assert (node.rows("SELECT v FROM cpu"), node.rows(f'SELECT v FROM "cpu-{STAMP}"')) == ([{"v": 2.0}], [])
    node.close()


def test_system_tables_tell_of_periods_and_deletion(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("cpu v=1\nmem v=1")
    node.engine.tables.set_retention(DATABASE, 60)
    node.engine.tables.set_retention(DATABASE, 30, "mem")
    node.engine.tables.delete(DATABASE, "cpu", START_NS + 10**12)
    tables = "SELECT table_name, deleted, hard_deletion_time, retention_period_ns FROM system.tables "
    own = f"WHERE database_name LIKE '{DATABASE}%' ORDER BY table_name"
    at = (START_NS + 10**12) // 10**9
    assert node.rows(tables + own, "_internal") == [
        {
            "table_name": f"cpu-{STAMP}",
            "deleted": True,
            "hard_deletion_time": at,
            "retention_period_ns": 60 * 10**9,
        },
        {"table_name": "mem", "deleted": False, "retention_period_ns": 30 * 10**9},
    ]
    node.engine.tables.delete_database(DATABASE, START_NS + 10**11)
    rows = node.rows(tables + own, "_internal")
    assert [row["deleted"] for row in rows] == [True, True]
    assert {row["hard_deletion_time"] for row in rows} == {START_NS // 10**9 + 100}
    node.close()
