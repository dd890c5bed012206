from collections.abc import Callable
from pathlib import Path

import pytest

from engine.disk import RealDisk
from engine.errors import WalCorrupt
from engine.wal.frames import HEADER_BYTES, SegmentEnd, SegmentHeader, encode_header
from engine.wal.segments import read_chain
from tests.support.wal import flip, recovered, rows, segments, texts, write_log

LARGE = "x" * 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a log of five segments, three records each but the last."""
    write_log(tmp_path / "wal", [[rows(f"{number}{LARGE}")] for number in range(13)])
    assert len(segments(tmp_path / "wal")) == 5
    return tmp_path / "wal"


def numbers(folder: Path, after: int = 0) -> list[int]:
    """Return the numbers of the records that a replay finds."""
    return [int(text.removesuffix(LARGE)) for text in texts(folder, after)]


def test_segments_follow_each_other(folder: Path) -> None:
    chain = read_chain(RealDisk(), folder, 0)
    assert [s.path for s in chain.segments] == segments(folder)
    assert [s.end and s.end.first_position for s in chain.segments] == [1, 4, 7, 10, None]
    assert chain.unused == ()
    assert numbers(folder) == list(range(13))


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert recovered(tmp_path / "wal") == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("after", [0, 8, 100])
def test_a_missing_segment_in_the_middle_is_named(folder: Path, number: int, after: int) -> None:
    gone = segments(folder)[number]
    gone.unlink()
    with pytest.raises(WalCorrupt, match=f"the segment {gone} is missing. Restore it from a backup, or make an empty"):
        recovered(folder, after)


@pytest.mark.parametrize(("after", "is_needed"), [(0, True), (2, True), (3, False), (10, False)])
def test_a_missing_first_segment_is_named_if_its_records_are_wanted(folder: Path, after: int, is_needed: bool) -> None:
    segments(folder)[0].unlink()
    if is_needed:
        with pytest.raises(WalCorrupt, match=r"the segment .*/0{19}1\.wal is missing"):
            recovered(folder, after)
    else:
        assert numbers(folder, after) == list(range(after, 13))


@pytest.mark.parametrize("number", range(5))
def test_without_a_segment_that_was_given_up_the_others_are_read(folder: Path, number: int) -> None:
    gone = segments(folder)[number]
    gone.unlink()
    gone.with_name(gone.name + ".lost").touch()
    assert numbers(folder) == [n for n in range(13) if n // 3 != number]


@pytest.mark.parametrize("number", range(4))
def test_of_a_segment_that_was_given_up_the_good_beginning_is_read(
    folder: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    bad = segments(folder)[number]
    second = HEADER_BYTES + 640 + 64
    flip(bad, second + 200)
    bad.rename(bad.with_name(bad.name + ".lost"))
    lost = [n for n in range(13) if n // 3 == number][1:]
    assert numbers(folder) == [n for n in range(13) if n not in lost]
    assert f"records lost file={bad}.lost from_offset={second}" in caplog.text


def test_a_segment_that_was_brought_back_counts_instead_of_its_mark(folder: Path) -> None:
    present = segments(folder)[2]
    present.with_name(present.name + ".lost").touch()
    assert numbers(folder) == list(range(13))


@pytest.mark.parametrize("number", range(5))
def test_a_damaged_header_is_named(folder: Path, number: int) -> None:
    bad = segments(folder)[number]
    flip(bad, 9)
    with pytest.raises(WalCorrupt, match=rf"damaged: {bad} at offset 0: its header .* rename it to {bad.name}\.lost"):
        recovered(folder)


def test_a_renamed_segment_is_named(folder: Path) -> None:
    segments(folder)[2].rename(folder / "00000000000000000008.wal")
    with pytest.raises(WalCorrupt, match="it was renamed, its header says 7"):
        recovered(folder)


def test_a_segment_of_another_log_is_named(folder: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "other", [[rows()], [rows()], [rows(LARGE)], [rows(LARGE)], [rows(LARGE)]])
    stray = segments(tmp_path / "other")[1]
    stray.rename(folder / stray.name)
    with pytest.raises(WalCorrupt, match=f"{folder / stray.name} .* its successor does not know it"):
        recovered(folder)


def header_only(folder: Path) -> None:
    (folder / f"{20:020d}.wal").write_bytes(
        encode_header(SegmentHeader(20, bytes(16), 1, SegmentEnd(13, HEADER_BYTES + 640 + 64, 13)))
    )


def torn_first_frame(folder: Path) -> None:
    header_only(folder)
    with (folder / f"{20:020d}.wal").open("ab") as file:
        file.write(b"I3FR and then something that is no frame")


def torn_header(folder: Path) -> None:
    (folder / f"{20:020d}.wal").write_bytes(b"I3WALSEG" + bytes(9000))


def empty_file(folder: Path) -> None:
    (folder / f"{20:020d}.wal").touch()


def between_others(folder: Path) -> None:
    (folder / f"{8:020d}.wal").write_bytes(encode_header(SegmentHeader(8, bytes(16), 1, SegmentEnd(4, 5000, 6))))


@pytest.mark.parametrize("begin", [header_only, torn_first_frame, torn_header, empty_file, between_others])
def test_a_segment_that_was_only_begun_is_left_out(folder: Path, begin: Callable[[Path], None]) -> None:
    before = segments(folder)
    begin(folder)
    chain = read_chain(RealDisk(), folder, 0)
    assert [s.path for s in chain.segments] == before
    assert list(chain.unused) == [path for path in segments(folder) if path not in before]
    assert chain.highest == max(20 if begin is not between_others else 0, 13)
    assert numbers(folder) == list(range(13))


def test_the_header_of_a_segment_that_was_only_begun_says_where_the_log_ended(folder: Path) -> None:
    end = HEADER_BYTES
    (folder / f"{20:020d}.wal").write_bytes(encode_header(SegmentHeader(20, bytes(16), 1, SegmentEnd(13, end, 12))))
    assert numbers(folder) == list(range(12))


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "1.wal").write_text("mine")
    assert numbers(folder) == list(range(13))
