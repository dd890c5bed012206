"""Reads the log when the engine starts: checks it, cuts a torn tail off, and tells where it goes on."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.disk import Disk
from engine.wal.format import decode_records
from engine.wal.frames import HEADER_BYTES, Frame, FrameCodec, SegmentEnd
from engine.wal.ports import DurableRecord, PayloadLocation, RowsBlock
from engine.wal.scan import FrameRun, by_table, one_frame, read_frames, read_records
from engine.wal.segments import Segment, damaged, read_chain, walk

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogTail:
    """Where a log that was read to its end goes on.

    Attributes:
        next_position: above every position that the log ever gave.
        segments: those that hold records, each with its end.
        previous: what the next segment's header has to say about the one before it.
        unused: files to remove as soon as the next segment is durable.
    """

    folder: Path
    next_position: int
    segments: tuple[Segment, ...]
    previous: SegmentEnd | None
    unused: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class LogPart:
    """What some frames that follow each other hold.

    Attributes:
        records: those that are more than plain rows, in their order.
        rows: all row payloads by table, those of ``records`` too; views of the mapped segment.
        last_position: that of the last record.
    """

    records: Sequence[DurableRecord]
    rows: Sequence[RowsBlock]
    last_position: int


class LogReplay:
    """One reading of the log in ``folder``, which is made if missing.

    ``after``: records up to this position are not wanted; that a segment with no others is intact is not checked.
    ``total_bytes`` and ``done_bytes`` tell how far the reading is.

    Raises:
        WalCorrupt: a segment is missing, or its header is damaged.
    """

    def __init__(self, disk: Disk, folder: Path, after: int) -> None:
        disk.make_folder(folder)
        disk.sync_folder(folder.parent)
        self._disk = disk
        self._folder = folder
        self._after = after
        self._chain = read_chain(disk, folder, after)
        self._ended: list[Segment] = []
        self._last_position = 0
        wanted = [s for s in self._chain.segments if self._is_wanted(s)]
        self.total_bytes = sum(s.end.end_offset if s.end else disk.size(s.path) for s in wanted)
        self.done_bytes = 0

    def records(self) -> Iterator[DurableRecord]:
        """Yield all records above ``after`` in their order; see ``parts``, instead of which this may be read."""
        for path, view, frames in self._runs():
            for start, end in zip(frames.starts.tolist(), frames.ends.tolist(), strict=True):
                yield from _decoded(path, view, start, end, self._after)

    def parts(self) -> Iterator[LogPart]:
        """Yield what the log holds above ``after``, in its order. To be read to the end once, and then ``finish`` called.

        Raises:
            WalCorrupt: a frame is damaged that is not the last one.
            StorageError: a newer version wrote this log.
        """
        for path, view, frames in self._runs():
            found = read_records(view, frames, self._after)
            others = [d for start, end in found.others for d in _decoded(path, view, start, end, self._after)]
            yield LogPart(others, by_table(view, found.payloads), frames.last_position)

    def finish(self) -> LogTail:
        """Cut the torn tail off and return where the log goes on."""
        assert len(self._ended) == len(self._chain.segments), "the log was not read to its end"
        previous = self._chain.previous
        if self._ended:
            last = self._ended[-1]
            assert last.end is not None
            previous = last.end
            if not last.is_lost:
                self._cut(last.path, last.end.end_offset)
        next_position = max(self._last_position, self._chain.highest, previous.last_position if previous else 0) + 1
        return LogTail(self._folder, next_position, tuple(self._ended), previous, self._chain.unused)

    def _is_wanted(self, segment: Segment) -> bool:
        return segment.end is None or segment.end.last_position > self._after

    def _runs(self) -> Iterator[tuple[str, memoryview, FrameRun]]:
        """Yield file, content and frames of the log, those with records above ``after``; take note of each segment's end."""
        for segment in self._chain.segments:
            if not self._is_wanted(segment):
                assert segment.end is not None
                self._last_position = segment.end.last_position
                self._ended.append(segment)
                continue
            view = self._disk.map(segment.path)
            end_offset = HEADER_BYTES
            for frames in self._frames(segment, view):
                self._last_position = frames.last_position
                self.done_bytes += frames.end - end_offset
                end_offset = frames.end
                if frames.last_position > self._after:
                    yield str(segment.path), view, frames
            end = segment.end or SegmentEnd(segment.first_position, end_offset, self._last_position)
            self._ended.append(replace(segment, end=end))

    def _frames(self, segment: Segment, view: memoryview) -> Iterator[FrameRun]:
        """Yield the frames of a segment, many at once as long as nothing is the matter with them."""
        if segment.header is None:
            return
        codec = FrameCodec(segment.header.salt, str(segment.path))
        offset = HEADER_BYTES
        end = segment.end.end_offset if segment.end else len(view)
        while (frames := read_frames(codec, view, offset, min(end, len(view)), self._last_position)) is not None:
            yield frames
            offset = frames.end
        is_last = segment.end is None and not segment.is_lost
        rest = _frames_to_the_tail(segment, codec, view, offset) if is_last else walk(segment, view, offset)
        for frame in rest:
            if frame.first_position <= self._last_position:
                raise damaged(segment.path, frame.offset, f"position {frame.first_position} stands there again")
            yield one_frame(frame)

    def _cut(self, path: Path, end_offset: int) -> None:
        if self._disk.size(path) <= end_offset:
            return
        logger.info("log ends file=%s offset=%d", path, end_offset)
        file = self._disk.open_append(path)
        try:
            file.truncate(end_offset)
            file.sync()
        finally:
            file.close()


def _frames_to_the_tail(segment: Segment, codec: FrameCodec, view: memoryview, offset: int) -> Iterator[Frame]:
    """Yield the frames from ``offset`` on of a segment that no other one follows; only its last frame may be torn."""
    while (frame := codec.read(view, offset)) is not None:
        yield frame
        offset = frame.end
    behind = codec.find(view, offset)
    if behind is not None:
        raise damaged(segment.path, offset, f"a damaged frame is followed by a good one at offset {behind.offset}")


def _decoded(path: str, view: memoryview, start: int, end: int, after: int) -> Iterator[DurableRecord]:
    for position, record, payloads in decode_records(view, start, end, after):
        yield DurableRecord(position, record, tuple([PayloadLocation(path, p.offset, p.length) for p in payloads]))
