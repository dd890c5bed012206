"""The log's folder as its writer sees it: one segment is written, others were sealed, unused ones go."""

import logging
from pathlib import Path

from engine.clock import Clock
from engine.disk import Disk
from engine.wal.frames import HEADER_BYTES, SegmentEnd, new_header
from engine.wal.ports import WalConfig
from engine.wal.reader import LogSegment, WalReader
from engine.wal.replay import LogTail
from engine.wal.segments import ActiveSegment, segment_path

logger = logging.getLogger(__name__)

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
        self._unused.append(path)
        begun = ActiveSegment(self._disk, self._folder, header, max(self._segment_bytes, HEADER_BYTES + frame_bytes))
        self._unused.remove(path)
        sealed, self._active, self._has_failed = self._active, begun, False
        self._reader.begin(LogSegment.live(path, header), previous)
        if sealed is not None:
            sealed.give_back()
        self._remove_unused()
        return begun

    def close(self) -> None:
        """Give back what is reserved, and close the file."""
        if self._active is not None:
            self._active.give_back()

    def _remove_unused(self) -> None:
        """Remove files that never held a record; one that comes back after a crash is left out again."""
        for path in list(self._unused):
            try:
                if self._disk.exists(path):
                    self._disk.remove(path)
                self._unused.remove(path)
            except OSError as exc:
                logger.warning("unused segment stays file=%s error=%s", path, exc)
