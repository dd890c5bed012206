from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.disk import RealDisk
from engine.errors import StorageError
from engine.wal import frames
from engine.wal.format import Record, decode_records, encode_record, set_position
from engine.wal.frames import (
    HEADER_BYTES,
    DamagedHeader,
    FrameCodec,
    SegmentEnd,
    SegmentHeader,
    decode_header,
    encode_header,
    new_header,
)
from engine.wal.segments import ActiveSegment
from tests.support.wal import LATER_KINDS, ONE_OF_EACH, hex_dump

GOLDEN = Path(__file__).parents[2] / "golden" / "wal"
SEGMENTS = [(f"segment-{frames.VERSION}", ONE_OF_EACH), (f"segment-{frames.VERSION}-later-kinds", LATER_KINDS)]
SALT = bytes(range(16))
HEADER = SegmentHeader(101, SALT, 1_795_262_400_000_000_000, SegmentEnd(1, 8192, 100))
BODY = b"records" + bytes(57)

_numbers = st.integers(0, 2**63)
_ends = st.builds(SegmentEnd, st.integers(1, 2**63), _numbers, _numbers)
_headers = st.builds(SegmentHeader, _numbers, st.binary(min_size=16, max_size=16), _numbers, st.none() | _ends)


def segment(*bodies: bytes, salt: bytes = SALT) -> bytearray:
    """Return a segment with a frame of one record per body, from position 101 on."""
    codec = FrameCodec(salt, "file")
    data = bytearray(encode_header(HEADER))
    for position, body in enumerate(bodies, 101):
        data += codec.encode_head(len(data), position, 1, body) + body
    return data


@pytest.mark.parametrize(("name", "records"), SEGMENTS)
def test_a_segment_is_byte_for_byte_what_it_was(name: str, records: tuple[Record, ...], tmp_path: Path) -> None:
    """The golden file changes only together with ``frames.VERSION``; remove it and run the test to have it made anew."""
    active = ActiveSegment(RealDisk(), tmp_path, HEADER, HEADER_BYTES)
    position = 101
    for group in (records[:2], records[2:]):
        made = [encode_record(record) for record in group]
        for number, record in enumerate(made):
            set_position(record, position + number)
        body = b"".join([bytes(part) for record in made for part in record.parts])
        start = active.write(position, len(made), body)
        position += len(made)
        active.sync(SegmentEnd(101, start + len(body), position - 1))
    active.close()
    dump = hex_dump((tmp_path / "00000000000000000101.wal").read_bytes())
    golden = GOLDEN / f"{name}.hex"
    if not golden.exists():
        golden.write_text(dump)
        pytest.fail(f"{golden} was made anew: review it")
    assert dump == golden.read_text()


@pytest.mark.parametrize(("name", "records"), SEGMENTS)
def test_the_golden_segment_is_read(name: str, records: tuple[Record, ...]) -> None:
    data = bytearray()
    for line in (GOLDEN / f"{name}.hex").read_text().splitlines():
        if line != "*":
            at, *words = line.split()
            data += data[-32:] * ((int(at, 16) - len(data)) // 32) + bytes.fromhex("".join(words))
    view = memoryview(bytes(data))
    assert decode_header(view, "file") == HEADER
    codec = FrameCodec(SALT, "file")
    found, offset = [], HEADER_BYTES
    while (frame := codec.read(view, offset)) is not None:
        found += [(position, record) for position, record, _ in decode_records(view, frame.start, frame.end)]
        offset = frame.end
    assert offset == len(view)
    assert found == list(enumerate(records, 101))


@given(_headers)
def test_a_header_comes_back_as_it_was(header: SegmentHeader) -> None:
    data = encode_header(header)
    assert len(data) == HEADER_BYTES
    assert decode_header(memoryview(data), "file") == header


def test_a_header_with_any_bit_turned_is_none() -> None:
    data = encode_header(HEADER)
    for at in range(len(data.rstrip(b"\0"))):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(DamagedHeader):
            decode_header(memoryview(changed), "file")
    with pytest.raises(DamagedHeader):
        decode_header(memoryview(data[:-1]), "file")


def test_two_new_headers_have_different_salts() -> None:
    assert new_header(1, 2, None).salt != new_header(1, 2, None).salt


def test_a_newer_format_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "VERSION", 2)
    newer = memoryview(segment(BODY))
    monkeypatch.undo()
    refused = r"^file has format 2 of the log, this version of influxdb3 reads up to 1: start the newer one[^\n]*$"
    with pytest.raises(StorageError, match=refused):
        decode_header(newer, "file")
    with pytest.raises(StorageError, match=refused):
        FrameCodec(SALT, "file").read(newer, HEADER_BYTES)


@given(st.lists(st.binary(max_size=200).map(lambda b: b.ljust(256, b"\0")), min_size=1, max_size=4))
def test_frames_follow_one_another(bodies: list[bytes]) -> None:
    view = memoryview(segment(*bodies))
    codec, offset = FrameCodec(SALT, "file"), HEADER_BYTES
    for position, body in enumerate(bodies, 101):
        frame = codec.read(view, offset)
        assert frame is not None
        assert (frame.offset, frame.first_position, frame.last_position) == (offset, position, position)
        assert view[frame.start : frame.end] == body
        offset = frame.end
    assert offset == len(view)
    assert codec.read(view, offset) is None


def test_a_frame_with_any_bit_turned_is_none() -> None:
    data = segment(BODY)
    for at in range(HEADER_BYTES, len(data)):
        changed = data.copy()
        changed[at] ^= 0x80
        assert FrameCodec(SALT, "file").read(memoryview(changed), HEADER_BYTES) is None, at


def test_a_frame_that_was_cut_short_is_none() -> None:
    data = segment(BODY)
    for length in range(HEADER_BYTES, len(data)):
        assert FrameCodec(SALT, "file").read(memoryview(data[:length]), HEADER_BYTES) is None, length


@pytest.mark.parametrize(
    "imitation",
    [
        pytest.param(lambda: segment(BODY, salt=bytes(16))[HEADER_BYTES:], id="of-another-segment"),
        pytest.param(lambda: segment(BODY, BODY)[HEADER_BYTES + 128 :], id="of-another-place"),
        pytest.param(lambda: segment(BODY, salt=SALT[:8] + bytes(8))[HEADER_BYTES:], id="with-half-the-salt"),
    ],
)
def test_data_cannot_imitate_a_frame(imitation: Callable[[], bytearray]) -> None:
    data = memoryview(encode_header(HEADER) + imitation())
    codec = FrameCodec(SALT, "file")
    assert codec.read(data, HEADER_BYTES) is None
    assert codec.find(data, HEADER_BYTES) is None


@pytest.mark.parametrize(("bad", "found_at"), [((), 0), ((0,), 1), ((0, 1), 2), ((0, 1, 2), None)])
def test_the_next_good_frame_is_found(bad: tuple[int, ...], found_at: int | None) -> None:
    data = segment(BODY, BODY, BODY) + bytes(640)
    for number in bad:
        data[HEADER_BYTES + 128 * number + 100] ^= 1
    frame = FrameCodec(SALT, "file").find(memoryview(data), HEADER_BYTES)
    assert (frame and frame.offset) == (None if found_at is None else HEADER_BYTES + 128 * found_at)


def test_nothing_is_found_behind_the_end() -> None:
    data = memoryview(segment(BODY))
    assert FrameCodec(SALT, "file").find(data, len(data)) is None
    assert FrameCodec(SALT, "file").find(data, len(data) - 10) is None
