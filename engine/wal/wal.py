"""The log: what is appended here survives a crash, in the order in which it was appended."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise

from engine.clock import Clock
from engine.disk import Disk
from engine.errors import StorageError, Unavailable
from engine.wal.folder import LogFolder
from engine.wal.gate import Gate
from engine.wal.ports import Entry, FlushObserver, FramePlanner, NoPlanner, Source, WalConfig
from engine.wal.reader import LogSegment, WalReader
from engine.wal.replay import LogTail
from engine.wal.segments import cut_segment
from engine.wal.writer import Writer, WriterPorts


@dataclass(frozen=True, slots=True)
class WalStart:
    """What the log goes on from.

    Attributes:
        tail: what its replay ended with.
        next_position: the lowest position to give, when manifest or checkpoint know a higher one than the log.
        open_generations: the open generation of each trigger that has one.
        live_tables: the tables that are there.
    """

    tail: LogTail
    next_position: int = 0
    open_generations: Mapping[int, int] = field(default_factory=dict)
    live_tables: Iterable[int] = ()


@dataclass(frozen=True, slots=True)
class WalPorts:
    """Whom the log asks and tells; ``observers`` are told in this order."""

    planner: FramePlanner = field(default_factory=NoPlanner)
    observers: Sequence[FlushObserver] = ()


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """A sealed segment, as its owner decides whether it may go.

    Attributes:
        first_position: names it; its records have this position or a higher one.
        last_position: none of its records has a higher one.
        size_bytes: what its removal gives back, about.
        created_ns: when its first record may have been written, 0 if unknown.
        sealed_ns: when its last record may have been written.
    """

    first_position: int
    last_position: int
    size_bytes: int
    created_ns: int
    sealed_ns: int


class Wal:
    """One log, open for appending and reading. All methods may be called from any thread."""

    def __init__(self, disk: Disk, writer: Writer, reader: WalReader, tail: LogTail) -> None:
        self.reader = reader
        self._disk = disk
        self._folder = tail.folder
        self._writer = writer
        self._removal_lock = threading.Lock()
        self._going: deque[LogSegment] = deque()
        self._cut_until = 0
        self._cannot_remove: str | None = None
        self._not_ours: str | None = None

    @classmethod
    def open(cls, disk: Disk, clock: Clock, config: WalConfig, start: WalStart, ports: WalPorts) -> "Wal":
        """Go on after a replay, in a new segment.

        Raises:
            StorageError: the folder cannot be written.
        """
        next_position = max(start.next_position, start.tail.next_position)
        reader = WalReader(disk, start.tail.segments, next_position - 1, config.cached_indexes)
        gate = Gate(start.open_generations, start.live_tables)
        log = LogFolder(disk, clock, config, start.tail, reader)
        writer = Writer(clock, config, log, reader, WriterPorts(gate, ports.planner, ports.observers))
        try:
            writer.start(next_position)
        except OSError as exc:
            raise StorageError(f"the log in {start.tail.folder} cannot be written: {exc}") from exc
        return cls(disk, writer, reader, start.tail)

    @property
    def next_position(self) -> int:
        """Return the lowest position that was not given yet."""
        return self._writer.next_position

    def append(self, entry: Entry) -> "Future[tuple[int, ...]]":
        """Let ``entry`` go to the log; the future resolves with the positions of its records when they are durable.

        The future fails with what the entry's ``admit`` raised, ``GenerationClosed``, ``TableGone``, or ``SyncFailed``;
        after the latter nobody will ever read these records, unless the server dies before the next write.

        Raises:
            Unavailable: too much waits already, or the log is closed.
        """
        self._check_ours()
        return self._writer.append(entry)

    def append_from(self, source: Source) -> None:
        """Let ``source.take`` be called once, as soon as the next group is made: what it returns goes with that one.

        Raises:
            Unavailable: the log is closed.
        """
        self._check_ours()
        self._writer.append_from(source)

    def refuse(self, reason: str) -> None:
        """Take no more entries, because the data belongs to another server now."""
        self._not_ours = reason

    def rotate(self) -> "Future[None]":
        """Seal the segment that is written, unless it is empty; the future resolves when a new one is begun."""
        return self._writer.rotate()

    def close(self) -> None:
        """Write what waits, and end; a second call does nothing."""
        self._writer.stop()

    def sealed_segments(self) -> tuple[SegmentFacts, ...]:
        """Return the segments that are not written any more, from the oldest on."""
        segments = self.reader.segments
        return tuple([_facts(s, after.created_ns) for s, after in pairwise(segments)])

    def tables_in(self, facts: SegmentFacts) -> Mapping[int, int]:
        """Return, for each table with rows in a sealed segment, the position of its last ones there.

        An old segment is read for that when it is asked for the first time after a start; one that went has no tables.

        Raises:
            WalCorrupt: it had to be read and is damaged.
        """
        found = [s for s in self.reader.segments if s.first_position == facts.first_position]
        return self.reader.tables_in(found[0]) if found else {}

    def remove_before(self, position: int) -> int:
        """Remove the sealed segments all of whose records stand before ``position``; return how many went.

        They go one by one, the oldest first and each durably, so that a crash never leaves a gap. Who has one mapped keeps
        it. Those that stay give back what they reserve behind their ends, which the writer has no time for.
        ``OSError`` if the disk fails; those that are left go with a later call.
        """
        with self._removal_lock:
            for facts in self.sealed_segments():
                if facts.last_position >= position:
                    break
                self._going.append(self.reader.forget_oldest())
            removed = 0
            while self._going:
                self._remove(self._going[0])
                self._going.popleft()
                removed += 1
            self._cut_sealed()
            return removed

    def _cut_sealed(self) -> None:
        for segment in self.reader.segments:
            if segment.end is not None and not segment.is_lost and segment.first_position > self._cut_until:
                cut_segment(self._disk, segment.path, segment.end.end_offset)
                self._cut_until = segment.first_position

    def _check_ours(self) -> None:
        if self._not_ours is not None:
            raise Unavailable(f"nothing can be written: {self._not_ours}")

    def _remove(self, segment: LogSegment) -> None:
        if self._cannot_remove is not None:
            raise OSError(f"no segment can be removed since a sync failed: {self._cannot_remove}")
        if self._disk.exists(segment.path):
            self._disk.remove(segment.path)
        try:
            self._disk.sync_folder(self._folder)
        except OSError as exc:  # whether this one is gone is unknown, so no other may go
            self._cannot_remove = str(exc)
            raise


def _facts(segment: LogSegment, sealed_ns: int) -> SegmentFacts:
    end = segment.end
    assert end is not None, "only the newest segment has no end"
    return SegmentFacts(segment.first_position, end.last_position, end.end_offset, segment.created_ns, sealed_ns)
