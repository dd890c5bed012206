import errno
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.disk import AppendFile, RealDisk
from engine.errors import DiskFull, EngineError, SyncFailed, Unavailable
from engine.wal.format import Record, SchemaRecord
from engine.wal.frames import HEADER_BYTES
from engine.wal.ports import DurableRecord, Entry, GenerationClosed, TableGone, WalConfig
from tests.support.disk import CrashingDisk, Survivors
from tests.support.full_disk import FullDisk
from tests.support.wal import (
    GENERATION,
    OTHER_TABLE,
    SMALL,
    TABLE,
    LogSetup,
    Recorder,
    SlowDisk,
    closed,
    commit,
    created,
    deleted,
    open_log,
    opened,
    payload,
    recovered,
    rows,
    segments,
    texts,
    write,
)

HOUR_NS = 3_600_000_000_000
PATIENT = WalConfig(segment_bytes=SMALL.segment_bytes, lazy_ns=HOUR_NS)
NEW_TABLE = 99


@dataclass
class Planner:
    """Wants ``records`` in the log until a group with them was done."""

    records: list[SchemaRecord] = field(default_factory=list)
    outcomes: list[bool] = field(default_factory=list)

    def before_group(self, entries: Sequence[Entry]) -> Sequence[SchemaRecord]:
        """See ``FramePlanner``."""
        return list(self.records)

    def group_done(self, ok: bool) -> None:
        """See ``FramePlanner``."""
        self.outcomes.append(ok)
        if ok:
            self.records.clear()


def test_what_waits_behind_a_sync_goes_together(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        disk.hold()
        first = wal.append(Entry([rows("first")]))
        assert disk.sync_began.wait(timeout=10)
        others = [wal.append(Entry([rows(f"{n}a"), rows(f"{n}b")])) for n in range(3)]
        assert not any(future.done() for future in (first, *others))
        disk.release()
        assert [future.result(timeout=10) for future in (first, *others)] == [(1,), (2, 3), (4, 5), (6, 7)]
        assert len(disk.frames) == 2
    assert texts(tmp_path) == ["first", "0a", "0b", "1a", "1b", "2a", "2b"]


def test_a_large_group_is_split_between_entries(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path, LogSetup(WalConfig(segment_bytes=1 << 20, frame_bytes=1500))) as wal:
        disk.hold()
        futures = [wal.append(Entry([rows("first")]))]
        assert disk.sync_began.wait(timeout=10)
        futures += [wal.append(Entry([rows("x" * 500), rows("y" * 500)])) for _ in range(5)]
        disk.release()
        assert [future.result(timeout=10)[0] for future in futures] == [1, 2, 4, 6, 8, 10]
    assert disk.frames == [64 + 192, 64 + 4 * 640, 64 + 4 * 640, 64 + 2 * 640]


def test_what_nobody_waits_for_goes_with_the_next_group(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path, LogSetup(PATIENT)) as wal:
        lazy = [wal.append(Entry([rows(text)], lazy=True)) for text in "ab"]
        assert write(wal, rows("c")) == (3,)
        assert [future.result(timeout=10) for future in lazy] == [(1,), (2,)]
        assert len(disk.frames) == 1


def test_what_nobody_waits_for_does_not_wait_for_ever(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path, LogSetup(WalConfig(lazy_ns=1_000_000))) as wal:
        assert wal.append(Entry([rows()], lazy=True)).result(timeout=10) == (1,)


def test_what_nobody_waits_for_is_written_before_the_end(tmp_path: Path) -> None:
    wal = open_log(RealDisk(), tmp_path, LogSetup(PATIENT))
    lazy = wal.append(Entry([rows("last")], lazy=True))
    wal.close()
    assert lazy.result(timeout=0) == (1,)
    assert texts(tmp_path) == ["last"]


def test_without_sync_the_answer_comes_before_it_and_in_order(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        disk.hold()
        assert wal.append(Entry([rows("early")], no_sync=True)).result(timeout=10) == (1,)
        assert wal.reader.head == 0
        later = wal.append(Entry([rows("later")]))
        disk.release()
        assert later.result(timeout=10) == (2,)
    assert texts(tmp_path) == ["early", "later"]


def test_an_entry_that_its_owner_refuses_leaves_the_others_alone(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ValueError("not this one")

    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        disk.hold()
        wal.append(Entry([rows("first")]))
        assert disk.sync_began.wait(timeout=10)
        before = wal.append(Entry([rows("before")]))
        refused = wal.append(Entry([rows("refused")], admit=refuse))
        after = wal.append(Entry([rows("after")], admit=lambda: None))
        disk.release()
        assert (before.result(timeout=10), after.result(timeout=10)) == ((2,), (3,))
        with pytest.raises(ValueError, match="not this one"):
            refused.result(timeout=10)
    assert texts(tmp_path) == ["first", "before", "after"]


def test_a_commit_behind_the_end_of_its_generation_in_the_same_frame_is_refused(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        disk.hold()
        wal.append(Entry([rows()]))
        assert disk.sync_began.wait(timeout=10)
        good = wal.append(Entry([commit(run_id="good")]))
        wal.append(Entry([closed(), deleted(OTHER_TABLE)]))
        late = wal.append(Entry([commit(run_id="late")]))
        gone = wal.append(Entry([rows("gone", OTHER_TABLE), rows("with it")]))
        disk.release()
        assert good.result(timeout=10) == (2,)
        with pytest.raises(GenerationClosed):
            late.result(timeout=10)
        with pytest.raises(TableGone):
            gone.result(timeout=10)
        assert len(disk.frames) == 2
    assert [record for _, record in recovered(tmp_path)][1:] == [commit(run_id="good"), closed(), deleted(OTHER_TABLE)]


def test_schema_records_that_the_log_lacks_stand_in_front(tmp_path: Path) -> None:
    planner = Planner([created(NEW_TABLE)])
    with opened(RealDisk(), tmp_path, LogSetup(planner=planner)) as wal:
        assert write(wal, rows("a", NEW_TABLE), rows("b")) == (2, 3)
        assert write(wal, rows("c", NEW_TABLE)) == (4,)
    assert planner.outcomes == [True, True]
    assert recovered(tmp_path)[0] == (1, created(NEW_TABLE))


def test_a_planner_that_fails_harms_one_group(tmp_path: Path) -> None:
    class Failing(Planner):
        def before_group(self, entries: Sequence[Entry]) -> Sequence[SchemaRecord]:
            if not self.outcomes:
                raise RuntimeError("no plan")
            return ()

    planner = Failing()
    with opened(RealDisk(), tmp_path, LogSetup(planner=planner)) as wal:
        with pytest.raises(SyncFailed, match="no plan"):
            write(wal, rows())
        write(wal, rows("next"))
    assert planner.outcomes == [False, True]
    assert texts(tmp_path) == ["next"]


def test_an_entry_without_records_waits_for_nothing(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        assert write(wal) == ()
    assert disk.frames == []


def fail_sync(disk: CrashingDisk, survivors: Survivors | None) -> None:
    disk.fail_next_sync(survivors)


def fail_write(disk: CrashingDisk, survivors: Survivors | None) -> None:
    disk.fail_next_write()


@pytest.mark.parametrize("fail", [fail_sync, fail_write])
@pytest.mark.parametrize("survivors", ["all", "none", None])
def test_a_failure_of_the_disk_acknowledges_nothing_and_writes_recover(
    tmp_path: Path, fail: Callable[[CrashingDisk, Survivors | None], None], survivors: Survivors | None
) -> None:
    disk = CrashingDisk(tmp_path / "before")
    planner, recorder = Planner(), Recorder()
    with opened(disk, disk.root / "wal", LogSetup(planner=planner, observers=[recorder])) as wal:
        write(wal, rows("first"))
        planner.records = [created(NEW_TABLE)]
        fail(disk, survivors)
        with pytest.raises(
            SyncFailed, match=r"(the log could not be written|the disk is full) \(.*\); nothing of this is kept"
        ):
            write(wal, rows("failed", NEW_TABLE), closed())
        assert write(wal, commit(payload("again", NEW_TABLE)), rows("again", NEW_TABLE))[0] > 4
        assert [s.end.last_position for s in wal.reader.segments if s.end] == [1]
    assert planner.outcomes == [True, False, True]
    assert [type(d.record).__name__ for d in recorder.records] == [
        "RowsRecord",
        "SchemaRecord",
        "CommitRecord",
        "RowsRecord",
    ]
    assert texts(disk.root / "wal") == ["first", "again"]
    assert texts(disk.crash(tmp_path / "after") / "wal") == ["first", "again"]


def test_what_stands_behind_a_failed_sync_is_never_read_even_if_it_is_intact(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal") as wal:
        write(wal, rows("first"))
        disk.fail_next_sync("all")
        with pytest.raises(SyncFailed):
            write(wal, rows("counted once"))
        failed, *_ = segments(tmp_path / "wal")
        intact = failed.read_bytes()
        write(wal, rows("counted once"))
    failed.write_bytes(intact)
    assert b"counted once" in intact
    assert texts(tmp_path / "wal") == ["first", "counted once"]
    with opened(RealDisk(), tmp_path / "wal") as wal:
        assert [ref.position for ref in wal.reader.rows_after(0, (TABLE,))] == [1, 3]


def test_a_failed_first_frame_is_never_read_either(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal") as wal:
        disk.fail_next_sync("all")
        with pytest.raises(SyncFailed):
            write(wal, rows("failed"))
        failed, *_ = segments(tmp_path / "wal")
        intact = failed.read_bytes()
        write(wal, rows("good"))
    failed.write_bytes(intact)
    assert texts(tmp_path / "wal") == ["good"]


@pytest.mark.parametrize("syncs_that_work", [0, 1], ids=["header", "folder"])
def test_writes_are_refused_until_a_new_segment_syncs(tmp_path: Path, syncs_that_work: int) -> None:
    disk = CrashingDisk(tmp_path / "before")
    with opened(disk, disk.root / "wal") as wal:
        write(wal, rows("first"))
        disk.fail_next_sync()
        for n in range(3):
            with pytest.raises(SyncFailed):
                write(wal, rows(f"failed {n}"))
            if syncs_that_work:
                disk.pass_next_sync()
            disk.fail_next_sync("all")
        with pytest.raises(SyncFailed):
            write(wal, rows("failed again"))
        assert write(wal, rows("good")) == (6,)
        assert len(segments(disk.root / "wal")) == 2, "segments that were only begun are removed"
    assert texts(disk.root / "wal") == ["first", "good"]
    assert texts(disk.crash(tmp_path / "after") / "wal") == ["first", "good"]


def test_a_rotation_that_fails_is_told_and_harms_nothing(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal") as wal:
        write(wal, rows("first"))
        disk.fail_next_sync()
        with pytest.raises(SyncFailed, match="a new segment of the log could not be begun"):
            wal.rotate().result(timeout=10)
        write(wal, rows("second"))
        wal.rotate().result(timeout=10)
        write(wal, rows("third"))
    assert texts(tmp_path / "wal") == ["first", "second", "third"]


def test_observers_are_told_in_order_before_anybody_is_answered(tmp_path: Path) -> None:
    told: list[str] = []

    class Observer:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_durable(self, records: Sequence[DurableRecord]) -> None:
            told.append(f"{self.name} {[d.position for d in records]} {wal.reader.head}")

    with opened(RealDisk(), tmp_path, LogSetup(observers=[Observer("buffer"), Observer("triggers")])) as wal:
        future = wal.append(Entry([rows(), rows()]))
        future.add_done_callback(lambda f: told.append(f"answer {f.result()}"))
        future.result(timeout=10)
    assert told == ["buffer [1, 2] 2", "triggers [1, 2] 2", "answer (1, 2)"]


def test_an_observer_is_given_the_place_of_every_payload(tmp_path: Path) -> None:
    recorder = Recorder()
    with opened(RealDisk(), tmp_path, LogSetup(observers=[recorder])) as wal:
        write(wal, rows("one"), commit(payload("two"), payload("three")), closed())
        at = [location for durable in recorder.records for location in durable.locations]
        assert [len(durable.locations) for durable in recorder.records] == [1, 2, 0]
        assert [Path(a.path).read_bytes()[a.offset :][: a.length] for a in at] == [b"one", b"two", b"three"]
        refs = [ref.location for ref in wal.reader.rows_after(0, (TABLE,))]
    assert refs == at


def test_an_observer_that_fails_does_not_stop_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def on_durable(self, records: Sequence[DurableRecord]) -> None:
            raise RuntimeError("broken")

    recorder = Recorder()
    with opened(RealDisk(), tmp_path, LogSetup(observers=[Failing(), recorder])) as wal:
        assert [write(wal, rows()), write(wal, rows())] == [(1,), (2,)]
    assert [d.position for d in recorder.records] == [1, 2]
    assert "an observer of the log failed first_position=2" in caplog.text


def test_too_much_that_waits_is_refused(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path, LogSetup(WalConfig(waiting_bytes=2000))) as wal:
        disk.hold()
        large = wal.append(Entry([rows("x" * 5000)]))
        with pytest.raises(Unavailable, match="wait for the disk already; try again later"):
            wal.append(Entry([rows("y")]))
        disk.release()
        large.result(timeout=10)
        wal.rotate().result(timeout=10)
        assert write(wal, rows("y")) == (2,)


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        wal.close()
        for refused in (lambda: wal.append(Entry([rows()])), wal.rotate):
            with pytest.raises(Unavailable, match="nothing can be written: the server is going down"):
                refused()


def test_nobody_waits_for_a_writer_that_has_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal", LogSetup(PATIENT)) as wal:
        lazy = wal.append(Entry([rows()], lazy=True))
        disk.stop_at(disk.steps + 1)
        waiting = [lazy, wal.append(Entry([rows()])), wal.append(Entry([rows()]))]
        for future in waiting:
            assert isinstance(future.exception(timeout=10), Unavailable)
        with pytest.raises(Unavailable, match="the log's writer has ended: Stopped"):
            wal.append(Entry([rows()]))
    assert "the log's writer has ended" in caplog.text


def test_an_answer_cannot_be_called_back(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        future = wal.append(Entry([rows("kept")]))
        assert not future.cancel()
        future.result(timeout=10)
    assert texts(tmp_path) == ["kept"]


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        pytest.param([commit(generation=GENERATION + 1)], GenerationClosed, id="generation"),
        pytest.param([rows(table_id=NEW_TABLE)], TableGone, id="table"),
    ],
)
def test_a_group_of_refused_entries_writes_nothing(
    tmp_path: Path, refused: Sequence[Record], error: type[EngineError]
) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        with pytest.raises(error):
            write(wal, *refused)
        assert wal.next_position == 1
    assert disk.frames == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("places", [("append",), ("sync",), ("append", "begin"), ("sync", "begin")])
def test_a_full_disk_refuses_until_there_is_space(tmp_path: Path, places: tuple[str, ...], number: int) -> None:
    disk = FullDisk()
    with opened(disk, tmp_path) as wal:
        write(wal, rows("before"))
        disk.fill(*places, number=number)
        disk.free = 77
        for _ in range(3):
            with pytest.raises(DiskFull, match=rf"the disk is full \(.*: {tmp_path}, 77 bytes free\); nothing of this"):
                write(wal, rows("refused"))
        files = segments(tmp_path)
        assert len(files) <= 4 if "begin" not in places else len(files) == 1
        disk.clear()
        write(wal, rows("after"))
    assert texts(tmp_path) == ["before", "after"]


@pytest.mark.parametrize("places", [("append",), ("sync",), ("begin", "append")])
def test_a_disk_that_fails_refuses_until_it_works(tmp_path: Path, places: tuple[str, ...]) -> None:
    disk = FullDisk()
    with opened(disk, tmp_path) as wal:
        write(wal, rows("before"))
        disk.fill(*places, number=errno.EIO)
        for _ in range(2):
            with pytest.raises(SyncFailed, match="the log could not be written") as failed:
                write(wal, rows("refused"))
            assert not isinstance(failed.value, DiskFull)
        disk.clear()
        write(wal, rows("after"))
    assert texts(tmp_path) == ["before", "after"]


def test_without_room_for_a_whole_segment_a_small_one_is_begun(tmp_path: Path) -> None:
    class Nearly(FullDisk):
        def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
            if preallocate_bytes > HEADER_BYTES + 2000:
                super().open_append(path).close()
                raise OSError(errno.ENOSPC, "no space left on device")
            return super().open_append(path, preallocate_bytes)

    disk = FullDisk()
    with opened(disk, tmp_path) as wal:
        write(wal, rows("before"))
    with opened(Nearly(), tmp_path) as wal:
        for number in range(5):
            write(wal, rows(f"{number}"))
    assert texts(tmp_path) == ["before", "0", "1", "2", "3", "4"]


def test_a_segment_that_cannot_be_begun_is_asked_for_again(tmp_path: Path) -> None:
    disk = FullDisk()
    with opened(disk, tmp_path) as wal:
        write(wal, rows("a"))
        disk.fill("begin")
        with pytest.raises(DiskFull, match="no new segment"):
            wal.rotate().result(timeout=10)
        write(wal, rows("b"))
        disk.clear()
        wal.rotate().result(timeout=10)
        write(wal, rows("c"))
    assert texts(tmp_path) == ["a", "b", "c"]
    assert len(segments(tmp_path)) == 2


@dataclass
class Gathered:
    """A source with entries for one record each."""

    texts: list[str]
    futures: "list[Future[tuple[int, ...]]]" = field(default_factory=list)
    refusals: list[EngineError] = field(default_factory=list)

    def take(self) -> "Sequence[tuple[Entry, Future[tuple[int, ...]]]]":
        """See ``Source``."""
        taken = [(Entry([rows(text)]), Future[tuple[int, ...]]()) for text in self.texts]
        self.futures += [future for _, future in taken]
        self.texts = []
        return taken

    def refuse(self, error: EngineError) -> None:
        """See ``Source``."""
        self.refusals.append(error)


def test_a_source_is_asked_when_the_disk_is_ready(tmp_path: Path) -> None:
    disk = SlowDisk()
    source = Gathered(["early"])
    with opened(disk, tmp_path) as wal:
        disk.hold()
        first = wal.append(Entry([rows("first")]))
        assert disk.sync_began.wait(timeout=10)
        wal.append_from(source)
        behind = wal.append(Entry([rows("behind")]))
        source.texts.append("late")
        disk.release()
        assert (first.result(timeout=10), behind.result(timeout=10)) == ((1,), (2,))
        wal.rotate().result(timeout=10)
        assert [future.result(timeout=0) for future in source.futures] == [(3,), (4,)]
        assert len(disk.frames) == 2
    assert texts(tmp_path) == ["first", "behind", "early", "late"]
    with pytest.raises(Unavailable, match="going down"):
        wal.append_from(source)


def test_a_source_with_nothing_is_passed_over(tmp_path: Path) -> None:
    disk = SlowDisk()
    with opened(disk, tmp_path) as wal:
        wal.append_from(Gathered([]))
        wal.rotate().result(timeout=10)
        assert disk.frames == []


def test_a_source_learns_of_the_writers_end(tmp_path: Path) -> None:
    class Broken(Gathered):
        def take(self) -> "Sequence[tuple[Entry, Future[tuple[int, ...]]]]":
            raise MemoryError

    source = Broken(["lost"])
    wal = open_log(RealDisk(), tmp_path)
    wal.append_from(source)
    wal.close()
    (error,) = source.refusals
    assert "MemoryError" in str(error)
