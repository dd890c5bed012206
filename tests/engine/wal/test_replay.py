from pathlib import Path

import pytest

from engine.disk import RealDisk
from engine.errors import WalCorrupt
from engine.wal.format import Record, RowsRecord
from engine.wal.frames import HEADER_BYTES
from engine.wal.ports import WalConfig
from engine.wal.replay import LogReplay, LogTail
from tests.support.disk import CrashingDisk, Stopped
from tests.support.wal import (
    ONE_OF_EACH,
    LogSetup,
    commit,
    flip,
    frames,
    opened,
    payload,
    recovered,
    rows,
    segments,
    texts,
    write,
    write_log,
)


def replayed(folder: Path, after: int = 0) -> LogTail:
    """Read the log to its end and return where it goes on; on a disk that is quick to sync."""
    replay = LogReplay(CrashingDisk(folder.parent), folder, after)
    for _ in replay.parts():
        pass
    return replay.finish()


def one_segment(folder: Path, count: int = 5) -> Path:
    """Make a log of ``count`` frames, each with an entry of two records, in one segment; return its file."""
    write_log(folder, [[rows(f"{n}a"), rows(f"{n}b")] for n in range(count)], WalConfig())
    [segment] = segments(folder)
    return segment


def first_texts(count: int) -> list[str]:
    return [f"{n}{letter}" for n in range(count) for letter in "ab"]


def test_every_kind_of_record_comes_back(tmp_path: Path) -> None:
    consumer = [r for r in ONE_OF_EACH if not isinstance(r, RowsRecord)]
    written: list[Record] = [*ONE_OF_EACH[:4], *consumer[2:3], *ONE_OF_EACH[7:]]
    with opened(RealDisk(), tmp_path / "wal", LogSetup(generations={21: 4})) as wal:
        for record in written:
            write(wal, record)
    assert recovered(tmp_path / "wal") == list(enumerate(written, 1))


def test_rows_stand_where_their_location_says(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows("first")], [commit(payload("second"), payload("third"))]])
    found = [at for durable in LogReplay(RealDisk(), tmp_path, 0).records() for at in durable.locations]
    assert [Path(at.path).read_bytes()[at.offset :][: at.length] for at in found] == [b"first", b"second", b"third"]
    assert {at.offset % 64 for at in found} == {0}


@pytest.mark.parametrize("after", range(12))
def test_only_what_stands_above_a_position_is_read(tmp_path: Path, after: int) -> None:
    one_segment(tmp_path)
    assert texts(tmp_path, after) == first_texts(5)[after:]


def test_segments_whose_records_are_not_wanted_are_not_read(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows("x" * 500)] for _ in range(9)])
    flip(segments(tmp_path)[0], HEADER_BYTES + 200)
    assert len(recovered(tmp_path, after=3)) == 6
    with pytest.raises(WalCorrupt):
        recovered(tmp_path, after=2)


def test_a_tail_torn_at_any_byte_of_the_last_frame_is_cut_off(tmp_path: Path) -> None:
    segment = one_segment(tmp_path / "wal", 3)
    whole, last = segment.read_bytes(), frames(segment)[-1]
    for cut in range(last.offset, last.end):
        segment.write_bytes(whole[:cut])
        assert replayed(tmp_path / "wal").next_position == 5
        assert texts(tmp_path / "wal") == first_texts(2)
        assert segment.stat().st_size == last.offset


def test_a_last_frame_that_lost_any_sector_is_cut_off(tmp_path: Path) -> None:
    write_log(tmp_path / "wal", [[rows("first")], [rows("x" * 1500)]])
    [segment] = segments(tmp_path / "wal")
    whole, last = segment.read_bytes(), frames(segment)[-1]
    for lost in range(last.offset, last.end - 512, 512):
        segment.write_bytes(whole[:lost] + bytes(512) + whole[lost + 512 :] + bytes(4096))
        replayed(tmp_path / "wal")
        assert texts(tmp_path / "wal") == ["first"]
        assert segment.stat().st_size == last.offset


def test_a_cut_is_durable_before_the_log_goes_on(tmp_path: Path) -> None:
    segment = one_segment(tmp_path / "wal", 2)
    flip(segment, frames(segment)[-1].offset + 70)
    disk = CrashingDisk(tmp_path)
    replay = LogReplay(disk, tmp_path / "wal", 0)
    assert len(list(replay.records())) == 2
    replay.finish()
    assert disk.is_durable(segment)
    assert disk.journal[-2:] == [("truncate", segment), ("sync", segment)]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("inside", [0, 9, 16, 30, 70, 200])
def test_a_flipped_bit_is_corruption_unless_it_is_in_the_last_frame(tmp_path: Path, number: int, inside: int) -> None:
    segment = one_segment(tmp_path)
    bad = frames(segment)[number].offset
    flip(segment, bad + inside)
    if number == 4:
        assert texts(tmp_path) == first_texts(4)
        return
    behind = bad + 448
    text = (
        rf"damaged: {segment} at offset {bad}: .* followed by a good one at offset {behind}\. Restore .* or rename it"
    )
    with pytest.raises(WalCorrupt, match=text):
        recovered(tmp_path)


@pytest.mark.parametrize("number", range(3))
def test_a_flipped_bit_in_a_sealed_segment_is_corruption_in_every_frame(tmp_path: Path, number: int) -> None:
    write_log(tmp_path, [[rows("x" * 500)] for _ in range(4)])
    sealed, _ = segments(tmp_path)
    bad = frames(sealed)[number].offset
    flip(sealed, bad + 100)
    with pytest.raises(WalCorrupt, match=rf"damaged: {sealed} at offset {bad}: a frame does not match its checksum"):
        recovered(tmp_path)


def test_a_sealed_segment_that_is_too_short_is_corruption(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows("x" * 500)] for _ in range(4)])
    sealed, _ = segments(tmp_path)
    bad = frames(sealed)[2].offset
    sealed.write_bytes(sealed.read_bytes()[:bad])
    with pytest.raises(WalCorrupt, match=f"{sealed} at offset {bad}"):
        recovered(tmp_path)


def test_positions_that_come_again_are_corruption(tmp_path: Path) -> None:
    segment = one_segment(tmp_path, 1)
    replay = LogReplay(RealDisk(), tmp_path, 0)
    replay._last_position = 7
    with pytest.raises(WalCorrupt, match=f"{segment} at offset {HEADER_BYTES}: position 1 stands there again"):
        list(replay.records())


def test_a_log_goes_on_above_every_position_it_gave(tmp_path: Path) -> None:
    assert replayed(tmp_path / "wal").next_position == 1
    one_segment(tmp_path / "wal", 2)
    assert replayed(tmp_path / "wal").next_position == 5
    assert replayed(tmp_path / "wal", after=100).next_position == 5
    with opened(RealDisk(), tmp_path / "wal", LogSetup(after=100)):
        pass
    assert replayed(tmp_path / "wal").next_position == 102


def test_a_replay_tells_how_far_it_is(tmp_path: Path) -> None:
    write_log(tmp_path, [[rows("x" * 500)] for _ in range(4)])
    replay = LogReplay(RealDisk(), tmp_path, 0)
    seen = [replay.done_bytes / replay.total_bytes for _ in replay.parts()]
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= 1


def test_a_log_that_was_not_read_to_its_end_cannot_go_on(tmp_path: Path) -> None:
    one_segment(tmp_path)
    with pytest.raises(AssertionError, match="not read to its end"):
        LogReplay(RealDisk(), tmp_path, 0).finish()


def test_a_stop_while_a_torn_tail_is_cut_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    segment = one_segment(source / "wal", 2)
    flip(segment, frames(segment)[-1].offset + 70)
    for step in range(2, 5):  # behind the making of the folder
        disk = CrashingDisk(source, seed=step)
        disk.stop_at(step)
        replay = LogReplay(disk, source / "wal", 0)
        assert len(list(replay.records())) == 2
        with pytest.raises(Stopped):
            replay.finish()
        assert texts(disk.crash(tmp_path / str(step)) / "wal") == first_texts(1)
