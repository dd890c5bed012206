"""The log's folder as its writer sees it: one segment is written, others were sealed, unused ones go."""

import logging
from pathlib import Path

from engine.clock import Clock
from engine.disk import NO_SPACE, Disk
from engine.wal.frames import HEADER_BYTES, SegmentEnd, SegmentHeader, new_header
from engine.wal.ports import WalConfig
from engine.wal.reader import LogSegment, WalReader
from engine.wal.replay import LogTail
from engine.wal.segments import ActiveSegment, segment_path

logger = logging.getLogger(__name__)

SMALLER = 16
"""Where there is no room for a whole segment, one of this part of its size is begun."""

_FRAME_OVERHEAD = 64


class LogFolder:
    """Writes frames, and begins a segment when one is full or its disk failed; used in one thread at a time."""

    def __init__(self, disk: Disk, clock: Clock, config: WalConfig, tail: LogTail, reader: WalReader) -> None:
        self._disk = disk
        self._clock = clock
        self._segment_bytes = config.segment_bytes
        self._folder = tail.folder
        self._previous = tail.previous
        self._unused: list[Path] = list(tail.unused)
        self._reader = reader
        self._active: ActiveSegment | None = None
        self._has_failed = False
        self._written = SegmentEnd(0, 0, 0)

    @property
    def is_empty(self) -> bool:
        """Return whether the segment that is written holds nothing yet."""
        return self._active is not None and self._active.is_empty and not self._has_failed

    @property
    def path_text(self) -> str:
        """Return the file that is written."""
        return str(self._active.path) if self._active else ""

    @property
    def folder(self) -> Path:
        """Return where the segments are."""
        return self._folder

    def write(self, first_position: int, record_count: int, body: bytes) -> int:
        """Write a frame, not synced, in a new segment if need be; return where ``body`` stands. ``OSError`` if that fails."""
        size = len(body) + _FRAME_OVERHEAD
        active = self._active
        if active is None or self._has_failed or not (active.is_empty or active.has_room(size)):
            active = self.begin(first_position, size)
        start = active.write(first_position, record_count, body)
        self._written = SegmentEnd(active.end.first_position, start + len(body), first_position + record_count - 1)
        return start

    def sync(self) -> None:
        """Return when the frame that was written is durable; ``OSError`` if that fails."""
        assert self._active is not None
        self._active.sync(self._written)

    def fail(self) -> None:
        """Seal the segment at the end of its last durable frame: what stands behind is never read."""
        self._has_failed = True

    def begin(self, first_position: int, frame_bytes: int = 0) -> ActiveSegment:
        """Begin a segment whose header says where the one before ends, and seal that one; ``OSError`` if that fails."""
        previous = self._active.end if self._active else self._previous
        header = new_header(first_position, self._clock.now_ns(), previous)
        path = segment_path(self._folder, first_position)
        begun = self._made(path, header, HEADER_BYTES + frame_bytes)
        sealed, self._active, self._has_failed = self._active, begun, False
        self._reader.begin(LogSegment.live(path, header), previous)
        if sealed is not None:
            sealed.close()  # what it reserves goes later, or it does: see ``Wal.remove_before``
        self._remove_unused()
        return begun

    @property
    def free_bytes(self) -> int | None:
        """Return how much space the disk has, ``None`` if it does not tell."""
        try:
            return self._disk.free_bytes(self._folder)
        except OSError:
            return None

    def _made(self, path: Path, header: SegmentHeader, least_bytes: int) -> ActiveSegment:
        """Return a new segment, a small one where the disk has no room for another; ``OSError`` if that fails.

        A file that could not be begun goes at once, for it may hold space.
        """
        sizes = (self._segment_bytes, self._segment_bytes // SMALLER)
        for number, size in enumerate(sizes, start=1):
            self._unused.append(path)
            try:
                made = ActiveSegment(self._disk, self._folder, header, max(size, least_bytes))
            except OSError as exc:
                self._remove_unused()
                if exc.errno not in NO_SPACE or number == len(sizes):
                    raise
                if self._active is not None and self._has_failed:
                    self._active.cut()
            else:
                self._unused.remove(path)
                return made
        raise AssertionError("one of the sizes was the last one")

    def close(self) -> None:
        """Give back what is reserved, and close the file."""
        if self._active is not None:
            self._active.cut()
            self._active.close()

    def _remove_unused(self) -> None:
        """Remove files that never held a record; one that comes back after a crash is left out again."""
        for path in list(self._unused):
            try:
                if self._disk.exists(path):
                    self._disk.remove(path)
                self._unused.remove(path)
            except OSError as exc:
                logger.warning("unused segment stays file=%s error=%s", path, exc)
