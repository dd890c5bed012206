"""What is read by columns is what is read one by one."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.disk import RealDisk
from engine.errors import StorageError
from engine.wal.format import Record, RowsPayload, RowsRecord, decode_records, encode_record, set_position
from engine.wal.frames import HEADER_BYTES, FrameCodec, SegmentEnd, SegmentHeader
from engine.wal.scan import by_table, one_frame, read_frames, read_records
from engine.wal.segments import ActiveSegment
from tests.support.wal import LATER_KINDS, ONE_OF_EACH

SALT = bytes(range(16))


def rows(table_id: int, size: int, chain: tuple[int, ...] = ()) -> RowsRecord:
    return RowsRecord(RowsPayload(table_id, 3, size, 1, chain, b"x" * size))


def segment(folder: Path, groups: list[list[Record]]) -> memoryview:
    """Return a mapped segment with a frame for each group, from position 1 on."""
    active = ActiveSegment(RealDisk(), folder, SegmentHeader(1, SALT, 0, None), HEADER_BYTES)
    position = 1
    for group in groups:
        made = [encode_record(record) for record in group]
        for number, record in enumerate(made):
            set_position(record, position + number)
        body = b"".join([bytes(part) for record in made for part in record.parts])
        start = active.write(position, len(made), body)
        position += len(made)
        active.sync(SegmentEnd(1, start + len(body), position - 1))
    active.close()
    return RealDisk().map(active.path)


records = st.builds(rows, st.integers(1, 3), st.integers(0, 300), st.just(()) | st.just((7, 8))) | st.sampled_from(
    [*ONE_OF_EACH, *LATER_KINDS]
)


@settings(max_examples=60)
@given(st.lists(st.lists(records, min_size=1, max_size=30), min_size=1, max_size=40), st.integers(0, 50))
def test_records_are_those_that_are_read_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Record]], after: int
) -> None:
    view = segment(tmp_path_factory.mktemp("wal"), groups)
    frames = read_frames(FrameCodec(SALT, "f"), view, HEADER_BYTES, len(view), 0)
    assert frames is not None
    assert (frames.end, len(frames.counts)) == (len(view), len(groups))
    assert frames.last_position == sum(map(len, groups))
    expected, others = [], []
    for start, end in zip(frames.starts.tolist(), frames.ends.tolist(), strict=True):
        for _, record, payloads in decode_records(view, start, end, after):
            expected += [
                (p.position, p.table_id, p.offset, p.length, p.version, p.row_count, p.encoding, len(p.chain))
                for p in payloads
            ]
            others += [] if isinstance(record, RowsRecord) else [record]
    found = read_records(view, frames, after)
    assert found.payloads.tolist() == expected
    assert [r for start, end in found.others for _, r, _ in decode_records(view, start, end)] == others
    blocks = by_table(view, found.payloads)
    assert {b.table_id: b.payloads.tolist() for b in blocks} == {
        table_id: [row for row in expected if row[1] == table_id] for table_id in {row[1] for row in expected}
    }


@pytest.mark.parametrize("offset", range(HEADER_BYTES, HEADER_BYTES + 3 * 192 - 64, 4))
def test_frames_before_damage_are_read_and_none_behind_it(offset: int, tmp_path: Path) -> None:
    whole = segment(tmp_path, [[rows(1, 10)], [rows(1, 20)], [rows(1, 30)]])
    assert len(whole) == HEADER_BYTES + 3 * 256
    data = bytearray(whole)
    data[offset] ^= 1
    view = memoryview(bytes(data))
    frames = read_frames(FrameCodec(SALT, "f"), view, HEADER_BYTES, len(view), 0)
    intact = (offset - HEADER_BYTES) // 256
    assert (len(frames.counts) if frames else 0) == intact


def test_positions_that_do_not_rise_are_left_to_others(tmp_path: Path) -> None:
    view = segment(tmp_path, [[rows(1, 10)], [rows(1, 20)]])
    codec = FrameCodec(SALT, "f")
    assert read_frames(codec, view, HEADER_BYTES, len(view), 1) is None
    frame = codec.read(view, HEADER_BYTES)
    assert frame is not None
    assert one_frame(frame).end == frame.end


def test_a_block_knows_its_rows_and_gives_up_old_ones(tmp_path: Path) -> None:
    view = segment(tmp_path, [[rows(1, n + 1)] for n in range(4)])
    frames = read_frames(FrameCodec(SALT, "f"), view, HEADER_BYTES, len(view), 0)
    assert frames is not None
    (block,) = by_table(view, read_records(view, frames).payloads)
    assert (block.row_count, block.data_bytes) == (10, 10)
    assert [bytes(data) for _, data, _ in block.behind(2).parts()] == [b"xxx", b"xxxx"]
    assert block.behind(0) is block
    assert by_table(view, np.empty(0, block.payloads.dtype)) == []


def test_a_record_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    data = bytearray(segment(tmp_path, [[rows(1, 10)]]))
    data[HEADER_BYTES + 64] = 99
    view = memoryview(bytes(data))
    frame = FrameCodec(SALT, "f").read(memoryview(bytes(segment(tmp_path, [[rows(1, 10)]]))), HEADER_BYTES)
    assert frame is not None
    with pytest.raises(StorageError, match="kind 99"):
        read_records(view, one_frame(frame))
