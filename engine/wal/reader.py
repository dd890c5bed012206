"""Finds rows in the log from a position on, for consumers at its head as well as for those far behind."""

import threading
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from engine.disk import Disk
from engine.wal.format import PayloadAt, scan_payloads
from engine.wal.frames import SegmentEnd, SegmentHeader
from engine.wal.index import SegmentIndex
from engine.wal.ports import PayloadLocation, RowsRef
from engine.wal.segments import Segment, missing, walk


class LogSegment:
    """What readers know of a segment; ``end`` is ``None`` while it is written."""

    def __init__(self, path: Path, first_position: int, header: SegmentHeader | None) -> None:
        self.path = path
        self.path_text = str(path)
        self.first_position = first_position
        self.header = header
        self.end: SegmentEnd | None = None
        self.is_lost = False
        self.created_ns = header.created_ns if header else 0
        self.index: SegmentIndex | None = None
        self.tables: Mapping[int, int] | None = None

    @classmethod
    def sealed(cls, segment: Segment) -> "LogSegment":
        """Return what a replay found."""
        known = cls(segment.path, segment.first_position, segment.header)
        known.end = segment.end
        known.is_lost = segment.is_lost
        return known

    @classmethod
    def live(cls, path: Path, header: SegmentHeader) -> "LogSegment":
        """Return a segment that is about to be written."""
        known = cls(path, header.first_position, header)
        known.index = SegmentIndex()
        known.tables = known.index.tables
        return known


class WalReader:
    """Reads row payloads of the log; safe in any thread, also while the log grows and old segments go.

    Of the segment that is written, and of a few others, the index is in memory; that of older ones is made by scanning
    them when somebody asks.
    """

    def __init__(self, disk: Disk, sealed: Sequence[Segment], head: int, cached_indexes: int) -> None:
        self._disk = disk
        self._segments = tuple(LogSegment.sealed(s) for s in sealed)
        self._head = head
        self._most_cached = cached_indexes
        self._cached: OrderedDict[Path, LogSegment] = OrderedDict()
        self._lock = threading.Lock()
        self._scan_lock = threading.Lock()

    @property
    def head(self) -> int:
        """Return a position up to which every record is durable and can be read: that of the last one, 0 in a new log."""
        return self._head

    @property
    def segments(self) -> tuple[LogSegment, ...]:
        """Return the segments from the oldest to the one that is written."""
        return self._segments

    def rows_after(self, position: int, table_ids: Container[int], limit_rows: int | None = None) -> Iterator[RowsRef]:
        """Yield the row payloads above ``position`` of the tables ``table_ids``, in the order of the log.

        Ends at the head, or behind the record with which ``limit_rows`` rows are reached: a record is given whole.

        Raises:
            WalCorrupt: an old segment that is needed is damaged.
        """
        rows, last = 0, -1
        for segment in self._segments:
            if segment.end is not None and segment.end.last_position <= position:
                continue
            for p in self._index_of(segment).payloads_after(position, table_ids):
                if limit_rows is not None and rows >= limit_rows and p.position != last:
                    return
                location = PayloadLocation(segment.path_text, p.offset, p.length)
                yield RowsRef(p.position, p.table_id, p.version, p.row_count, p.encoding, p.chain, location)
                rows, last = rows + p.row_count, p.position

    def tables_in(self, segment: LogSegment) -> Mapping[int, int]:
        """Return, for each table with rows in ``segment``, the position of its last ones there.

        Raises:
            WalCorrupt: the segment had to be read and is damaged.
        """
        if segment.tables is None:
            segment.tables = self._index_of(segment).tables
        return segment.tables

    # What the writer tells

    def begin(self, segment: LogSegment, previous_end: SegmentEnd | None) -> None:
        """Take note that ``segment`` is written from now on, and where the one before it ended."""
        with self._lock:
            if self._segments and self._segments[-1].end is None:
                sealed = self._segments[-1]
                sealed.end = previous_end
                self._keep(sealed)
            self._segments = (*self._segments, segment)

    def publish(self, payloads: Sequence[PayloadAt], head: int) -> None:
        """Add what became durable in the segment that is written."""
        index = self._segments[-1].index
        assert index is not None
        index.extend(payloads)
        self._head = head

    def forget_oldest(self) -> LogSegment:
        """Take the oldest segment, which is sealed, out of what can be read, and return it."""
        with self._lock:
            oldest, *rest = self._segments
            self._segments = tuple(rest)
            self._cached.pop(oldest.path, None)
            return oldest

    # Indexes of old segments

    def _index_of(self, segment: LogSegment) -> SegmentIndex:
        index = segment.index
        if index is not None:
            if segment.path in self._cached:
                self._keep_again(segment)
            return index
        with self._scan_lock:
            return segment.index or self._scan(segment)

    def _scan(self, segment: LogSegment) -> SegmentIndex:
        index = SegmentIndex()
        try:
            view = self._disk.map(segment.path)
        except FileNotFoundError as exc:
            if segment in self._segments:
                raise missing(segment.path) from exc
            return index  # it went while somebody was about to read it: the log's owner decided that it may
        found = Segment(segment.path, segment.first_position, segment.header, segment.end, segment.is_lost)
        for frame in walk(found, view):
            index.extend(scan_payloads(view, frame.start, frame.end))
        with self._lock:
            segment.index = index
            segment.tables = index.tables
            self._keep(segment)
        return index

    def _keep_again(self, segment: LogSegment) -> None:
        with self._lock:
            if segment.path in self._cached:
                self._cached.move_to_end(segment.path)

    def _keep(self, segment: LogSegment) -> None:
        self._cached[segment.path] = segment
        while len(self._cached) > self._most_cached:
            _, oldest = self._cached.popitem(last=False)
            oldest.index = None
