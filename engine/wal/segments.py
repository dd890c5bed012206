"""The files of the log: their names, the chain that they form, and the one that is written."""

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.disk import Disk
from engine.errors import WalCorrupt
from engine.wal.frames import (
    HEADER_BYTES,
    DamagedHeader,
    Frame,
    FrameCodec,
    SegmentEnd,
    SegmentHeader,
    decode_header,
    encode_header,
)

logger = logging.getLogger(__name__)

SUFFIX = ".wal"
LOST = ".lost"
_NAME = re.compile(rf"(\d{{20}})\{SUFFIX}(\{LOST})?")


def segment_path(folder: Path, first_position: int) -> Path:
    """Return the file of the segment whose records begin at ``first_position``."""
    return folder / f"{first_position:020d}{SUFFIX}"


def damaged(path: Path, offset: int, what: str) -> WalCorrupt:
    """Return the error for a segment that cannot be read from ``offset`` on."""
    return WalCorrupt(
        f"the log is damaged: {path} at offset {offset}: {what}. Restore this file from a backup, or rename it to "
        f"{path.name}{LOST} to go on without its records from that offset on"
    )


def missing(path: Path) -> WalCorrupt:
    """Return the error for a segment that is not there, though its successor knows it."""
    return WalCorrupt(
        f"the log is damaged: the segment {path} is missing. Restore it from a backup, or make an empty file "
        f"{path.name}{LOST} beside the others to go on without its records"
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was found.

    Attributes:
        header: ``None`` for one that was given up (``.lost``) and has no readable header.
        end: as its successor says; ``None`` = nobody knows but the frames themselves.
        is_lost: the operator gave it up: what is readable counts, the rest is skipped.
    """

    path: Path
    first_position: int
    header: SegmentHeader | None
    end: SegmentEnd | None
    is_lost: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """The segments of a log in their order.

    Attributes:
        unused: files that were begun and never held a record; to be removed once the log goes on elsewhere.
        previous: what the next segment's header has to say about the one before it, when no segment of the chain tells.
        highest: no position up to this one may be given again.
    """

    segments: tuple[Segment, ...]
    unused: tuple[Path, ...]
    previous: SegmentEnd | None
    highest: int


def read_chain(disk: Disk, folder: Path, after: int) -> Chain:
    """Return the segments in ``folder``, held against what each one says of its predecessor.

    Raises:
        WalCorrupt: one is missing that held a position above ``after`` or stood between others, or a header is damaged.
    """
    found = [_look(disk, folder / name) for name in disk.list_folder(folder) if _NAME.fullmatch(name)]
    return _ChainReader(disk, folder, after).read(found)


def is_whole(disk: Disk, folder: Path, after: int) -> bool:
    """Return whether the log in ``folder`` holds all records above ``after``, as far as names and headers tell."""
    try:
        read_chain(disk, folder, after)
    except WalCorrupt:
        return False
    return True


def walk(segment: Segment, view: memoryview, offset: int = HEADER_BYTES) -> Iterator[Frame]:
    """Yield the frames from ``offset`` on of a segment whose end is known, or that was given up, from its mapped content.

    Raises:
        WalCorrupt: a frame before the end is damaged.
    """
    if segment.header is None:
        return
    codec = FrameCodec(segment.header.salt, str(segment.path))
    end = segment.end.end_offset if segment.end else len(view)
    while offset < end:
        frame = codec.read(view, offset)
        if frame is None or frame.end > end:
            if not segment.is_lost:
                raise damaged(segment.path, offset, "a frame does not match its checksum")
            logger.warning("records lost file=%s from_offset=%d to_offset=%d", segment.path, offset, end)
            return
        yield frame
        offset = frame.end


class ActiveSegment:
    """The segment that is written; used in one thread alone.

    Attributes:
        end: where its last durable frame ends; while there is none, the last position is that of the segment before.
    """

    def __init__(self, disk: Disk, folder: Path, header: SegmentHeader, preallocate_bytes: int) -> None:
        """Begin the file and make header and name durable; ``OSError`` if that fails."""
        self.path = segment_path(folder, header.first_position)
        self.header = header
        self.codec = FrameCodec(header.salt, str(self.path))
        self.end = SegmentEnd(
            header.first_position, HEADER_BYTES, header.previous.last_position if header.previous else 0
        )
        self._size_bytes = preallocate_bytes
        self._file = disk.open_append(self.path, preallocate_bytes)
        try:
            self._file.write_at(0, encode_header(header))
            self._file.sync()
            disk.sync_folder(folder)
        except BaseException:
            self._file.close()
            raise

    @property
    def is_empty(self) -> bool:
        """Return whether it holds no durable frame, however big the first one may be."""
        return self.end.end_offset == HEADER_BYTES

    def has_room(self, frame_bytes: int) -> bool:
        """Return whether a frame of this size still fits into what was reserved."""
        return self.end.end_offset + frame_bytes <= self._size_bytes

    def write(self, first_position: int, record_count: int, body: bytes) -> int:
        """Write a frame behind the last durable one, in one call to the system; return where ``body`` stands."""
        offset = self.end.end_offset
        head = self.codec.encode_head(offset, first_position, record_count, body)
        self._file.write_at(offset, head, body)
        return offset + len(head)

    def sync(self, end: SegmentEnd) -> None:
        """Return when the frame that was written, and with which the segment ends at ``end``, is durable."""
        self._file.sync()
        self.end = end

    def cut(self) -> None:
        """Give back the space behind the last durable frame; nothing is written to the file any more."""
        try:
            self._file.truncate(self.end.end_offset)
        except OSError as exc:  # only space is lost
            logger.warning("segment keeps its reserved space file=%s error=%s", self.path, exc)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def cut_segment(disk: Disk, path: Path, end_offset: int) -> None:
    """Give back the space that a sealed segment reserves behind its end, if it does."""
    try:
        if disk.size(path) > end_offset:
            with closing(disk.open_append(path)) as file:
                file.truncate(end_offset)
    except OSError as exc:  # only space is lost
        logger.warning("segment keeps its reserved space file=%s error=%s", path, exc)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    first_position: int
    header: SegmentHeader | None
    is_lost: bool


def _look(disk: Disk, path: Path) -> _Found:
    number = int(path.name[:20])
    is_lost = path.name.endswith(LOST)
    try:
        header = decode_header(disk.map(path), str(path))
    except DamagedHeader:
        return _Found(path, number, None, is_lost)
    if header.first_position != number:
        raise damaged(path, 0, f"it was renamed, its header says {header.first_position}")
    return _Found(path, number, header, is_lost)


class _ChainReader:
    """Follows the headers from the newest segment back."""

    def __init__(self, disk: Disk, folder: Path, after: int) -> None:
        self._disk = disk
        self._folder = folder
        self._after = after
        self._segments: list[Segment] = []
        self._unused: list[Path] = []
        self._expected: SegmentEnd | None = None
        self._is_bound = False  # whether a successor has spoken

    def read(self, found: list[_Found]) -> Chain:
        highest = max((f.first_position for f in found), default=0)
        present = {f.first_position for f in found if not f.is_lost}
        for file in reversed(found):
            if not (file.is_lost and file.first_position in present):
                self._take(file)
        if self._expected is not None and self._expected.last_position > self._after:
            raise missing(segment_path(self._folder, self._expected.first_position))
        previous = self._expected if not self._segments else None
        return Chain(tuple(reversed(self._segments)), tuple(self._unused), previous, highest)

    def _take(self, file: _Found) -> None:
        expected = self._expected
        if self._is_bound and (expected is None or file.first_position != expected.first_position):
            if expected is not None and file.first_position < expected.first_position:
                raise missing(segment_path(self._folder, expected.first_position))
            self._leave_out(file)
        elif file.header is None:
            self._take_headless(file)
        elif not self._is_bound and not file.is_lost and not self._has_frames(file):
            self._unused.append(file.path)
            self._bind(file.header.previous)
        else:
            self._segments.append(Segment(file.path, file.first_position, file.header, expected, file.is_lost))
            self._bind(file.header.previous)

    def _bind(self, expected: SegmentEnd | None) -> None:
        self._is_bound = True
        self._expected = expected

    def _take_headless(self, file: _Found) -> None:
        if file.is_lost:
            self._segments.append(Segment(file.path, file.first_position, None, self._expected, is_lost=True))
            self._is_bound = False
            self._expected = None
        elif self._is_bound:
            raise damaged(file.path, 0, "its header does not match its checksum")
        else:
            self._leave_out(file)

    def _leave_out(self, file: _Found) -> None:
        """Set a file aside that is not in the chain, if it is sure that it never held a record."""
        if file.is_lost:
            return
        if file.header is None:
            behind = self._disk.map(file.path)[HEADER_BYTES:]
            if behind and np.frombuffer(behind, np.uint8).any():
                raise damaged(file.path, 0, "its header does not match its checksum")
        elif self._has_frames(file):
            raise damaged(file.path, HEADER_BYTES, "it holds records and its successor does not know it")
        self._unused.append(file.path)

    def _has_frames(self, file: _Found) -> bool:
        assert file.header is not None
        codec = FrameCodec(file.header.salt, str(file.path))
        return codec.find(self._disk.map(file.path), HEADER_BYTES) is not None
