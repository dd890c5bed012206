import random
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from engine.disk import RealDisk
from engine.errors import StorageError
from engine.wal.frames import HEADER_BYTES
from engine.wal.ports import Entry, WalConfig
from tests.support.clock import ManualClock
from tests.support.disk import CrashingDisk
from tests.support.wal import (
    OTHER_TABLE,
    SMALL,
    TABLE,
    LogSetup,
    commit,
    flip,
    open_log,
    opened,
    payload,
    rows,
    segments,
    texts,
    write,
)

LARGE = "x" * 500


def test_an_acknowledgement_is_preceded_by_a_sync_that_covers_it(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    covered: list[bool] = []
    with opened(disk, tmp_path / "wal") as wal:

        def look(future: "Future[tuple[int, ...]]") -> None:
            [position] = future.result()
            [ref] = [r for r in wal.reader.rows_after(position - 1, (TABLE,)) if r.position == position]
            frame = ref.location.offset - 192
            covered.append(disk.is_durable(Path(ref.location.path), frame, 192 + ref.location.length))
            covered.append(disk.is_durable(Path(ref.location.path), 0, HEADER_BYTES))

        for n in range(20):
            future = wal.append(Entry([rows(f"{n}{LARGE}")]))
            future.add_done_callback(look)
            future.result(timeout=10)
    assert covered == [True] * 40
    assert len(segments(tmp_path / "wal")) > 3


def test_a_write_after_an_answer_has_the_higher_position(tmp_path: Path) -> None:
    """Six writers, with and without sync, that tell each other the highest answer so far."""
    answered = [0]
    faults: list[str] = []

    with opened(RealDisk(), tmp_path, LogSetup(WalConfig())) as wal:

        def keep_writing(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(40):
                before = answered[0]
                [position] = wal.append(Entry([rows()], no_sync=chance.random() < 0.5)).result(timeout=10)
                if position <= before:
                    faults.append(f"{position} after {before}")
                answered[0] = max(answered[0], position)

        writers = [threading.Thread(target=keep_writing, args=(seed,)) for seed in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert wal.next_position == 241
    assert faults == []


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    for n in range(4):
        with opened(RealDisk(), tmp_path) as wal:
            write(wal, rows(f"{n}a"))
            write(wal, rows(f"{n}b"))
    assert texts(tmp_path) == [f"{n}{letter}" for n in range(4) for letter in "ab"]
    assert texts(tmp_path, after=6) == ["3a", "3b"]


def test_starts_without_writes_leave_one_empty_segment(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("kept"))
    for _ in range(5):
        with opened(RealDisk(), tmp_path):
            pass
    assert len(segments(tmp_path)) == 2
    assert texts(tmp_path) == ["kept"]


def test_positions_go_on_above_what_the_rest_of_the_engine_knows(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path, LogSetup(after=1000)) as wal:
        assert wal.next_position == 1001
        assert write(wal, rows()) == (1001,)
        assert wal.next_position == 1002


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    disk.make_folder(tmp_path / "wal")
    disk.pass_next_sync()
    disk.fail_next_sync()
    with pytest.raises(StorageError, match=f"the log in {tmp_path / 'wal'} cannot be written: "):
        open_log(disk, tmp_path / "wal")


def test_a_segment_is_sealed_before_it_grows_past_its_size(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for _ in range(5):
            write(wal, rows(LARGE))
        assert [path.stat().st_size for path in segments(tmp_path)] == [SMALL.segment_bytes] * 2
        wal.remove_before(0)
        assert [path.stat().st_size for path in segments(tmp_path)] == [HEADER_BYTES + 3 * 704, SMALL.segment_bytes]
        write(wal, rows("x" * 10_000))
        assert write(wal, rows("y")) == (7,)
        wal.remove_before(0)
    assert [path.stat().st_size for path in segments(tmp_path)] == [
        HEADER_BYTES + 3 * 704,
        HEADER_BYTES + 2 * 704,
        HEADER_BYTES + 192 + 10_048,
        HEADER_BYTES + 192 + 64,
    ]


def test_a_log_is_rotated_on_request_unless_its_segment_is_empty(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        wal.rotate().result(timeout=10)
        assert wal.sealed_segments() == ()
        write(wal, rows())
        for _ in range(3):
            wal.rotate().result(timeout=10)
        assert [s.last_position for s in wal.sealed_segments()] == [1]


def test_a_sealed_segment_tells_what_its_owner_has_to_know(tmp_path: Path) -> None:
    clock = ManualClock(1000)
    with opened(RealDisk(), tmp_path, LogSetup(clock=clock)) as wal:
        write(wal, rows("a"), commit(payload("b", OTHER_TABLE)))
        write(wal, rows("c"))
        clock.advance(500)
        wal.rotate().result(timeout=10)
        clock.advance(70)
        write(wal, commit())
        wal.rotate().result(timeout=10)
        first, second = wal.sealed_segments()
        assert (first.first_position, first.last_position, first.created_ns, first.sealed_ns) == (1, 3, 1000, 1500)
        assert (second.first_position, second.last_position, second.created_ns, second.sealed_ns) == (4, 4, 1500, 1570)
        wal.remove_before(0)
        assert first.size_bytes == segments(tmp_path)[0].stat().st_size
        assert wal.tables_in(first) == {TABLE: 3, OTHER_TABLE: 2}
        assert wal.tables_in(second) == {}
        write(wal, rows())
    clock.advance(1000)
    with opened(RealDisk(), tmp_path, LogSetup(clock=clock)) as wal:
        assert wal.sealed_segments()[:2] == (first, second)
        assert wal.tables_in(first) == {TABLE: 3, OTHER_TABLE: 2}
        wal.remove_before(4)
        assert wal.tables_in(first) == {}


@pytest.mark.parametrize(
    ("position", "removed"), [(0, 0), (3, 0), (4, 1), (6, 1), (7, 2), (9, 2), (10, 3), (11, 3), (1000, 3)]
)
def test_segments_go_from_the_oldest_on(tmp_path: Path, position: int, removed: int) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for n in range(10):
            write(wal, rows(f"{n}{LARGE}"))
        before = segments(tmp_path)
        assert wal.remove_before(position) == removed
        assert segments(tmp_path) == before[removed:]
        assert wal.remove_before(position) == 0
        assert len(wal.sealed_segments()) == 3 - removed
        write(wal, rows("last"))
    assert len(texts(tmp_path, after=3 * removed)) == 11 - 3 * removed


def test_every_removal_is_durable_before_the_next_one(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal") as wal:
        for _ in range(10):
            write(wal, rows(LARGE))
        begin = len(disk.journal)
        wal.remove_before(100)
        assert [word for word, _ in disk.journal[begin:]] == ["remove", "sync_folder"] * 3


def test_what_a_sealed_segment_reserves_is_given_back_after_a_restart_too(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    with opened(disk, tmp_path / "wal") as wal:
        write(wal, rows())
        wal.rotate().result(timeout=10)
        write(wal, rows())
    with opened(disk, tmp_path / "wal") as wal:
        assert segments(tmp_path / "wal")[0].stat().st_size == SMALL.segment_bytes
        begin = len(disk.journal)
        wal.remove_before(0)
        wal.remove_before(0)
        assert [word for word, _ in disk.journal[begin:]] == ["open_append", "truncate"]
    assert texts(tmp_path / "wal") == ["x", "x"]


def test_after_a_removal_of_unknown_outcome_no_other_segment_goes(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "before")
    with opened(disk, disk.root / "wal") as wal:
        for n in range(10):
            write(wal, rows(f"{n}{LARGE}"))
        disk.fail_next_sync("none")
        for _ in range(2):
            with pytest.raises(OSError, match=r"input/output error|no segment can be removed since a sync failed"):
                wal.remove_before(100)
        write(wal, rows("last"))
    assert len(texts(disk.crash(tmp_path / "after") / "wal", after=3)) == 8


def test_a_removal_that_failed_is_made_up_for_later(tmp_path: Path) -> None:
    class Stubborn(RealDisk):
        refuses = 1

        def remove(self, path: Path) -> None:
            if self.refuses:
                self.refuses -= 1
                raise OSError("busy")
            super().remove(path)

    with opened(Stubborn(), tmp_path) as wal:
        for _ in range(10):
            write(wal, rows(LARGE))
        with pytest.raises(OSError, match="busy"):
            wal.remove_before(100)
        assert wal.remove_before(0) == 3
    assert len(segments(tmp_path)) == 1


def test_a_log_without_its_torn_tail_goes_on(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        write(wal, rows("first"))
        write(wal, rows("torn"))
    flip(segments(tmp_path)[0], HEADER_BYTES + 256 + 100)
    with opened(RealDisk(), tmp_path) as wal:
        assert write(wal, rows("second")) == (2,)
    assert texts(tmp_path) == ["first", "second"]


def test_a_log_goes_on_behind_a_segment_that_was_given_up(tmp_path: Path) -> None:
    with opened(RealDisk(), tmp_path) as wal:
        for n in range(4):
            write(wal, rows(f"{n}{LARGE}"))
    for last in segments(tmp_path)[1:]:
        last.unlink()
        last.with_name(last.name + ".lost").touch()
    for text in ("b", "c"):
        with opened(RealDisk(), tmp_path) as wal:
            write(wal, rows(text))
    assert texts(tmp_path) == [f"0{LARGE}", f"1{LARGE}", f"2{LARGE}", "b", "c"]
    with opened(RealDisk(), tmp_path, LogSetup(after=6)) as wal:
        wal.remove_before(6)
    assert texts(tmp_path, after=6) == []
