"""Tells how far triggers are behind the log: what waits for them, and since when."""

import threading
from bisect import bisect_right
from collections.abc import Container, Iterable, Sequence
from typing import Protocol

from engine.clock import Clock
from engine.model.progress import Lag, Progress, Range
from engine.storage.consumers import Consumer
from engine.wal.index import TableTotals
from engine.wal.ports import DurableRecord

MARK_EVERY_NS = 250_000_000
MOST_MARKS = 8192


class LogTotals(Protocol):
    """Counts what stands in the log."""

    @property
    def head(self) -> int:
        """Return the position of the last record."""

    def totals(self, first: int, last: int) -> dict[int, TableTotals]:
        """Return how much there is of each table between two positions, both included."""

    def created_ns(self, position: int) -> int | None:
        """Return when the segment that holds ``position`` was begun, ``None`` if it went."""


class LogTimes:
    """Remembers about when records became durable (port ``FlushObserver``), to a quarter of a second and in bounded memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._positions: list[int] = []
        self._times_ns: list[int] = []

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """Note the time of the first of ``records``, unless one was noted just before."""
        now_ns = self._clock.now_ns()
        if not records or (self._times_ns and 0 <= now_ns - self._times_ns[-1] < MARK_EVERY_NS):
            return
        with self._lock:
            self._positions.append(records[0].position)
            self._times_ns.append(now_ns)
            if len(self._positions) > MOST_MARKS:  # older marks get sparse
                half = MOST_MARKS // 2
                self._positions[:half] = self._positions[:half:2]
                self._times_ns[:half] = self._times_ns[:half:2]

    def age_ns(self, position: int) -> int | None:
        """Return how long ago the record at ``position`` became durable, rather too much than too little."""
        with self._lock:
            number = bisect_right(self._positions, position)
            written_ns = self._times_ns[number - 1] if number else None
        return None if written_ns is None else max(0, self._clock.now_ns() - written_ns)

    def since_ns(self, time_ns: int) -> int:
        """Return how long ago ``time_ns`` was."""
        return max(0, self._clock.now_ns() - time_ns)


class Backlogs:
    """What waits in the log for triggers; asking costs next to nothing for one that has caught up."""

    def __init__(self, log: LogTotals, times: LogTimes) -> None:
        self._log = log
        self._times = times

    def lag(self, consumer: Consumer, tables: Container[int], idle_low: int | None) -> Lag:
        """Return how far ``consumer`` is behind; ``idle_low``: it got past records of others up to there."""
        head = self._log.head
        progress = consumer.progress
        if idle_low is not None and idle_low > progress.low:
            progress = progress.add(progress.low + 1, idle_low)
        waiting = self.waiting(progress.gaps(head), tables)
        # With nothing left for it, it is past everything.
        position = waiting.first - 1 if waiting.records else max(head, progress.low)
        return Lag(
            position=max(position, progress.low),
            head=head,
            rows=waiting.rows,
            records=waiting.records,
            oldest_age_ns=self._age_ns(waiting.first) if waiting.records else 0,
            missed_rows=consumer.missed_rows,
            finished_ranges=len(progress.finished),
        )

    def waiting(self, ranges: Iterable[Range], tables: Container[int]) -> TableTotals:
        """Return how much of ``tables`` there is in ``ranges``, and where it begins."""
        rows = records = first = 0
        for low, high in ranges:
            for table_id, found in self._log.totals(low, high).items():
                if table_id in tables:
                    rows, records = rows + found.rows, records + found.records
                    first = min(first or found.first, found.first)
        return TableTotals(rows, records, first)

    def _age_ns(self, position: int) -> int:
        age_ns = self._times.age_ns(position)
        if age_ns is not None:
            return age_ns
        created_ns = self._log.created_ns(position)
        return self._times.since_ns(created_ns) if created_ns else 0


def open_ranges(progress: Progress, until: int, taken: Iterable[Range]) -> tuple[Range, ...]:
    """Return the ranges up to ``until`` that are neither finished nor ``taken`` by runs."""
    return tuple(Progress.of(progress.low, (*progress.finished, *taken)).gaps(until))
