"""Caches over time: restarts, crashes, deletions, edits by hand, ttl."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caches.definitions import DistinctRequest, LastRequest
from engine.model.caches import LastCache
from tests.support.caches import LastModel
from tests.support.disk import CrashingDisk
from tests.support.node import DATABASE, START_NS, Node

S = 10**9
LAST = "SELECT host, v FROM last_cache('cpu')"
DISTINCT = "SELECT * FROM distinct_cache('cpu')"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path, wal_segment_size_bytes=64 * 1024)
    node.write(f"cpu,host=before v=0 {START_NS}")
    yield node
    node.close()


def create(node: Node, **last: Any) -> None:
    node.engine.caches.create_last(DATABASE, "cpu", LastRequest(**last))
    node.engine.caches.create_distinct(DATABASE, "cpu", DistinctRequest(["host"]))


def line(host: str, value: float, second: int = 0) -> str:
    return f"cpu,host={host} v={value} {START_NS + second * S}"


def both(node: Node) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return node.rows(LAST), node.rows(DISTINCT)


A1 = ([{"host": "a", "v": 1.0}], [{"host": "a"}])
NOTHING: tuple[list[Any], list[Any]] = ([], [])


def test_what_a_cache_said_it_says_after_a_restart(node: Node) -> None:  # fact 170
    create(node)
    node.write(line("a", 1))
    assert both(node) == A1
    again = node.restarted()
    assert both(again) == A1
    again.write(line("a", 2, 1))
    assert again.rows(LAST) == [{"host": "a", "v": 2.0}]
    again.engine.snapshot()
    third = again.restarted()
    assert third.rows(LAST) == [{"host": "a", "v": 2.0}]
    third.close()


@pytest.mark.parametrize("snapshots", [(), (0,), (1,), (0, 2), (3,)])
def test_what_a_cache_said_it_says_after_a_crash(tmp_path: Path, snapshots: tuple[int, ...]) -> None:
    node = Node(tmp_path / "before", disk=CrashingDisk(tmp_path / "before"), wal_segment_size_bytes=64 * 1024)
    node.write(line("before", 0))
    create(node, count=2)
    for number in range(4):
        node.write("\n".join(line(f"h{n}", number, number) for n in range(number, 4)))
        if number in snapshots:
            node.engine.snapshot()
    said = both(node)
    assert len(said[0]) == 7
    after = node.crashed(tmp_path / "after")
    assert both(after) == said
    after.close()


def test_rows_of_a_deleted_table_never_come_back(node: Node) -> None:
    create(node)
    node.write(line("a", 1))
    node.engine.tables.delete(DATABASE, "cpu")
    home = node.engine.catalog.state.database(DATABASE)
    assert home is not None
    assert home.caches == ()
    node.write(line("b", 2))
    create(node)
    assert both(node) == NOTHING
    node.write(line("b", 3, 1))
    again = node.restarted()
    assert both(again) == ([{"host": "b", "v": 3.0}], [{"host": "b"}])
    again.close()


def test_a_deleted_database_takes_its_caches_along(node: Node) -> None:
    create(node)
    node.engine.tables.delete_database(DATABASE)
    assert [d.caches for d in node.engine.catalog.state.databases] == [(), ()]
    assert list(node.engine.paths.caches.iterdir()) == []
    node.write(line("b", 2))
    create(node)
    assert both(node) == NOTHING


def test_a_cache_made_anew_under_the_same_name_is_empty(node: Node) -> None:
    create(node)
    node.write(line("a", 1))
    node.engine.caches.delete(DATABASE, LastCache, "cpu", "cpu_host_last_cache")
    node.engine.caches.create_last(DATABASE, "cpu", LastRequest())
    assert both(node) == ([], [{"host": "a"}])


def test_rows_go_when_their_time_is_over_and_memory_follows(node: Node) -> None:
    create(node, ttl_s=60)
    node.write(line("a", 1))
    node.advance(59)
    assert node.rows(LAST) == A1[0]
    node.advance(1)
    assert node.rows(LAST) == []
    node.advance(10)
    assert {size.definition.name: size.row_count for size in node.engine.caches.sizes()} == {
        "cpu_host_last_cache": 0,
        "cpu_host_distinct_cache": 1,
    }
    node.advance(24 * 3600)
    assert both(node) == NOTHING
    node.advance(10)
    assert [size.row_count for size in node.engine.caches.sizes()] == [0, 0]


def test_an_older_row_enters_when_the_newest_has_expired(node: Node) -> None:
    create(node, ttl_s=60)
    node.write(line("a", 1, 5))
    node.write(line("a", 0, 4))
    assert node.rows(LAST) == A1[0]
    node.advance(61)
    node.write(line("a", 7, 3))
    assert node.rows(LAST) == [{"host": "a", "v": 7.0}]


def test_the_ttl_goes_on_over_a_restart(node: Node) -> None:
    create(node, ttl_s=60)
    node.write(line("a", 1))
    node.advance(40)
    again = node.restarted()
    assert again.rows(LAST) == A1[0]
    again.advance(21)
    assert again.rows(LAST) == []
    again.close()


def append(node: Node, text: str) -> None:
    path = node.engine.paths.catalog
    path.write_text(path.read_text() + text)
    node.engine.tick()


def test_caches_written_into_the_catalog_take_effect(node: Node) -> None:
    header = f"\n[databases.{DATABASE}.last_caches.cpu.c]\n"
    append(node, f'{header}key_columns = ["host"]\nvalue_columns = ["v"]\n')
    assert node.engine.catalog.problem is None
    assert node.rows(LAST) == []
    node.write(line("a", 1))
    node.write(line("a", 2, 1))
    path = node.engine.paths.catalog
    path.write_text(
        path.read_text().replace("[databases.db.last_caches.cpu.c]", "[databases.db.last_caches.cpu.c]\ncount = 2")
    )
    node.engine.tick()
    assert node.rows(LAST) == [{"host": "a", "v": 2.0}]  # what was pushed out stays out
    node.write(line("a", 3, 2))
    assert node.rows(LAST) == [{"host": "a", "v": 3.0}, {"host": "a", "v": 2.0}]
    path.write_text(path.read_text().replace('key_columns = ["host"]', "key_columns = []"))
    node.engine.tick()
    assert node.rows("SELECT * FROM last_cache('cpu')") == []  # other columns begin anew
    path.write_text(path.read_text().split(header)[0])
    node.engine.tick()
    assert [d.caches for d in node.engine.catalog.state.databases] == [(), ()]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("last_caches.nope.c]\nkey_columns = []", "cache 'c' of table 'nope': there is no such table"),
        ("last_caches.cpu.c]\nkey_columns = ['v']", "cache 'c' of table 'cpu': only uint64, int64, bool"),
        (
            "distinct_caches.cpu.c]\ncolumns = ['x']",
            "cache 'c' of table 'cpu': invalid configuration provided: invalid col",
        ),
    ],
)
def test_an_edit_with_a_cache_that_cannot_be_is_refused(node: Node, entry: str, reason: str) -> None:
    append(node, f"\n[databases.{DATABASE}.{entry}\n")
    assert reason in str(node.engine.catalog.problem)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("damage", [pytest.param(Path.unlink, id="gone"), pytest.param(cut, id="cut")])
def test_a_cache_whose_file_is_lost_is_filled_from_what_is_stored(node: Node, damage: Callable[[Path], None]) -> None:
    create(node, ttl_s=600, count=2)
    for number in range(4):
        node.write("\n".join(line(host, number, number) for host in ("a", "b")))
        node.engine.snapshot()
    node.write(line("a", 9, 9) + f"\ncpu,host=old v=1 {START_NS - 3600 * S}")
    node.advance(10)
    node.close()
    for path in node.engine.paths.caches.iterdir():
        damage(path)
    again = node.restarted()
    found = [tuple(row.values()) for row in again.rows(LAST)]
    assert sorted(found) == [("a", 3.0), ("a", 9.0), ("b", 2.0), ("b", 3.0), ("before", 0.0)]
    assert again.rows(DISTINCT) == [{"host": host} for host in ("a", "b", "before", "old")]
    third = again.restarted()
    assert sorted(tuple(row.values()) for row in third.rows(LAST)) == sorted(found)
    third.close()


def test_a_file_older_than_the_log_is_not_believed(node: Node) -> None:
    create(node)
    kept = {path: path.read_bytes() for path in node.engine.paths.caches.iterdir()}
    for number in range(3):
        node.write(line("a", number, number))
        node.engine.snapshot()
    node.close()
    for path, content in kept.items():
        path.write_bytes(content)
    again = node.restarted()
    assert again.rows("SELECT host, v FROM last_cache('cpu') WHERE host = 'a'") == [{"host": "a", "v": 2.0}]
    again.close()


def test_columns_that_come_later_are_there(node: Node) -> None:
    create(node)
    node.write(line("a", 1))
    assert node.rows("SELECT * FROM last_cache('cpu')") == [{"host": "a", "time": START_NS, "v": 1.0}]
    node.write(f"cpu,host=a,room=r w=2i {START_NS + S}")
    node.write(line("b", 3))
    columns = "SELECT host, room, v, w FROM last_cache('cpu') ORDER BY host"
    assert node.rows(columns) == [{"host": "a", "room": "r", "w": 2}, {"host": "b", "v": 3.0}]


STEPS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8)), min_size=1, max_size=40),
        st.sampled_from(["snapshot", "restart", "crash", "tick"]),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS, count=st.integers(1, 3))
def test_whatever_happens_a_cache_is_what_came_since_its_creation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], count: int
) -> None:
    folders = iter(tmp_path_factory.mktemp("node") / str(n) for n in range(10))
    folder = next(folders)
    node = Node(folder, disk=CrashingDisk(folder), wal_segment_size_bytes=64 * 1024)
    node.write(line("before", 0))
    node.engine.caches.create_last(DATABASE, "cpu", LastRequest(count=count))
    model = LastModel(LastCache(1, "cpu", "c", ("host",), None, count))
    value = 0
    for step in steps:
        if isinstance(step, list):
            rows = [{"host": host, "time": START_NS + s * S, "v": float(value + n)} for n, (host, s) in enumerate(step)]
            value += len(step)
            node.write("\n".join(f"cpu,host={r['host']} v={r['v']} {r['time']}" for r in rows))
            model.add(rows, START_NS)
        elif step == "snapshot":
            node.engine.snapshot()
        elif step == "tick":
            node.engine.tick()
        elif step == "restart":
            node.close()
            node = Node(node.folder, clock=node.clock, disk=CrashingDisk(node.folder), **node.changes)
        else:
            node = node.crashed(next(folders))
    found: dict[tuple[str], list[tuple[float]]] = {}
    for row in node.rows(LAST):
        found.setdefault((row["host"],), []).append((row["v"],))
    assert found == model.read(START_NS, ["v"])
    node.close()
