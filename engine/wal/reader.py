"""Finds rows in the log from a position on, for consumers at its head as well as for those far behind."""

import threading
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from engine.disk import Disk
from engine.wal.format import PayloadAt, scan_payloads
from engine.wal.frames import SegmentEnd, SegmentHeader
from engine.wal.index import SegmentIndex, TableTotals, add_totals
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
        self.totals: Mapping[int, TableTotals] | None = None

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
            if not _may_hold(segment, position, table_ids):
                continue
            for ref in _refs(segment, self._index_of(segment), position, table_ids):
                if limit_rows is not None and rows >= limit_rows and ref.position != last:
                    return
                yield ref
                rows, last = rows + ref.row_count, ref.position

    def rows_at_hand(self, position: int, table_ids: Container[int], limit_rows: int) -> list[RowsRef] | None:
        """Return what ``rows_after`` yields, as far as no old segment has to be read for it.

        ``None``: an old one has to be read before anything can be told, see ``load``.
        """
        found: list[RowsRef] = []
        rows = 0
        for segment in self._segments:
            if not _may_hold(segment, position, table_ids):
                continue
            index = segment.index
            if index is None:
                return found or None
            self._note_use(segment)
            for ref in _refs(segment, index, position, table_ids):
                if rows >= limit_rows and ref.position != found[-1].position:
                    return found
                found.append(ref)
                rows += ref.row_count
        return found

    def load(self, position: int, table_ids: Container[int]) -> None:
        """Read the old segment with the next rows above ``position``, so that ``rows_at_hand`` finds them.

        Raises:
            WalCorrupt: an old segment is damaged.
        """
        for segment in self._segments:
            if _may_hold(segment, position, table_ids):
                self._index_of(segment)
                if _may_hold(segment, position, table_ids):  # its tables are known now
                    return

    def totals(self, first: int, last: int) -> dict[int, TableTotals]:
        """Return how much there is of each table between two positions, both included.

        Raises:
            WalCorrupt: an old segment that is needed is damaged.
        """
        found: dict[int, TableTotals] = {}
        for segment in self._segments:
            begin, end = segment.first_position, segment.end.last_position if segment.end else self._head
            if begin > last or end < first:
                continue
            if segment.end is None or first > begin or last < end:
                add_totals(found, self._index_of(segment).totals(first, last))
                continue
            if segment.totals is None:
                segment.totals = self._index_of(segment).totals(begin, end)
            add_totals(found, segment.totals)
        return found

    def created_ns(self, position: int) -> int | None:
        """Return when the segment that holds ``position`` was begun, ``None`` if it went."""
        found = [s for s in self._segments if s.first_position <= position]
        return found[-1].created_ns if found else None

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
            self._note_use(segment)
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

    def _note_use(self, segment: LogSegment) -> None:
        if segment.path not in self._cached:
            return
        with self._lock:
            if segment.path in self._cached:
                self._cached.move_to_end(segment.path)

    def _keep(self, segment: LogSegment) -> None:
        self._cached[segment.path] = segment
        while len(self._cached) > self._most_cached:
            _, oldest = self._cached.popitem(last=False)
            oldest.index = None


def _refs(segment: LogSegment, index: SegmentIndex, position: int, table_ids: Container[int]) -> Iterator[RowsRef]:
    for p in index.payloads_after(position, table_ids):
        location = PayloadLocation(segment.path_text, p.offset, p.length)
        yield RowsRef(p.position, p.table_id, p.version, p.row_count, p.encoding, p.chain, location)


def _may_hold(segment: LogSegment, position: int, table_ids: Container[int]) -> bool:
    """Tell whether ``segment`` may have rows above ``position`` of these tables."""
    if segment.end is None:
        return True
    if segment.end.last_position <= position:
        return False
    return segment.tables is None or any(last > position and one in table_ids for one, last in segment.tables.items())
