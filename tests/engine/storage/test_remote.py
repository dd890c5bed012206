"""Objects: a node whose files are in an object store, its cache, its owner – with a store in memory."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import FolderInUse, ManifestCorrupt, ObjectStoreAway, ObjectStoreRefused, OwnershipLost
from engine.paths import NodePaths
from engine.storage.kept import file_key
from engine.storage.owner import LOST
from tests.support.batches import table_schema
from tests.support.buckets import Machine, MemoryBucket, MemoryObjects
from tests.support.disk import Stopped
from tests.support.stores import FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "b": "integer", "time": "time"})


def times(fed: FedStore) -> list[int]:
    return sorted(row["time"] for row in fed.rows(SCHEMA))


def machine_with_rows(folder: Path, kept: MemoryObjects, **options: Any) -> Machine:
    """Return a machine whose rows at 1 and 150 are in two files of the store, and at 300 in its log."""
    machine = Machine(folder, kept, **options)
    machine.fed.create(SCHEMA)
    machine.fed.write(SCHEMA, [{"time": 1, "a": 1.0}, {"time": 150, "a": 2.0}])
    machine.fed.snapshot()
    machine.fed.write(SCHEMA, [{"time": 300}])
    return machine


def reopened(machine: Machine, kept: MemoryObjects, **options: Any) -> Machine:
    """Return a machine on the same folder, fed with the records again, as a replay does."""
    again = Machine(machine.folder, kept, clock=machine.clock, **options)
    again.fed.records = machine.fed.records
    again.fed.store.apply(machine.fed.records)
    return again


def parquet_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "node" / "parquet").rglob("*") if path.is_file())


def test_a_snapshot_puts_files_checkpoint_and_then_the_manifest(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = Machine(tmp_path / "a", kept)
    machine.fed.create(SCHEMA)
    machine.fed.write(SCHEMA, [{"time": 1}, {"time": 150}])
    machine.bucket.calls.clear()
    machine.fed.snapshot()
    words = [(word, key.partition("/")[0]) for word, key in machine.bucket.calls]
    assert words == [("put", "parquet"), ("put", "parquet"), ("put", "checkpoints"), ("put_if", "manifest")]
    machine.bucket.calls.clear()
    machine.fed.snapshot()
    assert [word for word, _ in machine.bucket.calls] == ["put", "put_if", "delete"], "only what is new"


def test_a_restart_on_the_same_folder_serves_everything(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    again = reopened(machine, kept)
    assert times(again.fed) == [1, 150, 300]
    assert not [call for call in again.bucket.calls if "parquet" in call[1] and call[0] == "get"], "nothing is fetched"


def test_a_restart_with_an_empty_cache_fetches_what_is_read(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    for path in parquet_files(tmp_path / "a"):
        path.unlink()
    again = reopened(machine, kept)
    assert times(again.fed) == [1, 150, 300]
    assert len(parquet_files(tmp_path / "a")) == 2


def test_another_machine_goes_on_where_one_that_ended_in_good_order_was(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.close()
    other = Machine(tmp_path / "b", kept, clock=machine.clock)
    assert times(other.fed) == [1, 150, 300]
    assert other.objects._owner.lease.epoch == 2
    other.close()
    third = Machine(tmp_path / "a", kept, clock=machine.clock)
    assert times(third.fed) == [1, 150, 300]


def test_another_machine_does_not_start_without_what_only_a_log_holds(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.renew()
    with pytest.raises(ObjectStoreRefused, match="are only in the log of another data folder"):
        Machine(tmp_path / "b", kept, clock=machine.clock)
    other = Machine(tmp_path / "b", kept, clock=machine.clock, take_over=True)
    assert times(other.fed) == [1, 150]
    with pytest.raises(ObjectStoreRefused, match="may hold writes that nobody else has"):
        reopened(machine, kept)


def test_a_server_that_lost_the_data_cannot_replace_anything(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    other = Machine(tmp_path / "b", kept, clock=machine.clock, take_over=True)
    other.fed.records = [*machine.fed.records[:2]]
    with pytest.raises(OwnershipLost, match=LOST):
        machine.fed.snapshot()
    assert len(machine.lost) == 1
    with pytest.raises(OwnershipLost, match=LOST):
        machine.fed.snapshot()
    other.fed.write(SCHEMA, [{"time": 222}])
    other.fed.snapshot()
    assert times(other.fed) == [1, 150, 222]
    assert times(reopened(other, kept).fed) == [1, 150, 222]


def test_the_loss_is_noticed_between_renewals(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.renew()
    machine.objects.tick()
    assert machine.bucket.calls[-1] == ("get", "owner")
    Machine(tmp_path / "b", kept, clock=machine.clock, take_over=True)
    machine.objects.tick()
    assert [text.startswith(LOST) for text in machine.lost] == [True]


def test_the_loss_is_noticed_at_the_next_renewal(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    Machine(tmp_path / "b", kept, clock=machine.clock, take_over=True)
    assert not machine.lost
    machine.renew()
    assert [text.startswith(LOST) for text in machine.lost] == [True]


def test_a_lease_that_is_renewed_keeps_others_out(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.close()
    first = Machine(tmp_path / "b", kept, clock=machine.clock)
    bucket = MemoryBucket(kept)

    def live_on(word: str, key: str) -> None:
        if len(bucket.calls) == 12:
            first.renew()

    bucket.before = live_on
    with pytest.raises(FolderInUse, match="in use by another influxdb3 server"):
        Machine(tmp_path / "c", kept, clock=machine.clock, bucket=bucket)


def test_a_lease_that_is_not_renewed_ends(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.close()
    first = Machine(tmp_path / "b", kept, clock=machine.clock)
    began_ns = machine.clock.now_ns()
    Machine(tmp_path / "c", kept, clock=machine.clock)
    assert 35e9 <= machine.clock.now_ns() - began_ns < 40e9
    first.renew()
    assert first.lost


@pytest.mark.parametrize("calls", range(1, 5))
def test_an_answer_that_is_lost_loses_nothing_else(calls: int, tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.bucket.lost_answers = calls
    while machine.bucket.lost_answers:
        with suppress(ObjectStoreAway):
            machine.fed.snapshot()
    machine.fed.write(SCHEMA, [{"time": 301}])
    machine.fed.snapshot()
    assert not machine.lost
    assert times(reopened(machine, kept).fed) == [1, 150, 300, 301]


def test_while_the_store_is_away_rows_that_are_here_are_served(tmp_path: Path, caplog: Any) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.bucket.is_away = True
    machine.renew()
    machine.renew()
    assert caplog.text.count("the object store cannot be used") == 1
    with pytest.raises(ObjectStoreAway):
        machine.objects.check()
    with pytest.raises(ObjectStoreAway):
        machine.fed.snapshot()
    machine.fed.write(SCHEMA, [{"time": 301}])
    assert times(machine.fed) == [1, 150, 300, 301]
    machine.bucket.is_away = False
    machine.objects.check()
    machine.fed.snapshot()
    assert machine.objects.problem is None
    assert times(reopened(machine, kept).fed) == [1, 150, 300, 301]


def test_what_is_not_here_cannot_be_read_while_the_store_is_away(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    for path in parquet_files(tmp_path / "a"):
        path.unlink()
    again = reopened(machine, kept)
    again.bucket.is_away = True
    with pytest.raises(ObjectStoreAway):
        times(again.fed)
    again.bucket.is_away = False
    assert times(again.fed) == [1, 150, 300]


def test_rows_beside_a_file_that_cannot_be_fetched_now_stay(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    for path in parquet_files(tmp_path / "a"):
        path.unlink()
    again = reopened(machine, kept)
    again.fed.write(SCHEMA, [{"time": 1, "b": 7}, {"time": 155}])
    again.bucket.is_away = True
    for _ in range(2):
        with pytest.raises(ObjectStoreAway):
            times(again.fed)
        with pytest.raises(ObjectStoreAway):
            again.fed.snapshot()
    again.bucket.is_away = False
    assert times(again.fed) == [1, 150, 155, 300]
    again.fed.snapshot()
    assert [row for row in again.fed.rows(SCHEMA) if row["time"] == 1] == [{"time": 1, "a": 1.0, "b": 7}]


@pytest.mark.parametrize("hurt", ["here", "there", "gone"])
def test_a_damaged_file_is_fetched_anew_or_named(hurt: str, tmp_path: Path, caplog: Any) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    path = parquet_files(tmp_path / "a")[0]
    key = next(key for key in kept.objects if path.stem in key)
    if hurt == "here":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        path.unlink()
        if hurt == "there":
            kept.put(key, kept.objects[key][0][:-1] + b"?")
        else:
            del kept.objects[key]
    again = reopened(machine, kept)
    assert times(again.fed) == ([1, 150, 300] if hurt == "here" else [150, 300])
    assert str(path) in caplog.text


def test_what_a_crash_left_in_the_store_goes_at_the_next_start(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    named = set(kept.objects)
    kept.put("parquet/7/0.stray.00000000.parquet", b"half a snapshot")
    kept.put("checkpoints/stray", b"")
    reopened(machine, kept)
    assert set(kept.objects) == named


def test_a_folder_goes_to_the_store_when_it_is_first_served_with_one(tmp_path: Path) -> None:
    fed = FedStore(tmp_path / "a")
    fed.create(SCHEMA)
    fed.write(SCHEMA, [{"time": 1}])
    fed.snapshot()
    kept = MemoryObjects()
    machine = Machine(tmp_path / "a", kept)
    assert times(machine.fed) == [1]
    machine.fed.records = fed.records
    machine.close()
    assert times(Machine(tmp_path / "b", kept, clock=machine.clock).fed) == [1]


def test_a_folder_whose_data_is_in_a_store_is_not_served_without_it(tmp_path: Path) -> None:
    machine_with_rows(tmp_path / "a", MemoryObjects())
    with pytest.raises(ObjectStoreRefused, match="is kept in mem://bucket/node, and this folder may hold a part of it"):
        FedStore(tmp_path / "a")


def test_a_store_that_has_lost_everything_is_told(tmp_path: Path) -> None:
    machine_with_rows(tmp_path / "a", MemoryObjects())
    with pytest.raises(ObjectStoreRefused, match="holds nothing of the data"):
        Machine(tmp_path / "a", MemoryObjects())


def test_a_folder_with_other_data_is_not_mixed_with_the_stores(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine_with_rows(tmp_path / "a", kept).close()
    fed = FedStore(tmp_path / "b")
    fed.create(SCHEMA)
    fed.snapshot()
    with pytest.raises(ObjectStoreRefused, match="holds data of its own"):
        Machine(tmp_path / "b", kept)


def test_another_bucket_is_not_taken_for_the_one_that_the_data_is_in(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine_with_rows(tmp_path / "a", kept)
    other = MemoryBucket(kept)
    other.url = "mem://other/node"
    with pytest.raises(ObjectStoreRefused, match="is kept in mem://bucket/node, not in mem://other/node"):
        Machine(tmp_path / "a", kept, bucket=other)


def test_a_missing_checkpoint_stops_the_start_with_one_line(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.close()
    key = next(key for key in kept.objects if key.startswith("checkpoints/"))
    del kept.objects[key]
    with pytest.raises(ManifestCorrupt, match="which the manifest names, is missing"):
        Machine(tmp_path / "b", kept, clock=machine.clock)


def test_the_catalog_comes_with_the_data(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    NodePaths(tmp_path / "a", "node").catalog.write_text("one")
    machine.renew()
    NodePaths(tmp_path / "a", "node").catalog.write_text("two")
    machine.close()
    Machine(tmp_path / "b", kept, clock=machine.clock)
    assert NodePaths(tmp_path / "b", "node").catalog.read_text() == "two"


# The cache


def test_the_cache_stays_within_its_limit(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = Machine(tmp_path / "a", kept)
    machine.fed.create(SCHEMA)
    machine.fed.write(SCHEMA, [{"time": window * 1000} for window in range(20)])
    machine.fed.snapshot()
    one = parquet_files(tmp_path / "a")[0].stat().st_size
    again = reopened(machine, kept, cache_bytes=5 * one)
    assert len(parquet_files(tmp_path / "a")) <= 5
    most = 0
    view = again.fed.store.view(SCHEMA)
    assert len(view.absent) >= 15
    for file in view.absent:
        with file.held() as path:
            assert path is not None
            assert path.exists()
            most = max(most, len(parquet_files(tmp_path / "a")))
    view.release()
    assert most <= 6, "files that the view reads, and one that is fetched"
    assert len(times(again.fed)) == 20
    assert len(parquet_files(tmp_path / "a")) <= 5


def test_what_a_query_reads_does_not_go(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    view = machine.fed.store.view(SCHEMA)
    again = machine.objects.cache
    again._limit_bytes = 1
    again.keep(machine.fed.store.manifest.files)
    assert len(list(view.folders[0].iterdir())) == 2
    assert len(parquet_files(tmp_path / "a")) == 2
    view.release()
    assert parquet_files(tmp_path / "a") == []
    assert not list((tmp_path / "a" / "node" / "file-sets").iterdir()), "links would keep the space"


def test_an_object_that_a_query_will_read_is_not_removed(tmp_path: Path) -> None:
    kept = MemoryObjects()
    machine = machine_with_rows(tmp_path / "a", kept)
    machine.objects.cache._limit_bytes = 1
    machine.objects.cache.keep(machine.fed.store.manifest.files)
    view = machine.fed.store.view(SCHEMA)
    assert len(view.absent) == 2
    machine.fed.write(SCHEMA, [{"time": 1, "b": 2}, {"time": 150, "b": 2}])
    machine.fed.snapshot()
    for file in view.absent:
        with file.held() as path:
            assert path is not None
    view.release()
    before = len(kept.objects)
    machine.fed.snapshot()
    assert len(kept.objects) == before - 2


# Every step


def tell(machine: Machine) -> None:
    """Go through writes and snapshots that make, replace and remove files."""
    machine.fed.create(SCHEMA)
    for number in range(3):
        machine.fed.write(SCHEMA, [{"time": 1, "b": number}, {"time": 150 + number}])
        machine.fed.snapshot()
        machine.objects.tick()
    machine.fed.write(SCHEMA, [{"time": 300}])
    machine.close()


def expected(records: int) -> list[int]:
    """Return what is there of the story with so many records."""
    written = max(0, records - 1)
    told = [time for number in range(min(written, 3)) for time in (1, 150 + number)]
    return sorted({*told, *([300] if written > 3 else [])})


@pytest.mark.parametrize("through", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-folder", "empty-folder"])
def test_a_stop_at_any_call_loses_nothing(elsewhere: bool, through: bool, tmp_path: Path) -> None:
    whole = Machine(tmp_path / "whole", MemoryObjects())
    tell(whole)
    for stop in range(int(elsewhere), len(whole.bucket.calls), 2):
        kept = MemoryObjects()
        bucket = MemoryBucket(kept)
        bucket.stop_at, bucket.through = stop, through
        folder = tmp_path / f"{stop}"
        machine: Machine | None = None
        try:
            machine = Machine(folder, kept, bucket=bucket)
            tell(machine)
        except Stopped:
            pass
        if machine is None:
            Machine(folder, kept).close()
            continue
        if not elsewhere:
            again = reopened(machine, kept)
            assert times(again.fed) == expected(len(machine.fed.records))
            continue
        other = Machine(tmp_path / f"{stop}-b", kept, clock=machine.clock, take_over=True)
        stored = other.fed.store.manifest.rows_until
        assert times(other.fed) == expected(stored)
        named = {file_key(file) for file in other.fed.store.manifest.files}
        assert {key for key in kept.objects if key.startswith("parquet")} == named
