"""Begins and ends backfills: pins the rows, notes in the log what goes on, keeps what became of it."""

import logging
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from engine.catalog.state import INTERNAL_DATABASE
from engine.disk import Disk
from engine.errors import AlreadyExists, EngineError, NotFound, SyncFailed, Unavailable
from engine.lineprotocol.lines import Line
from engine.model.backfill import BackfillRequest, BackfillStatus, Outcome, Span
from engine.model.ids import draw_id
from engine.storage.consumers import Backfill, Consumer, Consumers
from engine.storage.history import Histories
from engine.storage.manifest import FileEntry
from engine.storage.schemas import Schemas
from engine.triggers.activation import Activation
from engine.triggers.backfill_feed import BackfillFeed, FeedSide
from engine.triggers.consumer import WriteConsumer
from engine.triggers.limits import merged
from engine.triggers.records import BACKFILLS, line
from engine.triggers.toolbox import Toolbox
from engine.triggers.work import Subject
from engine.wal.format import BackfillPlan, BackfillRecord, Record, RowsRecord
from engine.wal.ports import Entry, GenerationClosed
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

END_AGAIN_S = 1.0
_T = TypeVar("_T")


class StoredRows(Protocol):
    """Knows the Parquet files of tables."""

    def intact_files(self, table_id: int) -> Sequence[FileEntry]:
        """Return the files of a table that can be read."""

    def with_all_stored(self, use: Callable[[int], _T]) -> _T:
        """Return what ``use`` makes of the position up to which all rows are in files; meanwhile none of them goes."""


@dataclass(frozen=True, slots=True)
class BackfillSide:
    """What backfills are made of."""

    disk: Disk
    histories: Histories
    stored: StoredRows
    now_ns: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Target:
    """A write trigger and the tables that it watches."""

    database_id: int
    database: str
    trigger_id: int
    name: str
    tables: Container[int]


class Backfills:
    """The backfills of all triggers; each trigger has one at most.

    Without ``tools`` (a server without plugin folder) they begin and end all the same, and wait.
    """

    def __init__(
        self, wal: Wal, schemas: Schemas, consumers: Consumers, side: BackfillSide, tools: Toolbox | None
    ) -> None:
        self._wal = wal
        self._schemas = schemas
        self._consumers = consumers
        self._side = side
        self._tools = tools
        self._lock = threading.Lock()

    def clean_up(self) -> None:
        """Let go of rows that a crash left pinned."""
        self._side.histories.keep_only(c.backfill.backfill_id for c in self._consumers.open_ones() if c.backfill)

    def begin(self, target: Target, request: BackfillRequest) -> BackfillStatus:
        """Begin to send stored rows through a trigger once more; what is written meanwhile is delivered in between.

        Raises:
            AlreadyExists: the trigger is off, or a backfill of it goes on.
        """

        def append(record: BackfillRecord, until: int) -> None:
            self._wal.append(Entry([record])).result()

        with self._lock:
            going = self.open_consumer(target).backfill
            if going is not None:
                raise AlreadyExists(
                    f"a backfill of trigger {target.name} goes on ({going.progress.count} of {going.plan.rows} rows "
                    f"are done): wait for its end, or end it with influxdb3 delete backfill {target.name}"
                )
            return self._begin(target, request, live_waits=False, append=append)

    def begin_anew(
        self, target: Target, request: BackfillRequest, reopen: Callable[[Sequence[Record], int], None]
    ) -> BackfillStatus:
        """Begin a new generation of a trigger with stored rows; all else waits until they are done.

        ``reopen`` puts the records that close and open its consumer into the log, together with those it is given; the
        new one shall start behind the position that it is given.
        """
        with self._lock:
            self.open_consumer(target)
            return self._begin(target, request, live_waits=True, append=lambda record, until: reopen([record], until))

    def open_consumer(self, target: Target) -> Consumer:
        """Return the consumer of a trigger that is on.

        Raises:
            AlreadyExists: it is off.
        """
        consumer = self._consumers.get(target.trigger_id)
        if consumer is None:
            raise AlreadyExists(
                f"trigger {target.name} is disabled, so nothing can be delivered to it: enable it first"
            )
        return consumer

    def status(self, target: Target) -> BackfillStatus | None:
        """Return the backfill of a trigger that goes on, if any."""
        consumer = self._consumers.get(target.trigger_id)
        return _status(target, consumer.backfill) if consumer and consumer.backfill else None

    def attach(self, subject: Subject, consumer: Consumer, activation: Activation, writes: WriteConsumer) -> None:
        """Let the backfill of a trigger that is on go on, if it has one and that does not go on already."""
        backfill, tools = consumer.backfill, self._tools
        if backfill is None or tools is None or writes.has_history:
            return

        def end(outcome: Outcome, reason: str) -> None:
            tools.aside(lambda: self._end(subject, consumer.generation, backfill, writes, (outcome, reason)))

        try:
            history = self._side.histories.open(backfill.backfill_id)
        except (EngineError, OSError) as cause:
            end(Outcome.FAILED, str(cause))
            return
        limits = merged(subject.definition.limits, tools.limits.limits)
        most_rows = limits.max_rows_per_run or backfill.plan.batch_rows
        side = FeedSide(
            subject,
            self._side.disk,
            self._schemas,
            self._wal,
            self._side.now_ns,
            batch_rows=min(backfill.plan.batch_rows, most_rows),
            ahead=min(activation.side_by_side, 2),
            on_ready=writes.pump,
            on_end=end,
        )
        writes.begin_history(BackfillFeed(history, backfill, side))

    def cancel(self, target: Target, writes: WriteConsumer | None) -> None:
        """End the backfill of a trigger before its time; what runs ends, and counts.

        Raises:
            NotFound: none goes on.
        """
        self._wal.append(Entry([])).result()  # so that the commits before are counted
        consumer = self._consumers.get(target.trigger_id)
        if consumer is None or consumer.backfill is None:
            raise NotFound(f"no backfill of trigger {target.name} goes on")
        backfill = consumer.backfill
        record = BackfillRecord(
            target.trigger_id, consumer.generation, backfill.backfill_id, outcome=Outcome.CANCELLED.value
        )
        rows = self.ended_rows(target.database, target.name, consumer, Outcome.CANCELLED)
        self._wal.append(Entry([*rows, record])).result()  # in this order, so that it is always shown
        self._end_history(writes, backfill)
        logger.info("a backfill was cancelled: trigger=%s", target.name)

    def _end_history(self, writes: WriteConsumer | None, backfill: Backfill) -> None:
        """Let go of the rows of a backfill, when no run needs them any more."""

        def remove() -> None:
            self._side.histories.remove(backfill.backfill_id)

        if writes is None:
            remove()
        else:
            writes.end_history(remove)

    def ended_rows(
        self, database: str, trigger: str, consumer: Consumer, outcome: Outcome, reason: str = ""
    ) -> list[Record]:
        """Return the row that tells how the backfill of ``consumer`` ended, for the log; none if it has no backfill."""
        backfill = consumer.backfill
        if backfill is None or self._tools is None:
            return []
        row = _ended_line(database, trigger, backfill, (outcome, reason), self._tools.stamps.next())
        return [RowsRecord(payload) for payload in self._tools.writes.prepare_lines(INTERNAL_DATABASE, [row])]

    def let_go(self, consumer: Consumer) -> None:
        """Let go of the rows of a consumer that is closed."""
        if consumer.backfill is not None:
            self._side.histories.remove(consumer.backfill.backfill_id)

    def _begin(
        self,
        target: Target,
        request: BackfillRequest,
        *,
        live_waits: bool,
        append: Callable[[BackfillRecord, int], None],
    ) -> BackfillStatus:
        def begin(until: int) -> BackfillStatus:
            histories, span = self._side.histories, request.span
            backfill_id = draw_id(self._ids())
            history = histories.pin(backfill_id, self._files(target), span)
            plan = BackfillPlan(
                span.start_ns, span.end_ns, until, history.rows, request.batch_rows, live_waits, self._side.now_ns()
            )
            try:
                append(BackfillRecord(target.trigger_id, 0, backfill_id, plan), until)
            except SyncFailed:
                raise  # nobody knows whether the log holds it; the next start does
            except GenerationClosed as closed:
                histories.remove(backfill_id)
                raise AlreadyExists(f"trigger {target.name} was disabled meanwhile") from closed
            except EngineError:
                histories.remove(backfill_id)
                raise
            logger.info("a backfill began: trigger=%s rows=%d", target.name, history.rows)
            consumer = self._consumers.get(target.trigger_id)
            begun = consumer.backfill if consumer else None
            if begun is None:
                raise AlreadyExists(f"trigger {target.name} was disabled meanwhile")
            return _status(target, begun)

        return self._side.stored.with_all_stored(begin)

    def _files(self, target: Target) -> Iterable[FileEntry]:
        for schema in self._schemas.tables_of(target.database_id):
            if schema.table_id in target.tables:
                yield from self._side.stored.intact_files(schema.table_id)

    def _ids(self) -> set[int]:
        return {c.backfill.backfill_id for c in self._consumers.open_ones() if c.backfill}

    def _end(
        self,
        subject: Subject,
        generation: int,
        backfill: Backfill,
        writes: WriteConsumer,
        how: tuple[Outcome, str],
    ) -> None:
        trigger_id = subject.definition.trigger_id
        outcome, reason = how
        try:
            self._wal.append(Entry([])).result()  # so that the commits before are counted
            consumer = self._consumers.get(trigger_id)
            known = consumer.backfill if consumer and consumer.generation == generation else None
            if consumer is None or known is None or known.backfill_id != backfill.backfill_id:
                return
            record = BackfillRecord(trigger_id, generation, backfill.backfill_id, outcome=outcome.value)
            rows = self.ended_rows(subject.database, subject.definition.name, consumer, outcome, reason)
            self._wal.append(Entry([*rows, record])).result()  # in this order, so that it is always shown
        except (SyncFailed, Unavailable):
            assert self._tools is not None
            self._tools.timers.after(END_AGAIN_S, lambda: self._end(subject, generation, backfill, writes, how))
            return
        except GenerationClosed:
            return
        self._end_history(writes, backfill)
        name = subject.definition.name
        (logger.error if reason else logger.info)("a backfill ended: trigger=%s %s %s", name, outcome.value, reason)


def _status(target: Target, backfill: Backfill) -> BackfillStatus:
    plan = backfill.plan
    return BackfillStatus(
        backfill.backfill_id,
        target.name,
        Span(plan.start_ns, plan.end_ns),
        plan.live_waits,
        plan.batch_rows,
        plan.rows,
        backfill.progress.count,
        plan.began_ns,
    )


def _ended_line(database: str, trigger: str, backfill: Backfill, how: tuple[Outcome, str], time_ns: int) -> Line:
    plan = backfill.plan
    fields: dict[str, str | int] = {
        "database_name": database,
        "trigger_name": trigger,
        "backfill_id": backfill.backfill_id,
        "state": how[0].value,
        "error": how[1],
        "rows_total": plan.rows,
        "rows_done": backfill.progress.count,
        "batch_rows": plan.batch_rows,
        "live_waits": "true" if plan.live_waits else "false",
        "began": plan.began_ns,
    }
    bounds = {"start_time": plan.start_ns, "end_time": plan.end_ns}
    fields |= {name: bound for name, bound in bounds.items() if bound is not None}
    return line(BACKFILLS, fields, time_ns)
