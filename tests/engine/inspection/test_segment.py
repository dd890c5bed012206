import shutil
from pathlib import Path

import pytest

from engine.errors import StorageError
from engine.inspection.segment import SegmentLook, read_segment
from tests.support.golden_folder import FOLDERS

NODE = FOLDERS / "manifest-2" / "node0"
FIRST = 33
HEADER_BYTES = 4096


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NODE, tmp_path / "node0"))


def flip(node: Path, offset: int) -> None:
    """Change a byte of the log."""
    path = next((node / "wal").iterdir())
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("position", [None, 33, 40, 10_000])
def test_the_records_of_a_file_are_told(position: int | None) -> None:
    found = read_segment(NODE, SegmentLook(position))
    assert (found["first_position"], found["problem"]) == (FIRST, None)
    records = [record for frame in found["frames"] for record in frame["records"]]
    assert [record["position"] for record in records] == list(range(FIRST, FIRST + len(records)))
    assert {"schema", "rows", "consumer", "started", "commit"} <= {record["kind"] for record in records}
    commit = next(record for record in records if record["kind"] == "commit")
    assert commit["changes"][0]["keys"] == ["seen"]
    assert [rows["row_count"] for rows in commit["rows"]] == [1, 1]
    assert found["end_offset"] == found["frames"][-1]["offset"] + found["frames"][-1]["size_bytes"]


def test_frames_may_be_told_without_records() -> None:
    frames = read_segment(NODE, SegmentLook(with_records=False))["frames"]
    assert frames[1] == {"offset": 4224, "size_bytes": 384, "first_position": 34, "record_count": 2}


def test_a_damaged_frame_ends_it_unless_it_is_passed_over(node: Path) -> None:
    flip(node, 4224 + 100)
    stopped = read_segment(node, SegmentLook())
    assert [frame["offset"] for frame in stopped["frames"]] == [HEADER_BYTES]
    assert stopped["problem"] == (
        "a frame at offset 4224 is damaged, the next good one stands at offset 4608; --skip-crc goes on"
    )
    whole = read_segment(node, SegmentLook(is_checked=False))
    assert (len(whole["frames"]), whole["problem"]) == (len(read_segment(NODE, SegmentLook())["frames"]), None)
    assert [frame["offset"] for frame in whole["frames"] if frame.get("is_damaged")] == [4224]
    assert whole["frames"][1]["records"] == []


def test_a_torn_frame_at_the_end_is_told(node: Path) -> None:
    last = read_segment(NODE, SegmentLook())["frames"][-1]["offset"]
    flip(node, last + 100)
    assert read_segment(node, SegmentLook())["problem"].startswith(f"a torn frame stands at offset {last}, ")


def test_what_is_not_there_is_told(node: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no file with the position 2; the first one begins at 33"):
        read_segment(node, SegmentLook(2))
    with pytest.raises(StorageError, match=r"no log is at .*/gone/wal"):
        read_segment(tmp_path / "gone", SegmentLook())
    flip(node, 20)
    with pytest.raises(StorageError, match="is damaged: its header"):
        read_segment(node, SegmentLook())
