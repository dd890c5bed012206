"""Frames, the units of a sync, and the header of a segment ⇄ bytes.

A segment begins with a header in ``HEADER_BYTES`` of its own; frames follow without gaps, each beginning at a multiple of
64 bytes. A frame's CRC32C starts from the segment's random salt and covers the frame's own offset, so neither a user's data
nor a frame of another place passes for one.
"""

import secrets
import struct
from dataclasses import dataclass
from typing import NamedTuple

import google_crc32c
import numpy as np

from engine.errors import StorageError

VERSION = 1
HEADER_BYTES = 4096
FRAME_ALIGN = 64
CHECKED_FROM = 8
"""From this byte of a frame on its checksum covers it, to its end."""

_HEADER_MAGIC = b"I3WALSEG"
_HEADER = struct.Struct("<8sHHxxxx16sQQQQQ")
_CRC = struct.Struct("<I")
_FRAME_MAGIC = b"I3FR"
_FRAME = struct.Struct("<4sIBxxxIQQQ8s16x")
_CRC_AT = 4
_VERSION_AT = 8
FRAME_MAGIC_WORD = int.from_bytes(_FRAME_MAGIC, "little")


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """Where a segment ends: nothing at ``end_offset`` or behind it is ever read.

    Attributes:
        first_position: names the segment.
        last_position: that of its last record.
    """

    first_position: int
    end_offset: int
    last_position: int


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself.

    Attributes:
        first_position: its records have this position or a higher one.
        salt: 16 random bytes that its frames are bound to.
        created_ns: when it was begun.
        previous: the segment before it, ``None`` if there was none.
    """

    first_position: int
    salt: bytes
    created_ns: int
    previous: SegmentEnd | None


class DamagedHeader(Exception):
    """These bytes are not the header of a segment."""


class Frame(NamedTuple):
    """Where one frame stands: its records are the bytes from ``start`` to ``end``, and the next frame follows there."""

    offset: int
    start: int
    end: int
    first_position: int
    record_count: int

    @property
    def last_position(self) -> int:
        """Return the position of its last record."""
        return self.first_position + self.record_count - 1


def new_header(first_position: int, created_ns: int, previous: SegmentEnd | None) -> SegmentHeader:
    """Return the header of a new segment, with a salt that nobody can guess."""
    return SegmentHeader(first_position, secrets.token_bytes(16), created_ns, previous)


def encode_header(header: SegmentHeader) -> bytes:
    """Return the first ``HEADER_BYTES`` of a segment."""
    p = header.previous or SegmentEnd(0, 0, 0)
    packed = _HEADER.pack(
        _HEADER_MAGIC,
        VERSION,
        HEADER_BYTES,
        header.salt,
        header.first_position,
        p.first_position,
        p.end_offset,
        p.last_position,
        header.created_ns,
    )
    return (packed + _CRC.pack(google_crc32c.value(packed))).ljust(HEADER_BYTES, b"\0")


def decode_header(data: memoryview, where: str) -> SegmentHeader:
    """Return the header that ``data``, the beginning of the file ``where``, holds.

    Raises:
        DamagedHeader: it is not there as it was written.
        StorageError: a newer version wrote this segment.
    """
    if len(data) < HEADER_BYTES:
        raise DamagedHeader
    packed = bytes(data[: _HEADER.size])
    magic, version, _, salt, first_position, p_first, p_end, p_last, created_ns = _HEADER.unpack(packed)
    if magic != _HEADER_MAGIC or _CRC.unpack_from(data, _HEADER.size)[0] != google_crc32c.value(packed):
        raise DamagedHeader
    _check_version(version, where)
    previous = SegmentEnd(p_first, p_end, p_last) if p_first else None
    return SegmentHeader(first_position, salt, created_ns, previous)


class FrameCodec:
    """Makes and reads the frames of one segment; ``where`` is its file, for errors.

    Attributes:
        seed: what the checksums of its frames start from.
        mark_word: what stands in each of its frames, as a little-endian number.
    """

    def __init__(self, salt: bytes, where: str) -> None:
        self._mark = salt[:8]
        self.mark_word = int.from_bytes(self._mark, "little")
        self.seed: int = google_crc32c.value(salt)
        self._where = where

    def encode_head(self, offset: int, first_position: int, record_count: int, body: bytes) -> bytes:
        """Return what stands before ``body``, the records, in the frame at ``offset``; ``body`` fills whole 64 bytes."""
        fields = (VERSION, record_count, len(body), first_position, offset, self._mark)
        head = _FRAME.pack(_FRAME_MAGIC, 0, *fields)
        return _FRAME.pack(_FRAME_MAGIC, self._checksum(head, body), *fields)

    def read(self, view: memoryview, offset: int) -> Frame | None:
        """Return the frame at ``offset`` of the segment ``view``, ``None`` if no good one stands there.

        Raises:
            StorageError: a newer version wrote it.
        """
        frame = self.claimed(view, offset)
        if frame is None:
            return None
        head = bytes(view[offset : frame.start])
        if self._checksum(head, bytes(view[frame.start : frame.end])) != _CRC.unpack_from(head, _CRC_AT)[0]:
            return None
        _check_version(head[_VERSION_AT], self._where)
        return frame

    def claimed(self, view: memoryview, offset: int) -> Frame | None:
        """Return the frame whose head stands at ``offset``, whether its checksum holds or not; ``None`` if there is none."""
        start = offset + _FRAME.size
        if start > len(view) or view[offset : offset + 4] != _FRAME_MAGIC:
            return None
        _, _, _, record_count, length, first_position, own_offset, mark = _FRAME.unpack_from(view, offset)
        end = start + length
        if own_offset != offset or mark != self._mark or end > len(view):
            return None
        return Frame(offset, start, end, first_position, record_count)

    def find(self, view: memoryview, offset: int) -> Frame | None:
        """Return the first good frame at ``offset`` or anywhere behind it, ``None`` if there is none."""
        frame = self.read(view, offset)
        if frame is not None:
            return frame
        words = (len(view) - offset) // FRAME_ALIGN * FRAME_ALIGN // 4
        if words <= 0:
            return None
        beginnings = np.frombuffer(view, "<u4", words, offset)[:: FRAME_ALIGN // 4]
        for at in np.flatnonzero(beginnings == FRAME_MAGIC_WORD).tolist():
            frame = self.read(view, offset + at * FRAME_ALIGN)
            if frame is not None:
                return frame
        return None

    def _checksum(self, head: bytes, body: bytes) -> int:
        value: int = google_crc32c.extend(google_crc32c.extend(self.seed, head[CHECKED_FROM:]), body)
        return value


def _check_version(version: int, where: str) -> None:
    if version > VERSION:
        raise StorageError(
            f"{where} has format {version} of the log, this version of influxdb3 reads up to {VERSION}: "
            "start the newer one that wrote it"
        )
