"""Which files become one, and that nothing but their number changes."""

from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.storage.compaction import Compaction, CompactionLimits, decide_compaction
from engine.storage.manifest import FileEntry
from tests.support.batches import table_schema
from tests.support.disk import CrashingDisk
from tests.support.stores import SMALL_STEPS, FedStore

LIMITS = CompactionLimits(periods_ns=(10, 100, None), most_rows=100, most_bytes=10_000, most_files=4, least_share=4)
SCHEMA = table_schema({"host": "tag", "a": "float", "b": "integer", "time": "time"})


def file(name: str, first: int, last: int, rows: int = 10, *, columns: int = 2, dead: int = 0) -> FileEntry:
    holes = ((first, first),) if dead else ()
    return FileEntry(name, 1, first, 1, 2, rows, first, last, 1000, 0, columns, holes, dead)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([file("a", 0, 3), file("b", 4, 9)], None, id="its-period-goes-on"),
        pytest.param([file("a", 0, 3), file("b", 4, 9), file("c", 10, 12)], "ab", id="its-period-is-over"),
        pytest.param([file(n, i, i) for i, n in enumerate("abcd")], "abcd", id="many-do-not-wait"),
        pytest.param([file("a", 0, 3, 90), file("b", 4, 9, 20), file("c", 10, 12)], None, id="too-many-rows"),
        pytest.param(
            [file("a", 0, 3, 10, columns=80), file("b", 4, 9, 10, columns=80), file("c", 10, 12)], None, id="too-wide"
        ),
        pytest.param([file("a", 0, 8, 90), file("b", 4, 9, 5), file("c", 10, 12)], None, id="little-waits-for-company"),
        pytest.param([file("a", 0, 9), file("b", 10, 19), file("c", 100, 101)], "ab", id="the-next-period"),
        pytest.param([file("a", 8, 12), file("b", 13, 15), file("c", 100, 101)], "ab", id="across-a-short-period"),
        pytest.param([file("a", -5, -3), file("b", -2, -1), file("c", 0, 1)], "ab", id="before-1970"),
        pytest.param([file("a", 0, 9, 10, dead=2)], None, id="a-small-hole"),
        pytest.param([file("a", 0, 9, 10, dead=3)], "a", id="a-large-hole"),
        pytest.param([file(n, i * 99, i * 99 + 30, 20) for i, n in enumerate("abcd")], "abcd", id="any-time"),
    ],
)
def test_what_is_put_together(files: list[FileEntry], expected: str | None) -> None:
    chosen = decide_compaction(files, LIMITS)
    assert (None if chosen is None else "".join(f.name for f in chosen)) == expected


def test_rows_stay_and_old_files_go(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in range(0, 1000, 40):
        fed.write(SCHEMA, [{"host": host, "time": time, "a": float(time)} for host in "xy"])
        fed.snapshot()
    before, rows = fed.store.files(SCHEMA.table_id), fed.rows(SCHEMA)
    assert fed.compact() > 0
    after = fed.store.files(SCHEMA.table_id)
    assert len(after) < len(before) / 5
    assert sorted(fed.rows(SCHEMA), key=repr) == sorted(rows, key=repr)
    assert fed.compact() == 0
    folder = fed.paths.table_folder(SCHEMA.table_id)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f.name for f in after)
    assert sorted(fed.reopened().rows(SCHEMA), key=repr) == sorted(rows, key=repr)


def test_a_query_goes_on_with_the_files_that_it_began_with(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in range(6):
        fed.write(SCHEMA, [{"time": time}])
        fed.snapshot()
    view = fed.store.view(SCHEMA)
    assert fed.compact() > 0
    assert len(list(view.folders[0].iterdir())) == 6
    view.release()
    assert not view.folders[0].exists()


def test_a_hole_goes_with_its_rows(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": time, "a": 1.0} for time in range(0, 1000, 30)])
    fed.snapshot()
    fed.write(SCHEMA, [{"time": 300, "b": 7}])
    fed.snapshot()
    holed = [f for f in fed.store.files(SCHEMA.table_id) if f.holes]
    assert [(f.holes, f.dead_rows) for f in holed] == [(((300, 399),), 4)]
    fed.write(SCHEMA, [{"time": 2000}, {"time": 2001}])
    fed.snapshot()
    rows = fed.rows(SCHEMA)
    while fed.compact():
        pass
    fed.store.exchange(fed.store.rewrite(SCHEMA.table_id, fed.store.files(SCHEMA.table_id)))  # type: ignore[arg-type]
    assert [f for f in fed.store.files(SCHEMA.table_id) if f.holes] == []
    assert sorted(fed.rows(SCHEMA), key=repr) == sorted(rows, key=repr)
    assert next(r for r in rows if r["time"] == 300) == {"time": 300, "a": 1.0, "b": 7}


def test_files_that_a_snapshot_replaced_meanwhile_are_left_alone(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in (1, 2):
        fed.write(SCHEMA, [{"time": time, "a": 1.0}])
        fed.snapshot()
    changes = fed.store.rewrite(SCHEMA.table_id, fed.store.files(SCHEMA.table_id))
    fed.write(SCHEMA, [{"time": 1, "b": 7}])
    fed.snapshot()
    assert changes is not None
    assert not fed.store.exchange(changes)
    assert sorted(fed.rows(SCHEMA), key=repr) == [{"time": 1, "a": 1.0, "b": 7}, {"time": 2, "a": 1.0}]
    names = {f.name for f in fed.store.files(SCHEMA.table_id)}
    assert {path.name for path in fed.paths.table_folder(SCHEMA.table_id).iterdir()} == names


def test_the_same_work_done_twice_leaves_the_file_that_both_made(tmp_path: Path) -> None:
    """Equal rows make equal files of equal names: what one gives up may be what the other one has named."""
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in (1, 2):
        fed.write(SCHEMA, [{"time": time, "a": 1.0}])
        fed.snapshot()
    twice = [fed.store.rewrite(SCHEMA.table_id, fed.store.files(SCHEMA.table_id)) for _ in range(2)]
    assert [changes is not None and fed.store.exchange(changes) for changes in twice] == [True, False]
    assert [row["time"] for row in fed.rows(SCHEMA)] == [1, 2]
    assert [row["time"] for row in fed.reopened().rows(SCHEMA)] == [1, 2]


def test_a_file_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    fed = FedStore(tmp_path / "data", disk)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1, "a": 1.0}])
    fed.snapshot()
    (file,) = fed.store.files(SCHEMA.table_id)
    begin = len(disk.journal)
    changes = fed.store.rewrite(SCHEMA.table_id, [file])
    assert changes is not None
    assert changes.added[SCHEMA.table_id] == [file]
    assert not {"write", "open_append", "remove"} & {word for word, _ in disk.journal[begin:]}
    assert fed.store.exchange(changes)
    assert [row["time"] for row in fed.rows(SCHEMA)] == [1]


def test_a_damaged_file_stays_and_the_others_go_on(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in range(5):
        fed.write(SCHEMA, [{"time": time}])
        fed.snapshot()
    hurt = fed.store.files(SCHEMA.table_id)[2]
    path = fed.paths.table_folder(SCHEMA.table_id) / hurt.name
    path.write_bytes(b"x" + path.read_bytes()[1:])
    again = fed.reopened()
    assert again.compact() > 0
    assert hurt in again.store.files(SCHEMA.table_id)
    assert sorted(row["time"] for row in again.rows(SCHEMA)) == [0, 1, 3, 4]


def test_writers_who_share_no_key_cause_no_merge(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in range(0, 300, 14):
        for host in "xyz":
            fed.write(SCHEMA, [{"host": host, "time": time, "a": 1.0}])
        fed.rows(SCHEMA)
        if time % 5 == 0:
            fed.snapshot()
    assert fed.store.merges(SCHEMA.table_id) == 0
    assert all(not f.holes for f in fed.store.files(SCHEMA.table_id))
    fed.write(SCHEMA, [{"host": "x", "time": 14, "b": 1}])
    fed.rows(SCHEMA)
    fed.rows(SCHEMA)
    assert fed.store.merges(SCHEMA.table_id) == 1


def test_a_table_that_did_not_change_is_not_looked_at_again(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    fed.snapshot()
    compaction = Compaction(fed.store, SystemClock(), limits=SMALL_STEPS)
    assert not compaction.step()
    assert compaction._settled == {SCHEMA.table_id: fed.store.files(SCHEMA.table_id)}


def test_a_file_that_went_while_it_was_compacted_is_not_called_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for time in (1, 2):
        fed.write(SCHEMA, [{"time": time, "a": 1.0}])
        fed.snapshot()
    before = fed.store.files(SCHEMA.table_id)
    fed.write(SCHEMA, [{"time": 1, "b": 7}])
    fed.snapshot()
    assert fed.store.rewrite(SCHEMA.table_id, before) is None
    assert fed.store.file_sets.losses == {}
    assert "missing" not in caplog.text
