"""Feeds a data-write trigger from the log: forms batches from its position on, keeps several under way if it may."""

import logging
import threading
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.host.protocol import PayloadRef, TableBatch
from engine.model.progress import Progress, Range
from engine.storage.schemas import Schemas
from engine.triggers.activation import Activation
from engine.triggers.limits import merged
from engine.triggers.timers import Timer
from engine.triggers.work import Work
from engine.wal.ports import RowsRef

logger = logging.getLogger(__name__)

MOST_ROWS = 20_000
"""A batch ends with the record that reaches this number of rows."""

LOOP_PACE_NS = 1_000_000_000
"""How long a batch that only the trigger itself led to waits after the last such batch."""


class RowsSource(Protocol):
    """Reads rows back from the log."""

    def rows_at_hand(self, position: int, table_ids: Container[int], limit_rows: int) -> list[RowsRef] | None:
        """Return the next rows above ``position``, whole records, until ``limit_rows`` are reached.

        Only what is found without reading an old segment, which takes a while; ``None``: that is nothing, see ``load``.
        """

    def load(self, position: int, table_ids: Container[int]) -> None:
        """Read the old segment with the next rows above ``position``, so that they are at hand."""


class HistoryFeed(Protocol):
    """Prepares runs on stored rows.

    Attributes:
        live_waits: what is written meanwhile is delivered when it has ended.
    """

    live_waits: bool

    def start(self) -> None:
        """Begin to prepare runs."""

    def take(self) -> Work | None:
        """Return a run that is prepared, ``None`` if there is none now."""

    def finished(self, work: Work) -> None:
        """Take note that a run that was taken has ended."""

    def close(self, then: Callable[[], None] | None = None) -> None:
        """Prepare nothing more; call ``then`` when the runs that were taken have ended."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a consumer's rows come from, and which of them concern it."""

    rows: RowsSource
    schemas: Schemas
    tables: Callable[[], Container[int]]


class WriteConsumer:
    """Delivers what is written to a trigger's tables.

    It is woken after each sync that concerns it, and pumps: while a run may begin and rows wait, a batch goes out. A
    slow plugin just falls behind; the log is its queue. During a backfill batches of stored rows and of new ones take
    turns, unless the new ones shall wait.
    """

    def __init__(self, activation: Activation, feed: Feed, progress: Progress) -> None:
        self._activation = activation
        self._feed = feed
        self._lock = threading.Lock()
        self._skip = progress
        self._next = progress.low + 1
        self._under_way = 0
        self._taken: dict[int, tuple[Range, ...]] = {}
        self._is_reading = False
        self._history: HistoryFeed | None = None
        self._from_history: dict[int, HistoryFeed] = {}
        self._is_turn_of_history = False
        self._limit = merged(activation.subject.definition.limits, activation.tools.limits.limits).max_rows_per_run
        self._is_dirty = True
        self._pumping = False
        self._last_loop_ns = 0
        self._told_of_loop = False
        self._pace: Timer | None = None

    def wake(self, rows: Sequence[RowsRef]) -> None:
        """Take note of ``rows``, all that came for it in one frame; called by the log's writer before it acknowledges them.

        A consumer that has caught up and may run gets them without looking into the log again – unless it did so when
        they were just there: a run that ended at this moment made it look.
        """
        with self._lock:
            if rows[0].position < self._next:
                rows = [ref for ref in rows if ref.position >= self._next]
            if not rows:
                return
            at_once = not self._is_dirty and not self._pumping and self._may_run() and not self._live_waits
            self._is_dirty = True
            batch = self._within_limit(rows) if at_once else ()
            work = self._batch_of(batch) if batch else None
            if work is not None:
                self._is_dirty = len(batch) < len(rows)
                self._begin(work)
        if work is not None:
            self._execute(work)
        self.pump()

    def look_again(self) -> None:
        """Take what comes next from the log itself, with all that stands before it."""
        with self._lock:
            self._is_dirty = True

    @property
    def has_history(self) -> bool:
        """Return whether a backfill goes on."""
        return self._history is not None

    def begin_history(self, history: HistoryFeed) -> None:
        """Deliver what ``history`` prepares too, from now on."""
        with self._lock:
            self._history = history
        history.start()

    def close_history(self) -> None:
        """Prepare nothing more of a backfill, for the trigger stops; its new rows do not come instead."""
        if self._history is not None:
            self._history.close()

    def end_history(self, then: Callable[[], None]) -> None:
        """Deliver nothing more of a backfill; what runs ends, and counts; then call ``then``."""
        with self._lock:
            history, self._history = self._history, None
        if history is None:
            then()
        else:
            history.close(then)
            self.pump()

    @property
    def under_way(self) -> list[Range]:
        """Return the positions that runs work on at present."""
        with self._lock:
            return [one for ranges in self._taken.values() for one in ranges]

    def idle_low(self, seen_until: int) -> int | None:
        """Return the position up to which nothing is left to do, if the consumer has caught up with ``seen_until``."""
        with self._lock:
            if self._is_dirty or any(self._taken.values()):
                return None
            self._next = max(self._next, seen_until + 1)
            return seen_until

    def pump(self) -> None:
        """Send out as many batches as may run now."""
        while True:
            with self._lock:
                work = self._next_of_both() if not self._pumping and self._may_run() else None
                if work is None:
                    return
                self._begin(work)
            self._execute(work)

    def _read_aside(self) -> None:
        """Have old segments of the log read: not here, for this may be the thread of the log's writer."""
        if not self._is_reading:
            self._is_reading = True
            self._activation.tools.aside(self._read)

    def _read(self) -> None:
        try:
            self._feed.rows.load(self._next - 1, self._feed.tables())
        finally:
            with self._lock:
                self._is_reading = False
        self.pump()

    def _begin(self, work: Work) -> None:
        self._pumping = True
        self._under_way += 1
        self._taken[id(work)] = work.ranges
        self._is_turn_of_history = bool(work.ranges)
        if self._history is not None and not work.ranges:
            self._from_history[id(work)] = self._history

    def _execute(self, work: Work) -> None:
        try:
            self._activation.execute(work, self._finished)
        finally:
            with self._lock:
                self._pumping = False

    def _may_run(self) -> bool:
        return self._under_way < self._activation.side_by_side

    def _finished(self, work: Work) -> None:
        with self._lock:
            self._under_way -= 1
            del self._taken[id(work)]
            history = self._from_history.pop(id(work), None)
        if history is not None:
            history.finished(work)
        self.pump()

    @property
    def _live_waits(self) -> bool:
        return self._history is not None and self._history.live_waits

    def _next_of_both(self) -> Work | None:
        """Return the next batch: of new rows and of stored ones in turns, where there are both."""
        stored = self._history.take() if self._history is not None and self._is_turn_of_history else None
        if stored is not None:
            return stored
        live = self._next_work() if self._is_dirty and not self._live_waits else None
        return live or (self._history.take() if self._history is not None else None)

    def _next_work(self) -> Work | None:
        """Return the next batch, ``None`` if there is none or its time has not come."""
        most_rows = min(self._limit or MOST_ROWS, MOST_ROWS)
        found = self._feed.rows.rows_at_hand(self._next - 1, self._feed.tables(), most_rows)
        if found is None:
            self._read_aside()
            return None
        refs = [ref for ref in found if not self._skip.contains(ref.position)]
        if not found:
            self._is_dirty = False
            return None
        if not refs:
            self._next = found[-1].position + 1
            return self._next_work()
        return self._batch_of(self._within_limit(refs))

    def _within_limit(self, refs: Sequence[RowsRef]) -> Sequence[RowsRef]:
        """Return the first of ``refs``: whole records with no more rows than the trigger's runs may get, one at least."""
        if self._limit is None:
            return refs
        rows = 0
        for ref in refs:
            rows += ref.row_count
            if rows > self._limit and ref.position != refs[0].position:
                end = next(i for i, r in enumerate(refs) if r.position == ref.position)
                return refs[:end]
        return refs

    def _batch_of(self, refs: Sequence[RowsRef]) -> Work | None:
        """Return a run on ``refs``, the next rows; ``None`` if their time has not come."""
        if self._must_wait(refs):
            return None
        last = refs[-1].position
        ranges = ((self._next, last),)
        self._next = last + 1
        return self._work(refs, ranges)

    def _must_wait(self, refs: Sequence[RowsRef]) -> bool:
        """Hold back a batch that only this trigger led to, so that a plugin that feeds itself turns once a second."""
        own = self._activation.subject.definition.trigger_id
        if not all(own in ref.chain for ref in refs):
            return False
        tools = self._activation.tools
        now_ns = tools.clock.now_ns()
        self._tell_of_loop()
        due_ns = self._last_loop_ns + LOOP_PACE_NS
        if due_ns > now_ns:
            if self._pace is not None:
                self._pace.cancel()
            self._pace = tools.timers.at(due_ns, self.pump)
            return True
        self._last_loop_ns = now_ns
        return False

    def _tell_of_loop(self) -> None:
        if not self._told_of_loop:
            self._told_of_loop = True
            self._activation.tell(
                "WARN",
                f"trigger {self._activation.subject.definition.name} is triggered by its own writes; "
                "such batches are delivered once a second",
            )

    def _work(self, refs: Sequence[RowsRef], ranges: tuple[tuple[int, int], ...]) -> Work:
        by_table: dict[int, list[RowsRef]] = {}
        for ref in refs:
            by_table.setdefault(ref.table_id, []).append(ref)
        batches = [b for table_id, group in by_table.items() if (b := self._batch(table_id, group)) is not None]
        return Work(
            kind="wal",
            asked_ns=self._activation.tools.clock.now_ns(),
            ranges=ranges,
            batches=batches,
            rows_in=sum(ref.row_count for ref in refs),
            chain=tuple(sorted({t for ref in refs for t in ref.chain})),
        )

    def _batch(self, table_id: int, refs: Sequence[RowsRef]) -> TableBatch | None:
        schema = self._feed.schemas.by_id(table_id)
        if schema is None or schema.is_deleted:
            return None  # deleted meanwhile: its rows are skipped
        payloads = [
            PayloadRef(r.location.path, r.location.offset, r.location.length, int(r.encoding), r.version, r.row_count)
            for r in refs
        ]
        return TableBatch(schema.name, [(c.name, c.type.short) for c in schema.columns], payloads)
