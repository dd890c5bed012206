import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.columns.payload import encode_rows
from engine.disk import RealDisk
from engine.errors import ManifestCorrupt
from engine.model.schema import Column, ColumnType, TableSchema
from engine.paths import NodePaths
from engine.storage.filekeys import FileKeys
from engine.storage.filesets import FileSets
from engine.storage.manifest import FileEntry
from engine.storage.objects import FileSet
from engine.storage.table import TableData
from engine.wal.format import CommitRecord, ConsumerRecord, RowsPayload, RowsRecord, SchemaRecord
from engine.wal.ports import DurableRecord
from tests.support.batches import batch_of, table_schema
from tests.support.stores import FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "b": "integer", "time": "time"})
KEY = ("host", "time")

row = st.fixed_dictionaries(
    {"time": st.integers(0, 350)},
    optional={"host": st.sampled_from(["x", "y"]), "a": st.floats(allow_nan=False), "b": st.integers(0, 9)},
)
step = st.lists(row, min_size=1, max_size=5) | st.sampled_from(["snapshot", "compact", "reopen", "look"])


class FailingOnce(FileKeys):
    """Keys of files that cannot be read the first time, for want of memory."""

    has_failed = False

    def repeated(self, *args: Any) -> Any:
        if not self.has_failed:
            self.has_failed = True
            raise MemoryError
        return super().repeated(*args)


class NotingSets(FileSets):
    """Sets of files that note which files they were asked for."""

    def __init__(self, paths: NodePaths) -> None:
        super().__init__(RealDisk(), paths.file_sets, paths.table_folder)
        self.asked: list[Sequence[FileEntry]] = []

    def open_set(self, table_id: int, files: Sequence[FileEntry], place: int = 0) -> FileSet | None:
        self.asked.append(files)
        return super().open_set(table_id, files, place)


def one_row(time: int = 2) -> RowsPayload:
    encoding, data = encode_rows(batch_of(SCHEMA, [{"host": "x", "time": time, "a": 2.0}]))
    return RowsPayload(SCHEMA.table_id, SCHEMA.version, 1, encoding, (), data)


def merged(writes: list[list[dict[str, Any]]]) -> dict[Any, dict[str, Any]]:
    """What a database of plain dicts would hold."""
    table: dict[Any, dict[str, Any]] = {}
    for rows in writes:
        for r in rows:
            table.setdefault(tuple(r.get(k) for k in KEY), {}).update(r)
    return table


def by_key(rows: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    found = {tuple(r.get(k) for k in KEY): r for r in rows}
    assert len(found) == len(rows), "a key is there twice"
    return found


@settings(max_examples=60)
@given(st.lists(step, max_size=12))
def test_a_table_equals_a_dict_of_dicts_through_snapshots_and_restarts(steps: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        fed = FedStore(Path(folder))
        fed.create(SCHEMA)
        writes: list[list[dict[str, Any]]] = []
        for one in [*steps, "look"]:
            if one == "snapshot":
                fed.snapshot()
            elif one == "compact":
                fed.compact(2)
            elif one == "reopen":
                fed = fed.reopened()
            elif one == "look":
                assert by_key(fed.rows(SCHEMA)) == merged(writes)
            else:
                fed.write(SCHEMA, one)
                writes.append(one)


def test_windows_that_share_no_key_are_read_from_their_files(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1, "a": 1.0}, {"time": 150, "a": 2.0}])
    fed.snapshot()
    fed.write(SCHEMA, [{"time": 2, "a": 3.0}])
    view = fed.store.view(SCHEMA)
    assert (len(list(view.folders[0].iterdir())), sum(b.num_rows for b in view.batches)) == (2, 1)
    view.release()


def test_a_window_with_a_repeated_key_leaves_only_that_file_out(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1, "a": 1.0}, {"time": 150, "a": 2.0}])
    fed.snapshot()
    fed.write(SCHEMA, [{"time": 1, "b": 3}])
    view = fed.store.view(SCHEMA)
    assert (len(list(view.folders[0].iterdir())), sum(b.num_rows for b in view.batches)) == (1, 1)
    view.release()


def test_many_snapshots_of_one_window_leave_few_files(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for i in range(30):
        fed.write(SCHEMA, [{"time": i}])
        fed.snapshot()
        fed.compact()
    assert len(fed.store.files(SCHEMA.table_id)) <= 3
    assert len(fed.rows(SCHEMA)) == 30


def test_files_that_no_manifest_names_are_removed_at_the_next_start(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    fed.snapshot()
    paths = NodePaths(tmp_path, "node")
    stray = paths.table_folder(SCHEMA.table_id) / "0.stray.parquet"
    stray.write_bytes(b"half a snapshot")
    (paths.file_sets / "7-1").mkdir(exist_ok=True)
    fed.reopened()
    assert not stray.exists()
    assert not list(paths.file_sets.iterdir())


def test_rows_of_a_deleted_table_do_not_come_back(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    fed.snapshot()
    fed.apply(SchemaRecord(SCHEMA.database_id, SCHEMA.table_id, SCHEMA.name, 4, (), deleted=True))
    fed.write(SCHEMA, [{"time": 2}])
    assert fed.rows(SCHEMA) == []
    assert fed.reopened().rows(SCHEMA) == []
    fed.snapshot()
    again = fed.reopened()
    assert again.rows(SCHEMA) == []
    assert again.store.schemas.find(SCHEMA.database_id, SCHEMA.name) is None
    assert not NodePaths(tmp_path, "node").table_folder(SCHEMA.table_id).exists()


def test_a_folder_with_data_and_no_manifest_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    fed.snapshot()
    NodePaths(tmp_path, "node").manifest.unlink()
    with pytest.raises(ManifestCorrupt, match="holds data and no manifest"):
        FedStore(tmp_path)
    assert len(list(NodePaths(tmp_path, "node").table_folder(SCHEMA.table_id).iterdir())) == 1


@pytest.mark.parametrize("hurt", ["flip", "remove"])
def test_a_damaged_file_is_named_and_the_rest_is_served(hurt: str, tmp_path: Path, caplog: Any) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}, {"time": 150}])
    fed.snapshot()
    first = min(NodePaths(tmp_path, "node").table_folder(SCHEMA.table_id).iterdir())
    if hurt == "flip":
        data = bytearray(first.read_bytes())
        data[len(data) // 2] ^= 1
        first.write_bytes(data)
    else:
        first.unlink()
    again = fed.reopened()
    assert [r["time"] for r in again.rows(SCHEMA)] == [150]
    assert str(first) in caplog.text
    again.write(SCHEMA, [{"time": 1, "b": 5}])
    again.snapshot()
    assert sorted(r["time"] for r in again.rows(SCHEMA)) == [1, 150]
    assert first.name in {f.name for f in again.store.manifest.files}, "what is damaged is not thrown away"


@pytest.mark.parametrize(
    ("part", "text"), [(0, "does not begin as such a file does"), (40, "its checksum does not match")]
)
def test_a_damaged_manifest_stops_the_start_with_one_line(part: int, text: str, tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.snapshot()
    manifest = NodePaths(tmp_path, "node").manifest
    data = bytearray(manifest.read_bytes())
    data[part] ^= 1
    manifest.write_bytes(data)
    with pytest.raises(ManifestCorrupt, match=text):
        FedStore(tmp_path)


def test_a_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    FedStore(tmp_path)
    manifest = NodePaths(tmp_path, "node").manifest
    data = bytearray(manifest.read_bytes())
    data[4] = 9
    manifest.write_bytes(data)
    with pytest.raises(ManifestCorrupt, match="has format 9"):
        FedStore(tmp_path)


def test_a_failed_snapshot_loses_nothing_and_is_tried_again(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    folder = NodePaths(tmp_path, "node").parquet
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(OSError, match="parquet"):
        fed.snapshot()
    fed.write(SCHEMA, [{"time": 2}])
    assert [r["time"] for r in fed.rows(SCHEMA)] == [1, 2]
    folder.unlink()
    fed.snapshot()
    fed.snapshot()
    assert sorted(r["time"] for r in fed.reopened().rows(SCHEMA)) == [1, 2]


@pytest.mark.parametrize(("hurt", "text"), [("flip", "is damaged"), ("remove", "which the manifest names, is missing")])
def test_a_damaged_checkpoint_stops_the_start_with_one_line(hurt: str, text: str, tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.snapshot()
    (checkpoint,) = NodePaths(tmp_path, "node").checkpoints.iterdir()
    if hurt == "flip":
        data = bytearray(checkpoint.read_bytes())
        data[-1] ^= 1
        checkpoint.write_bytes(data)
    else:
        checkpoint.unlink()
    with pytest.raises(ManifestCorrupt, match=text) as caught:
        FedStore(tmp_path)
    assert str(checkpoint) in str(caught.value)


@pytest.mark.parametrize("rows", [1, 100], ids=["compact", "columns"])
def test_a_query_that_began_before_a_column_was_added_takes_nothing_away(tmp_path: Path, rows: int) -> None:
    fed = FedStore(tmp_path)
    old = table_schema({"host": "tag", "time": "time"})
    fed.create(old)
    new = old.with_columns([Column("a", ColumnType.FLOAT)])
    fed.apply(SchemaRecord(new.database_id, new.table_id, new.name, 2, (("a", "float"),), deleted=False))
    written = [{"time": n, "a": float(n)} for n in range(rows)]
    fed.write(new, written)
    view = fed.store.view(old)
    assert [batch.num_columns for batch in view.batches] == [3]
    view.release()
    assert by_key(fed.rows(new)) == merged([written])
    fed.snapshot()
    assert by_key(fed.rows(new)) == merged([written])


def test_a_snapshot_that_begins_while_a_query_looks_takes_nothing_away(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    table = TableData(fed.store.file_sets, 100)
    table.add(one_row())

    def frozen_meanwhile() -> TableSchema:
        table.freeze()
        return SCHEMA

    for _ in range(2):
        view = table.view(frozen_meanwhile)
        assert sum(batch.num_rows for batch in view.batches) == 1
        view.release()


def test_rows_that_are_being_sorted_in_go_with_a_snapshot_that_begins_meanwhile(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    table = TableData(fed.store.file_sets, 100)
    table.add(one_row())
    frozen = []

    def freeze() -> TableSchema:
        frozen.append(table.freeze())
        return SCHEMA

    table.settle(freeze)
    assert frozen == [True]
    assert [len(rows.times) for rows in table.frozen_rows(lambda: SCHEMA).batches] == [1]


def test_rows_that_could_not_be_sorted_in_are_there_the_next_time(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    table = TableData(fed.store.file_sets, 100)
    table.add(one_row())

    def fail() -> TableSchema:
        raise MemoryError

    with pytest.raises(MemoryError):
        table.settle(fail)
    assert table.waiting_rows == 1
    assert table.freeze()
    assert [len(rows.times) for rows in table.frozen_rows(lambda: SCHEMA).batches] == [1]


def test_rows_that_could_not_be_compared_with_files_are_there_the_next_time(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"host": "x", "time": 1, "a": 1.0}, {"host": "x", "time": 150, "a": 1.0}])
    fed.snapshot()
    files = fed.store.files(SCHEMA.table_id)
    table = TableData(fed.store.file_sets, 100, files, FailingOnce(fed.store.file_sets))
    table.add(one_row(1))
    with pytest.raises(MemoryError):
        table.settle(lambda: SCHEMA)
    view = table.view(lambda: SCHEMA)
    assert [(batch.num_rows, batch.column("a").to_pylist()) for batch in view.batches] == [(1, [2.0])]
    assert sum(pq.read_metadata(file).num_rows for folder in view.folders for file in folder.iterdir()) == 1
    view.release()


def test_where_rows_expire_the_files_that_are_left_are_known_again(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"host": "x", "time": 150, "a": 1.0}])
    fed.snapshot()
    sets = NotingSets(NodePaths(tmp_path, "node"))
    table = TableData(sets, 100, fed.store.files(SCHEMA.table_id))
    for oldest_ns in (10, 20, 160):  # the time goes on, at last past the row
        table.view(lambda: SCHEMA, oldest_ns).release()
    first, second = sets.asked
    assert [file.row_count for file in first] == [1]
    assert second is first


def test_a_record_that_cannot_be_taken_over_keeps_no_other_away(tmp_path: Path, caplog: Any) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    rows = [{"host": "x", "a": 1.0, "time": 1}]
    encoding, data = encode_rows(batch_of(SCHEMA, rows))
    written = RowsRecord(RowsPayload(SCHEMA.table_id, SCHEMA.version, 1, encoding, (), data))
    backwards = CommitRecord(7, 2, "r", ((9, 5),), None, (), (), ())
    told = (ConsumerRecord(7, opened=True), backwards, written)
    records = [DurableRecord(position, record, ()) for position, record in enumerate(told, 2)]
    fed.store.on_durable(records)
    assert fed.rows(SCHEMA) == rows
    assert "could not be taken over position=3" in caplog.text


def test_live_rows_are_the_same_object_until_something_comes(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"host": "x", "time": 1, "a": 1.0}, {"host": "x", "time": 150, "a": 1.0}])
    first = fed.store.view(SCHEMA).live
    assert fed.store.view(SCHEMA).live is first
    fed.write(SCHEMA, [{"host": "x", "time": 1, "a": 2.0}])
    assert fed.store.view(SCHEMA).live is not first
    gone = weakref.ref(fed.store.view(SCHEMA).live)
    fed.snapshot()
    gc.collect()
    assert gone() is None


def test_small_records_of_a_window_become_few_batches(tmp_path: Path) -> None:
    fed = FedStore(tmp_path)
    fed.create(SCHEMA)
    for number in range(40):  # above the largest compact record, so that each is a batch of its own
        fed.write(SCHEMA, [{"host": f"h{i}", "time": number, "a": 1.0} for i in range(40)])
        fed.store.view(SCHEMA)
    assert len(fed.store.view(SCHEMA).batches) <= 6
    fed.write(SCHEMA, [{"host": "x", "time": 150}])
    assert len(fed.store.view(SCHEMA).batches) <= 6
