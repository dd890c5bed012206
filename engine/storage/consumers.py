"""What the log says of each trigger: since when it is on, how far it got, what its runs left in the cache."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import msgspec

from engine.host.protocol import NamespaceChange, NamespaceSync, StateValue
from engine.model.progress import Progress
from engine.sealed import decode_sealed, open_sealed, seal
from engine.storage.state import Namespace, NamespaceRecord, from_records, to_records
from engine.wal.format import (
    NOBODY,
    BackfillPlan,
    BackfillRecord,
    CommitRecord,
    ConsumerRecord,
    Record,
    SkippedRecord,
    StartedRecord,
)

MAGIC = b"I3CP"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill that goes on; ``progress`` counts its rows."""

    backfill_id: int
    plan: BackfillPlan
    progress: Progress


@dataclass(frozen=True, slots=True)
class Consumer:
    """An open consumer: one trigger in one generation.

    Attributes:
        generation: the position of the record that opened it.
        last_due_ns: the newest due time that was committed, ``None`` before the first.
        started: due times of runs that began and were not committed, by run id.
        missed_rows: so many rows left the log before they could be delivered (``--wal-retention-size``, ``-age``).
        backfill: the one that goes on, if any.
    """

    trigger_id: int
    generation: int
    progress: Progress
    last_due_ns: int | None = None
    started: dict[str, int] = field(default_factory=dict)
    missed_rows: int = 0
    backfill: Backfill | None = None


def namespace_of(trigger_id: int, generation: int) -> str:
    """Return the name of a trigger's cache namespace; another generation is another namespace."""
    return f"{trigger_id}:{generation}"


class Consumers:
    """The open consumers and the committed state, as of one position of the log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Consumer] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._applied_until = 0

    def apply(self, position: int, record: Record) -> None:
        """Take over a durable record; records of other kinds only move the position on."""
        with self._lock:
            if isinstance(record, CommitRecord):
                self._commit(position, record)
            elif isinstance(record, StartedRecord):
                self._started(record)
            elif isinstance(record, SkippedRecord):
                self._skipped(record)
            elif isinstance(record, BackfillRecord):
                self._backfill(record)
            elif isinstance(record, ConsumerRecord):
                self._open_or_close(position, record)
            self._applied_until = position

    def pass_by(self, position: int) -> None:
        """Take note that everything up to ``position`` was taken over, or concerns nobody here."""
        with self._lock:
            self._applied_until = position

    def get(self, trigger_id: int) -> Consumer | None:
        """Return the open consumer of a trigger, ``None`` while it is closed."""
        return self._open.get(trigger_id)

    def open_ones(self) -> list[Consumer]:
        """Return all open consumers."""
        with self._lock:
            return list(self._open.values())

    def namespace(self, name: str, since: int) -> NamespaceSync | None:
        """Return what a host that knows version ``since`` of a namespace lacks; ``None`` = nothing."""
        with self._lock:
            known = self._namespaces.get(name)
            return known.since(name, since) if known else None

    def values(self, name: str) -> list[StateValue]:
        """Return the committed values of a namespace, by key; also those that have expired since."""
        with self._lock:
            known = self._namespaces.get(name)
            stored = known.values.values() if known else ()
            return sorted((s.value for s in stored if not s.is_gone), key=lambda value: value.key)

    def version(self, name: str) -> int:
        """Return the version of a namespace, 0 while nothing was committed to it."""
        known = self._namespaces.get(name)
        return known.version if known else 0

    def checkpoint(self, now_ns: int, idle_low: Callable[[int], int | None]) -> tuple[int, bytes]:
        """Return the position up to which everything is included, and the bytes of a checkpoint file.

        ``idle_low`` tells for a trigger id how far its consumer got past records that do not concern it, if it knows.
        """
        with self._lock:
            until = self._applied_until
            consumers = [_advanced(c, idle_low(c.trigger_id)) for c in self._open.values()]
            namespaces = to_records(self._namespaces, now_ns)
        body = _Body(until, [_record(c) for c in consumers], namespaces)
        return until, seal(MAGIC, VERSION, msgspec.msgpack.encode(body))

    def load(self, data: bytes, where: str) -> int:
        """Take over a checkpoint file; return the position up to which it holds everything.

        Raises:
            ManifestCorrupt: it is damaged, or was written by a newer version.
        """
        body = decode_sealed(open_sealed(MAGIC, VERSION, data, where), _Body, where)
        self._open = {c.trigger_id: _consumer(c) for c in body.consumers}
        self._namespaces = from_records(body.namespaces)
        self._applied_until = body.until
        return body.until

    def _commit(self, position: int, record: CommitRecord) -> None:
        if record.trigger_id == NOBODY:
            self._change(position, [c for c in record.changes if c.namespace in self._namespaces])
            return
        consumer = self._open.get(record.trigger_id)
        if consumer is None or consumer.generation != record.generation:
            return
        progress = consumer.progress
        for low, high in record.ranges:
            progress = progress.add(low, high)
        started = {run: due for run, due in consumer.started.items() if run != record.run_id}
        last_due = consumer.last_due_ns
        if record.due_ns is not None:
            started = {run: due for run, due in started.items() if due != record.due_ns}
            last_due = max(record.due_ns, last_due or 0)
        self._open[record.trigger_id] = replace(consumer, progress=progress, started=started, last_due_ns=last_due)
        self._change(position, record.changes)

    def _change(self, position: int, changes: Iterable[NamespaceChange]) -> None:
        for change in changes:
            self._namespaces.setdefault(change.namespace, Namespace()).apply(position, change)

    def _started(self, record: StartedRecord) -> None:
        consumer = self._open.get(record.trigger_id)
        if consumer is not None and consumer.generation == record.generation:
            started = {**consumer.started, record.run_id: record.due_ns}
            self._open[record.trigger_id] = replace(consumer, started=started)

    def _skipped(self, record: SkippedRecord) -> None:
        consumer = self._open.get(record.trigger_id)
        if consumer is not None and consumer.generation == record.generation:
            progress = Progress.of(consumer.progress.low, (*consumer.progress.finished, *record.ranges))
            missed_rows = consumer.missed_rows + record.rows
            self._open[record.trigger_id] = replace(consumer, progress=progress, missed_rows=missed_rows)

    def _backfill(self, record: BackfillRecord) -> None:
        consumer = self._open.get(record.trigger_id)
        if consumer is None or record.generation not in (0, consumer.generation):
            return
        known = consumer.backfill
        if record.plan is not None:
            known = Backfill(record.backfill_id, record.plan, Progress(0))
        elif known is None or known.backfill_id != record.backfill_id:
            return
        elif record.outcome:
            known = None
        else:
            known = replace(known, progress=Progress.of(known.progress.low, (*known.progress.finished, *record.ranges)))
        self._open[record.trigger_id] = replace(consumer, backfill=known)

    def _open_or_close(self, position: int, record: ConsumerRecord) -> None:
        closed = self._open.pop(record.trigger_id, None)
        if closed is not None:
            self._namespaces.pop(namespace_of(closed.trigger_id, closed.generation), None)
        if record.opened:
            self._open[record.trigger_id] = Consumer(record.trigger_id, position, Progress(record.start or position))


class _Backfill(msgspec.Struct, array_like=True):
    backfill_id: int
    plan: BackfillPlan
    low: int
    finished: list[tuple[int, int]]


class _ConsumerRecord(msgspec.Struct, array_like=True):
    trigger_id: int
    generation: int
    low: int
    finished: list[tuple[int, int]]
    last_due_ns: int | None
    started: dict[str, int]
    missed_rows: int = 0
    backfill: _Backfill | None = None


class _Body(msgspec.Struct):
    until: int
    consumers: list[_ConsumerRecord]
    namespaces: list[NamespaceRecord]


def _advanced(consumer: Consumer, low: int | None) -> Consumer:
    if low is None or low <= consumer.progress.low:
        return consumer
    return replace(consumer, progress=consumer.progress.add(consumer.progress.low + 1, low))


def _record(c: Consumer) -> _ConsumerRecord:
    finished = list(c.progress.finished)
    b = c.backfill
    backfill = None if b is None else _Backfill(b.backfill_id, b.plan, b.progress.low, list(b.progress.finished))
    return _ConsumerRecord(
        c.trigger_id, c.generation, c.progress.low, finished, c.last_due_ns, dict(c.started), c.missed_rows, backfill
    )


def _consumer(r: _ConsumerRecord) -> Consumer:
    progress = Progress(r.low, tuple(r.finished))
    b = r.backfill
    backfill = None if b is None else Backfill(b.backfill_id, b.plan, Progress(b.low, tuple(b.finished)))
    return Consumer(r.trigger_id, r.generation, progress, r.last_due_ns, dict(r.started), r.missed_rows, backfill)
