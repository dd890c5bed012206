"""Backups: what was acknowledged before one is in it, triggers go on where they were, an unfinished one is no backup."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.caches.definitions import LastRequest
from engine.errors import InvalidRequest, StorageError, Unavailable
from engine.model.backup import MARK
from engine.storage.backup import MOST_AT_ONCE
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.unpack import check_target, unpack
from tests.support.copier import check_once, copy_rows, drain, values_of
from tests.support.golden_folder import FOLDERS, open_folder
from tests.support.node import DATABASE, Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path / "node", wal_segment_size_bytes=64 * 1024)
    yield node
    node.close()


def restored(node: Node, folder: Path) -> Node:
    """Make a backup of ``node``; return another one that was started from it."""
    unpack(node.engine.backups.stream(), folder / "data")
    return Node(folder, clock=node.clock, **node.changes)


def pinned(node: Node) -> list[Path]:
    return list(node.engine.paths.backups.glob("*")) if node.engine.paths.backups.exists() else []


def test_rows_of_log_and_files_definitions_and_caches_are_in_it(node: Node, tmp_path: Path) -> None:
    node.write("a,host=x v=1 1")
    node.engine.caches.create_last(DATABASE, "a", LastRequest())
    node.engine.snapshot()
    node.write("a,host=x v=2 2\na,host=y v=3 3")
    other = restored(node, tmp_path / "restored")
    assert other.rows("SELECT v FROM a ORDER BY time") == [{"v": 1.0}, {"v": 2.0}, {"v": 3.0}]
    assert other.engine.catalog.state.cluster_uuid == node.engine.catalog.state.cluster_uuid
    assert sorted(row["v"] for row in other.rows("SELECT * FROM last_cache('a')")) == [2.0, 3.0]
    other.write("a,host=x v=4 4")
    assert values_of(other, "a") == [1.0, 2.0, 3.0, 4.0]
    assert values_of(node, "a") == [1.0, 2.0, 3.0], "the two have nothing in common any more"
    other.close()


def test_a_new_node_can_be_copied_too(node: Node, tmp_path: Path) -> None:
    other = restored(node, tmp_path / "restored")
    assert other.engine.tables.databases(False) == node.engine.tables.databases(False)
    other.close()


def test_a_trigger_goes_on_where_it_was(node: Node, tmp_path: Path) -> None:
    node.trigger("copier", "table:a")
    node.write("a v=1 1")
    copy_rows(node.executor.next())
    node.settle()
    node.engine.snapshot()
    node.write("a v=2 2")
    copy_rows(node.executor.next())
    node.settle()
    node.write("a v=3 3")  # its run has begun, and is repeated there
    other = restored(node, tmp_path / "restored")
    drain(other)
    check_once(other, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    other.close()


def test_backups_under_load_hold_what_was_acknowledged_before_each(node: Node, tmp_path: Path) -> None:
    node.trigger("copier", "table:a")
    node.executor.answer = copy_rows
    acknowledged: list[float] = []
    enough = threading.Event()

    def write() -> None:
        for number in itertools.count(1):
            if enough.is_set():
                return
            node.write(f"a v={number} {number}")
            acknowledged.append(float(number))
            if number % 20 == 0:
                node.engine.snapshot()

    writing = threading.Thread(target=write)
    writing.start()
    promised = []
    for number in range(6):
        promised.append(list(acknowledged))
        unpack(node.engine.backups.stream(), tmp_path / str(number) / "data")
    enough.set()
    writing.join()
    submitted = [*acknowledged, float(len(acknowledged) + 1)]
    for number, rows in enumerate(promised):
        other = Node(tmp_path / str(number), clock=node.clock, **node.changes)
        drain(other)
        check_once(other, rows, submitted)
        other.close()
    assert pinned(node) == []


def test_what_happens_while_it_is_sent_changes_nothing_in_it(node: Node, tmp_path: Path) -> None:
    node.write("a v=1 1\nb v=1 1")
    node.engine.snapshot()
    node.write("a v=2 2")
    stream = node.engine.backups.stream()
    first = next(stream)
    node.write("a v=3 3\na v=9 1")
    node.engine.tables.delete(DATABASE, "b")
    node.engine.snapshot()
    unpack(itertools.chain([first], stream), tmp_path / "restored" / "data")
    other = Node(tmp_path / "restored", clock=node.clock, **node.changes)
    assert (values_of(other, "a"), values_of(other, "b")) == ([1.0, 2.0], [1.0])
    other.close()


def test_two_at_once_are_both_whole(node: Node, tmp_path: Path) -> None:
    node.write("a v=1 1")
    streams = [node.engine.backups.stream() for _ in range(MOST_AT_ONCE)]
    firsts = [next(stream) for stream in streams]
    with pytest.raises(Unavailable, match="backups are being made already"):
        next(node.engine.backups.stream())
    for number, (first, stream) in enumerate(zip(firsts, streams, strict=True)):
        unpack(itertools.chain([first], stream), tmp_path / str(number) / "data")
        other = Node(tmp_path / str(number), clock=node.clock, **node.changes)
        assert values_of(other, "a") == [1.0]
        other.close()
    unpack(node.engine.backups.stream(), tmp_path / "later")


def test_one_that_nobody_takes_lets_go_of_its_files(node: Node) -> None:
    node.write("a v=1 1")
    stream = node.engine.backups.stream()
    next(stream)
    assert len(pinned(node)) == 1
    stream.close()
    assert pinned(node) == []


def test_what_a_killed_server_had_pinned_is_removed_at_the_next_start(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("a v=1 1")
    stream = node.engine.backups.stream()
    next(stream)
    left = node.engine.paths.backups / "left"
    node.close()
    left.mkdir()
    (left / "0").write_bytes(b"x")
    again = Node(tmp_path)
    assert not left.exists()
    again.close()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_one_that_ends_early_is_refused_by_the_server(share: float, node: Node, tmp_path: Path) -> None:
    for number in range(5):
        node.write(f"a v={number} {number}")
        node.engine.snapshot()
    whole = b"".join(node.engine.backups.stream())
    with pytest.raises(CommandFailed, match="the backup is unfinished") as told:
        unpack(iter([whole[: 2048 + int(share * (len(whole) - 4096))]]), tmp_path / "data")
    assert "try again" in str(told.value)
    with pytest.raises(StorageError, match="a backup that was not finished"):
        Node(tmp_path, **node.changes)
    with pytest.raises(CommandFailed, match="is not an empty folder"):
        check_target(tmp_path / "data")


def test_a_flipped_byte_on_the_way_is_noticed(node: Node, tmp_path: Path) -> None:
    node.write("a v=1 1")
    whole = bytearray(b"".join(node.engine.backups.stream()))
    whole[whole.index(b"I3WALSEG") + 4100] ^= 1
    with pytest.raises(CommandFailed, match="is not what the server sent"):
        unpack(iter([bytes(whole)]), tmp_path / "data")
    assert (tmp_path / "data" / MARK).exists()


def test_a_disk_that_fails_leaves_an_unfinished_backup(node: Node, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        stream = node.engine.backups.stream()
        yield from itertools.islice(stream, 4)
        stream.close()
        raise OSError(28, "No space left on device")

    node.write("a v=1 1")
    with pytest.raises(CommandFailed, match=r"No space left on device.*Remove"):
        unpack(broken(), tmp_path / "data")
    assert (tmp_path / "data" / MARK).exists()


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    import io
    import tarfile

    for name in ("/etc/x", "node/../../x", "x"):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        with pytest.raises(CommandFailed, match="is no name of a file in a backup"):
            unpack(iter([data.getvalue()]), tmp_path / "data")


@pytest.mark.parametrize("name", sorted(folder.name for folder in FOLDERS.iterdir()))
def test_work_of_every_kind_goes_on_in_it(name: str, tmp_path: Path) -> None:
    node = open_folder(name, tmp_path / "golden")
    other = restored(node, tmp_path / "restored")
    for table in ("home", "long", "a", "copies", "ticks"):
        sql = f"SELECT count(*) AS n FROM {table}"
        assert other.rows(sql) == node.rows(sql)
    sql = "SELECT state, rows_total, rows_done FROM system.processing_engine_backfills"
    assert other.rows(sql) == [{"state": "running", "rows_total": 6, "rows_done": 2}]
    node.close()
    other.close()


def test_a_lost_file_is_named(node: Node, tmp_path: Path) -> None:
    node.write("a v=1 1")
    node.engine.snapshot()
    (file,) = node.engine.paths.parquet.glob("*/*.parquet")
    file.unlink()
    made = unpack(node.engine.backups.stream(), tmp_path / "data")
    assert made.missing == (file.relative_to(node.engine.paths.root).as_posix(),)


def test_a_node_whose_files_are_elsewhere_says_so(node: Node) -> None:
    from dataclasses import replace

    backups = node.engine.backups
    backups._side = replace(backups._side, kept_elsewhere="s3")
    with pytest.raises(InvalidRequest, match="--object-store s3"):
        next(backups.stream())
