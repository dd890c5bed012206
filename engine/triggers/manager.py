"""Makes what runs agree with the catalog: opens and closes consumers, starts and stops triggers."""

import logging
import math
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from engine.catalog.catalog import Catalog
from engine.catalog.changes import SetTriggerEnabled
from engine.catalog.state import CatalogState, Database
from engine.errors import (
    DatabaseNotFound,
    EngineError,
    EngineOff,
    InvalidRequest,
    NotFound,
    StorageError,
    TriggerIsOff,
    Unavailable,
)
from engine.host.protocol import RequestData
from engine.model.backfill import BackfillRequest, BackfillStatus, FromStored, Outcome, Span, StartPoint
from engine.model.progress import Lag
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import AllTablesSpec, CronSpec, EverySpec, RequestSpec, TableSpec, format_trigger_spec
from engine.plugins.places import NO_PLUGIN_DIR
from engine.storage.consumers import Consumer, Consumers
from engine.storage.schemas import Schemas
from engine.storage.truncation import Reader
from engine.triggers.activation import Activation
from engine.triggers.backfills import Backfills, BackfillSide, Target
from engine.triggers.consumer import Feed, RowsSource, WriteConsumer
from engine.triggers.lag import Backlogs, open_ranges
from engine.triggers.replies import SHUTTING_DOWN, Answered
from engine.triggers.requests import RequestQueue, Routes
from engine.triggers.schedule import timetable
from engine.triggers.scheduler import Schedule
from engine.triggers.toolbox import Toolbox
from engine.triggers.wakeups import TablesOfTrigger, WakeUps
from engine.triggers.work import Subject
from engine.wal.format import ConsumerRecord, Record, SkippedRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

OPEN_AT_HEAD = 0
"""As the start of a consumer: the position of the record that opens it."""


RECONCILE_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Active:
    """A trigger that is on, with the one source of its work."""

    activation: Activation
    source: WriteConsumer | Schedule | RequestQueue


@dataclass(frozen=True, slots=True)
class LogSide:
    """The parts of the engine that know what the log says; ``wake_ups`` is told of everything that becomes durable."""

    wal: Wal
    rows: RowsSource
    schemas: Schemas
    consumers: Consumers
    wake_ups: WakeUps
    backlogs: Backlogs
    backfills: BackfillSide


class TriggerManager:
    """Carries out what the catalog says of triggers: first the catalog changes, then the log, then what runs.

    Without ``tools`` (a server without plugin folder) consumers are opened and closed all the same, and nothing runs.
    """

    def __init__(self, catalog: Catalog, log: LogSide, tools: Toolbox | None) -> None:
        self._catalog = catalog
        self._log = log
        self._tools = tools
        self._lock = threading.RLock()
        self._active: dict[int, _Active] = {}
        self._closed = False
        self._idle_at_close: dict[int, int | None] = {}
        self._disabling: list[threading.Thread] = []
        self._to_seal: dict[int, Activation] = {}  # stopped ones whose commits may still be on their way
        self._stale: set[int] = set()  # of these the consumer is to be closed: it watches other tables now
        self._reached_ns: dict[int, int] = {}  # how far schedules got that are being changed
        self._backfills = Backfills(log.wal, log.schemas, log.consumers, log.backfills, tools)
        self.routes = Routes()
        self.wake_ups = log.wake_ups

    def start(self) -> None:
        """Bring consumers and triggers to what the catalog says, and follow its changes from now on."""
        self._backfills.clean_up()
        self.wake_ups.seen_until = self._log.wal.next_position - 1
        self.reconcile()
        self._catalog.subscribe(lambda old, new: self.reconcile())

    def request(self, path: str, request: RequestData) -> "Future[Answered]":
        """Hand ``request`` to the trigger of ``path``.

        Raises:
            NotFound: no trigger is enabled for it; ``TriggerIsOff`` if one is there.
            Unavailable: too many requests wait for it, or nothing runs here.
        """
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)
        if self._tools is None:
            raise Unavailable(NO_PLUGIN_DIR)
        try:
            return self.routes.owner(path).submit(request)
        except NotFound:
            off = self._disabled_on(path)
            if off is None:
                raise
            raise TriggerIsOff(f"not found: trigger {off} of this path is disabled") from None

    def _disabled_on(self, path: str) -> str | None:
        """Return the name of a disabled trigger that answers ``path`` when it is on."""
        triggers = (t for d in self._catalog.state.databases if not d.is_deleted for t in d.triggers)
        spec = RequestSpec(path)
        return next((t.name for t in triggers if not t.enabled and t.spec == spec), None)

    def check_on(self) -> None:
        """Raise ``EngineOff`` if nothing runs here."""
        if self._tools is None:
            raise EngineOff(NO_PLUGIN_DIR)

    def activation(self, trigger_id: int) -> Activation | None:
        """Return a trigger that is on, ``None`` if it is not."""
        one = self._active.get(trigger_id)
        return None if one is None or self._closed else one.activation

    def idle_low(self, trigger_id: int) -> int | None:
        """Return how far a trigger got past records that do not concern it; see ``Consumers.checkpoint``."""
        if self._closed:
            return self._idle_at_close.get(trigger_id)
        return self.wake_ups.idle_low(trigger_id)

    def readers(self) -> list[Reader]:
        """Return the write triggers that the log is kept for, as the last committed progress has them."""
        found = []
        for consumer in self._log.consumers.open_ones():
            known = self._catalog.state.trigger_by_id(consumer.trigger_id)
            if known is not None and isinstance(known[1].spec, TableSpec | AllTablesSpec):
                low = max(consumer.progress.low, self.idle_low(consumer.trigger_id) or 0)
                running = self.wake_ups.consumer(consumer.trigger_id)
                reading = min((first for first, _ in running.under_way), default=None) if running else None
                tables = self._tables(known[0].database_id, known[1])
                found.append(Reader(consumer.trigger_id, low, tables, reading))
        return found

    def missed(self, trigger_id: int, until: int) -> None:
        """Say, in the trigger's log, that rows up to ``until`` go from the log before the trigger has read them."""
        one = self._active.get(trigger_id)
        consumer = self._log.consumers.get(trigger_id)
        known = self._catalog.state.trigger_by_id(trigger_id)
        if consumer is None or known is None:
            return
        running = self.wake_ups.consumer(trigger_id)
        ranges = open_ranges(consumer.progress, until, running.under_way if running else ())
        rows = self._log.backlogs.waiting(ranges, self._tables(known[0].database_id, known[1])).rows
        if not rows:
            return
        # Counted before they go, so that no crash hides it.
        self._log.wal.append(Entry([SkippedRecord(trigger_id, consumer.generation, ranges, rows)])).result()
        text = (
            f"trigger {known[1].name} is too far behind: {rows} rows left the log before it read them "
            f"(--wal-retention-size, --wal-retention-age); {consumer.missed_rows + rows} since it was enabled"
        )
        logger.error("%s", text)
        if one is not None:
            one.activation.tell("ERROR", text)

    def lag(self, trigger_id: int) -> Lag | None:
        """Return how far a write trigger is behind; ``None`` for one that is off, and for other kinds."""
        consumer = self._log.consumers.get(trigger_id)
        known = self._catalog.state.trigger_by_id(trigger_id)
        if consumer is None or known is None or not isinstance(known[1].spec, TableSpec | AllTablesSpec):
            return None
        tables = self._tables(known[0].database_id, known[1])
        return self._log.backlogs.lag(consumer, tables, self.idle_low(trigger_id))

    def next_due(self, trigger_id: int) -> int | None:
        """Return when a schedule trigger is due next, in ns; ``None`` for one that is off or over, and for other kinds."""
        one = self._active.get(trigger_id)
        return one.source.next_due_ns if one is not None and isinstance(one.source, Schedule) else None

    def _tables(self, database_id: int, definition: TriggerDefinition) -> TablesOfTrigger:
        table = definition.spec.table if isinstance(definition.spec, TableSpec) else None
        return TablesOfTrigger(self._log.schemas, database_id, table)

    def close(self) -> None:
        """Give no more work to plugins; what runs is interrupted when the executor is closed, and not counted as done."""
        with self._lock:
            self._idle_at_close = {trigger_id: self.wake_ups.idle_low(trigger_id) for trigger_id in self._active}
            self._closed = True
            active, self._active = self._active, {}
        for trigger_id, one in active.items():
            one.activation.close()
            self._detach(trigger_id, one)

    def reconcile(self) -> None:
        """Open, close, start and stop what differs from the catalog.

        If the log does not take that, it is tried again after a while, and the caller is told.
        """
        try:
            self._carry_out(self._catalog.state)
        except EngineError:
            if self._tools is not None:
                self._tools.timers.after(RECONCILE_AGAIN_S, self.reconcile)
            raise

    def _carry_out(self, state: CatalogState) -> None:
        with self._lock:
            if self._closed:
                return
            wanted = {
                t.trigger_id: (d, t) for d in state.databases if not d.is_deleted for t in d.triggers if t.enabled
            }
            for trigger_id in [i for i in self._active if i not in wanted]:
                self._stop(trigger_id)
            for consumer in self._log.consumers.open_ones():
                if consumer.trigger_id not in wanted:
                    self._close_consumer(consumer)
            # In the order in which they were enabled, for the last one owns a request path, after a restart too.
            for trigger_id in sorted(wanted, key=self._enabled_at):
                self._bring_up(trigger_id, *wanted[trigger_id])

    def _enabled_at(self, trigger_id: int) -> float:
        consumer = self._log.consumers.get(trigger_id)
        return consumer.generation if consumer is not None else math.inf

    def _bring_up(self, trigger_id: int, database: Database, definition: TriggerDefinition) -> None:
        present = self._active.get(trigger_id)
        if present is not None:
            known = present.activation.subject.definition
            if known == definition and present.activation.subject.database == database.name:
                return
            self._stop(trigger_id)
            self._to_seal[trigger_id] = present.activation
            if known.spec != definition.spec:
                self._stale.add(trigger_id)
            if isinstance(present.source, Schedule):
                self._reached_ns[trigger_id] = present.source.reached_ns
        self._seal(trigger_id)
        if trigger_id in self._stale:
            self._close_consumer(self._log.consumers.get(trigger_id))
            self._stale.discard(trigger_id)
        consumer = self._log.consumers.get(trigger_id) or self._open_consumer(trigger_id)
        if self._tools is not None and consumer is not None:
            self._start(
                Subject(database.database_id, database.name, definition, consumer.generation), consumer, self._tools
            )

    def _seal(self, trigger_id: int) -> None:
        """Cut off the commits of a trigger that was stopped: those that passed are known behind this, no other will pass."""
        stopped = self._to_seal.get(trigger_id)
        if stopped is not None:
            self._log.wal.append(Entry([], stopped.seal)).result()
            del self._to_seal[trigger_id]

    def _start(self, subject: Subject, consumer: Consumer, tools: Toolbox) -> None:
        activation = Activation(subject, tools, lambda reason: self._disable_for_error(subject, reason))
        trigger_id, spec = subject.definition.trigger_id, subject.definition.spec
        tools.executor.warm_up()
        logger.info("trigger is on: database=%s trigger=%s", subject.database, subject.definition.name)
        if isinstance(spec, TableSpec | AllTablesSpec):
            tables = self._tables(subject.database_id, subject.definition)
            feed = Feed(self._log.rows, self._log.schemas, lambda: tables)
            writes = WriteConsumer(activation, feed, consumer.progress)
            self._active[trigger_id] = _Active(activation, writes)
            self._backfills.attach(subject, consumer, activation, writes)
            self.wake_ups.add(trigger_id, writes, tables)
            writes.pump()
        elif isinstance(spec, CronSpec | EverySpec):
            schedule = Schedule(activation, timetable(spec, subject.definition.schedule))
            self._active[trigger_id] = _Active(activation, schedule)
            schedule.start(tools.clock.now_ns(), consumer, self._reached_ns.pop(trigger_id, None))
        else:
            queue = RequestQueue(activation)
            self._active[trigger_id] = _Active(activation, queue)
            self.routes.claim(spec.path, queue)

    def _stop(self, trigger_id: int) -> None:
        one = self._active.pop(trigger_id, None)
        if one is not None:
            self._detach(trigger_id, one)
            one.activation.stop()
            subject = one.activation.subject
            logger.info("trigger is off: database=%s trigger=%s", subject.database, subject.definition.name)

    def _detach(self, trigger_id: int, one: _Active) -> None:
        """Let no more work reach a trigger."""
        self.wake_ups.remove(trigger_id)
        spec = one.activation.subject.definition.spec
        if isinstance(one.source, RequestQueue) and isinstance(spec, RequestSpec):
            self.routes.release(spec.path, one.source)
        if isinstance(one.source, WriteConsumer):
            one.source.close_history()
        elif isinstance(one.source, RequestQueue):
            name = one.activation.subject.definition.name
            one.source.stop(SHUTTING_DOWN if self._closed else f"trigger {name} was disabled")
        else:
            one.source.stop()

    def _open_consumer(self, trigger_id: int) -> Consumer | None:
        self._reached_ns.pop(trigger_id, None)
        self._log.wal.append(Entry([ConsumerRecord(trigger_id, opened=True, start=OPEN_AT_HEAD)])).result()
        return self._log.consumers.get(trigger_id)

    def _close_consumer(self, consumer: Consumer | None) -> None:
        if consumer is not None:
            record = ConsumerRecord(consumer.trigger_id, opened=False, generation=consumer.generation)
            self._log.wal.append(Entry([record, *self._closing_rows(consumer)])).result()
            self._backfills.let_go(consumer)

    def _closing_rows(self, consumer: Consumer) -> list[Record]:
        known = self._catalog.state.trigger_by_id(consumer.trigger_id)
        if known is None:
            return []
        reason = "the trigger was disabled or changed"
        return self._backfills.ended_rows(known[0].name, known[1].name, consumer, Outcome.CLOSED, reason)

    # ---- where a trigger begins, and what goes through it once more

    def backfill(self, database: str, name: str, request: BackfillRequest) -> BackfillStatus:
        """Begin to send stored rows through a write trigger once more; see ``Backfills.begin``.

        Raises:
            EngineOff: nothing runs here.
        """
        self.check_on()
        target = self._target(database, name)
        status = self._backfills.begin(target, request)
        with self._lock:
            one = self._active.get(target.trigger_id)
            consumer = self._log.consumers.get(target.trigger_id)
            if one is not None and consumer is not None and isinstance(one.source, WriteConsumer):
                self._backfills.attach(one.activation.subject, consumer, one.activation, one.source)
        return status

    def cancel_backfill(self, database: str, name: str) -> None:
        """End the backfill of a trigger; see ``Backfills.cancel``."""
        target = self._target(database, name)
        with self._lock:
            one = self._active.get(target.trigger_id)
            writes = one.source if one is not None and isinstance(one.source, WriteConsumer) else None
            self._backfills.cancel(target, writes)

    def backfill_status(self, database: str, name: str) -> BackfillStatus | None:
        """Return the backfill of a trigger that goes on, if any."""
        known = self._catalog.state.database(database)
        definition = known.trigger(name) if known else None
        if known is None or definition is None or not isinstance(definition.spec, TableSpec | AllTablesSpec):
            return None
        return self._backfills.status(self._target(database, name))

    def begin_from(self, database: str, name: str, point: StartPoint) -> BackfillStatus | None:
        """Let a write trigger begin anew: with what comes from now on, or first with what is stored from a time on.

        What runs is interrupted, its cache is emptied, what waits for it counts as stored. Returns the backfill, if any.

        Raises:
            EngineOff: nothing runs here.
            InvalidRequest: it is no write trigger.
            AlreadyExists: it is off.
        """
        self.check_on()
        target = self._target(database, name)
        if isinstance(point, FromStored):
            request = BackfillRequest(Span(point.start_ns))
            return self._backfills.begin_anew(target, request, lambda more, start: self._reopen(target, more, start))
        self._backfills.open_consumer(target)
        self._reopen(target, (), OPEN_AT_HEAD)
        return None

    def _reopen(self, target: Target, more: Sequence[Record], start: int) -> None:
        with self._lock:
            trigger_id = target.trigger_id
            present = self._active.get(trigger_id)
            if present is not None:
                self._stop(trigger_id)
                self._to_seal[trigger_id] = present.activation
            try:
                self._seal(trigger_id)
                consumer = self._backfills.open_consumer(target)
                closed = ConsumerRecord(trigger_id, opened=False, generation=consumer.generation)
                opened = ConsumerRecord(trigger_id, opened=True, start=start)
                self._log.wal.append(Entry([closed, opened, *more, *self._closing_rows(consumer)])).result()
                self._backfills.let_go(consumer)
            finally:
                self.reconcile()

    def _target(self, database: str, name: str) -> Target:
        found = self._catalog.state.database(database)
        if found is None or found.is_deleted:
            raise DatabaseNotFound(f"Database not found {database}")
        definition = found.trigger(name)
        if definition is None:
            raise NotFound(f"the requested resource was not found: {name}")
        if not isinstance(definition.spec, TableSpec | AllTablesSpec):
            raise InvalidRequest(
                f"trigger {name} runs on {format_trigger_spec(definition.spec)}, not on rows: "
                "only table: and all_tables triggers have a position and a history"
            )
        tables = self._tables(found.database_id, definition)
        return Target(found.database_id, database, definition.trigger_id, name, tables)

    def _disable_for_error(self, subject: Subject, reason: str, *, is_first: bool = True) -> None:
        """Switch a trigger off whose error behaviour is ``disable``; it stays off until somebody enables it."""
        # The catalog waits for the log, and this may be the log's own thread: it goes on without waiting.
        work = (subject, reason, is_first)
        task = threading.Thread(target=self._disable_now, args=work, name="disable-trigger", daemon=True)
        with self._lock:
            self._disabling.append(task)
        task.start()

    def quiet(self) -> None:
        """Return when triggers that failed before are disabled."""
        with self._lock:
            tasks, self._disabling = self._disabling, []
        for task in tasks:
            task.join()

    def _disable_now(self, subject: Subject, reason: str, is_first: bool) -> None:
        definition = subject.definition
        with self._lock:
            one = self._active.get(definition.trigger_id)
            if one is None or one.activation.subject.generation != subject.generation:
                return
        if is_first:
            one.activation.tell("ERROR", f"disabling trigger {definition.name} due to error: {reason}")
        try:
            self._catalog.apply(SetTriggerEnabled(subject.database, definition.name, False, definition.trigger_id))
        except (OSError, StorageError) as error:  # it stands still meanwhile
            logger.error("trigger could not be disabled yet: trigger=%s cause=%s", definition.name, error)
            if self._tools is not None:
                again = partial(self._disable_for_error, subject, reason, is_first=False)
                self._tools.timers.after(RECONCILE_AGAIN_S, again)
        except EngineError:
            logger.exception("trigger could not be disabled: trigger=%s", definition.name)
