"""A trigger that is on: runs its plugin on pieces of work, and makes what comes of a run durable in one record."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from engine.catalog.state import INTERNAL_DATABASE
from engine.clock import Clock
from engine.errors import EngineError, PluginFailed, SyncFailed, Unavailable
from engine.host.protocol import Done, PluginSource, Run
from engine.plugins.ports import Executor, RunLimits
from engine.storage.consumers import namespace_of
from engine.triggers import policy
from engine.triggers.journal import Journal, Stamps
from engine.triggers.records import Origin, RunRecord, dead_letter_line, run_line
from engine.triggers.schedule import call_time_s
from engine.triggers.services import ServiceKit, TriggerServices, chain_of, check_writable
from engine.triggers.timers import Timer, Timers
from engine.triggers.work import Subject, Work
from engine.wal.format import CommitRecord, RowsPayload
from engine.wal.ports import Entry, GenerationClosed, TableGone
from engine.wal.wal import Wal
from engine.write.service import WriteService

logger = logging.getLogger(__name__)

COMMIT_AGAIN_S = 0.2
"""How long a commit waits after a failed sync before it is put into the log again."""


class Sources(Protocol):
    """Finds the code of plugins."""

    def resolve(self, plugin_filename: str) -> PluginSource:
        """Return where a plugin is; raises ``PluginError`` if it is not there."""

    def content_hash(self, source: PluginSource) -> str:
        """Return a hash of what the plugin's files hold now."""


class InputText(Protocol):
    """Describes what a run was given."""

    def __call__(self, work: Work) -> list[tuple[str, str]]:
        """Return (table or empty, JSON) for each part of the input of ``work``."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What every activation works with."""

    clock: Clock
    timers: Timers
    executor: Executor
    sources: Sources
    wal: Wal
    writes: WriteService
    journal: Journal
    stamps: Stamps
    services: ServiceKit
    input_text: InputText
    default_timeout_s: float | None
    most_side_by_side: int


class Activation:
    """One trigger in one generation.

    ``execute`` carries a piece of work through its attempts; ``disable`` is called when the error behaviour says so.
    """

    def __init__(self, subject: Subject, tools: Toolbox, disable: Callable[[str], None]) -> None:
        self.subject = subject
        self.tools = tools
        self._disable = disable
        self._lock = threading.Lock()
        self._stopped = False
        self._closed = False
        self._running: dict[str, Work] = {}
        self._retries: dict[int, tuple[Timer, Work]] = {}

    @property
    def namespace(self) -> str:
        """Return the name of the trigger's cache namespace."""
        return namespace_of(self.subject.definition.trigger_id, self.subject.generation)

    @property
    def side_by_side(self) -> int:
        """Return how many runs may be under way at once."""
        return self.tools.most_side_by_side if self.subject.definition.run_async else 1

    def tell(self, level: str, text: str) -> None:
        """Put a line about the trigger itself into its log."""
        definition = self.subject.definition
        self.tools.journal.log(
            Origin(self.subject.database, definition.name, definition.plugin_filename, ""), level, text
        )

    def execute(self, work: Work, then: Callable[[Work], None]) -> None:
        """Run the plugin on ``work``; call ``then`` when the work is finished and the next may begin.

        After ``stop`` or ``close`` nothing is called any more.
        """
        definition = self.subject.definition
        with self._lock:
            if self._stopped or self._closed:
                self._turn_away(work)
                return
            self._retries.pop(id(work), None)
            work.begin_attempt(self.tools.clock.now_ns())
            self._running[work.run_id] = work
        try:
            source = self.tools.sources.resolve(definition.plugin_filename)
            owner = f"{self.namespace}:{self.tools.sources.content_hash(source)}"
        except EngineError as missing:
            logger.debug("plugin is not readable, its last known code runs: trigger=%s %s", definition.name, missing)
            source = PluginSource(definition.plugin_filename, "")
            owner = self.namespace
        timeout_s = definition.timeout_s or self.tools.default_timeout_s
        services = TriggerServices(self.subject, work, self._origin(work), self.tools.services, self.tools.clock.now_ns)
        self.tools.executor.run(
            self._run(work, source), RunLimits(owner, timeout_s), services, lambda done: self._ended(work, done, then)
        )

    def stop(self) -> None:
        """Interrupt what runs, forget what waits for another attempt, drop the cache."""
        with self._lock:
            self._stopped = True
            running = list(self._running.values())
            retries, self._retries = list(self._retries.values()), {}
        self._give_up(retries)
        for work in running:
            self.tools.executor.cancel(work.run_id)
        self.tools.executor.forget(self.namespace)

    def close(self) -> None:
        """Begin nothing more, for the engine closes; what runs may still end, all else is for the next start."""
        with self._lock:
            self._closed = True
            retries, self._retries = list(self._retries.values()), {}
        self._give_up(retries)

    def _give_up(self, retries: Sequence[tuple[Timer, Work]]) -> None:
        for timer, work in retries:
            timer.cancel()
            self._turn_away(work)

    def _turn_away(self, work: Work) -> None:
        """Tell whoever waits for ``work`` that nothing comes of it."""
        name = self.subject.definition.name
        _refuse(work, Unavailable("the server stops" if self._closed else f"trigger {name} was disabled"))

    def _run(self, work: Work, source: PluginSource) -> Run:
        definition = self.subject.definition
        return Run(
            run_id=work.run_id,
            kind=work.kind,
            trigger_name=definition.name,
            database=self.subject.database,
            plugin=source,
            args=dict(definition.arguments) if definition.arguments is not None else None,
            thread="" if definition.run_async else self.namespace,
            namespace=self.namespace,
            batches=work.batches,
            call_time_s=call_time_s(work.due_ns) if work.due_ns is not None else None,
            request=work.request,
        )

    def _ended(self, work: Work, done: Done, then: Callable[[Work], None]) -> None:
        """Decide what follows an attempt; called once for each, from a thread of the executor."""
        with self._lock:
            self._running.pop(work.run_id, None)
            stopped = self._stopped
        record = self._record(work, done)
        if stopped or (done.error is not None and done.error.kind == "cancelled"):
            # Neither success nor failure: without a commit the work is still to be done, by whoever does it next.
            self._discard(work, record)
            return
        definition = self.subject.definition
        text = done.error.text if done.error else None
        decision = policy.decide(text, definition.error_behavior, work.attempt, work.kind)
        if isinstance(decision, policy.Retry):
            self.tools.executor.settle(work.run_id, committed=False, versions={})
            self._write_record(work, record)
            self._try_again(work, decision.delay_s, then)
        elif isinstance(decision, policy.Disable):
            self._write_record(work, record)
            _refuse(work, _failure(done))
            self._disable(decision.reason)
        else:
            letters = isinstance(decision, policy.DeadLetter)
            _Commit(self, work, done, record, letters, then).append()

    def _try_again(self, work: Work, delay_s: float, then: Callable[[Work], None]) -> None:
        with self._lock:
            if self._stopped or self._closed:
                self._turn_away(work)
                return
            timer = self.tools.timers.after(delay_s, lambda: self.execute(work, then))
            self._retries[id(work)] = (timer, work)

    def _discard(self, work: Work, record: RunRecord) -> None:
        self._write_record(work, record)
        self._turn_away(work)

    def _record(self, work: Work, done: Done) -> RunRecord:
        now_ns = self.tools.clock.now_ns()
        started_ns = work.entered_ns or now_ns
        error = done.error
        return RunRecord(
            kind=work.kind,
            started_ns=started_ns,
            queue_delay_ns=max(0, started_ns - work.asked_ns),
            duration_ns=max(0, now_ns - started_ns),
            cpu_ns=done.cpu_ns,
            rows_in=work.rows_in,
            lines_out=sum(_line_count(text) for _, text in done.writes),
            attempt=work.attempt,
            outcome=_OUTCOMES.get(error.kind, "error") if error else "success",
            error=error.text if error else "",
            details=error.details if error else "",
            due_ns=work.due_ns,
        )

    def _origin(self, work: Work) -> Origin:
        definition = self.subject.definition
        return Origin(self.subject.database, definition.name, definition.plugin_filename, work.run_id)

    def _write_record(self, work: Work, record: RunRecord) -> None:
        self.tools.journal.append(run_line(self._origin(work), record, self.tools.stamps.next()))


class _Commit:
    """The record that makes a run's output, state, progress and run record durable together."""

    def __init__(
        self,
        activation: Activation,
        work: Work,
        done: Done,
        record: RunRecord,
        letters: bool,
        then: Callable[[Work], None],
    ) -> None:
        self._activation = activation
        self._tools = activation.tools
        self._subject = activation.subject
        self._work = work
        self._done = done
        self._record = record
        self._letters = letters
        self._then = then
        self._origin = activation._origin(work)

    def append(self) -> None:
        """Put the commit into the log; everything else follows when it is durable.

        Nobody waits for a commit without output, so it causes no sync; if it changes no state either, the next run
        need not wait for it.
        """
        output = self._output()
        has_effect = bool(output or self._done.changes or self._letters)
        is_awaited = bool(output) or (self._work.reply is not None and has_effect)
        commit = CommitRecord(
            trigger_id=self._subject.definition.trigger_id,
            generation=self._subject.generation,
            run_id=self._work.run_id,
            ranges=self._work.ranges,
            due_ns=self._work.due_ns,
            chain=chain_of(self._subject, self._work),
            rows=(*output, *self._internal_rows()),
            changes=tuple(self._done.changes),
        )
        self._put(Entry([commit], lazy=not is_awaited), has_effect)
        if not has_effect:
            self._finish()

    def _put(self, entry: Entry, has_effect: bool) -> None:
        try:
            appended = self._tools.wal.append(entry)
        except Unavailable as full:
            logger.warning("a run's commit waits: trigger=%s %s", self._subject.definition.name, full)
            self._tools.timers.after(COMMIT_AGAIN_S, lambda: self._put(entry, has_effect))
            return
        appended.add_done_callback(lambda f: self._settled(f, entry, has_effect))

    def _settled(self, appended: "Future[tuple[int, ...]]", entry: Entry, has_effect: bool) -> None:
        error = appended.exception()
        if error is None:
            versions = {c.namespace: appended.result()[0] for c in self._done.changes}
            self._tools.executor.settle(self._work.run_id, committed=True, versions=versions)
            if has_effect:
                self._finish()
        elif isinstance(error, TableGone):
            self.append()
        elif isinstance(error, SyncFailed):
            self._tools.timers.after(COMMIT_AGAIN_S, lambda: self._put(entry, has_effect))
        elif isinstance(error, GenerationClosed):
            self._activation._discard(self._work, self._record)
        else:
            logger.error("a run's commit failed: trigger=%s %s", self._subject.definition.name, error)
            _refuse(self._work, error)

    def _finish(self) -> None:
        reply = self._work.reply
        if reply is not None:
            if self._done.error is None and self._done.response is not None:
                reply.set_result(self._done.response)
            else:
                _refuse(self._work, _failure(self._done))
        self._then(self._work)

    def _output(self) -> tuple[RowsPayload, ...]:
        """Return the rows that the plugin wrote; a database whose lines are refused gets none, and a log line says why."""
        texts: dict[str, list[str]] = {}
        for database, text in self._done.writes:
            texts.setdefault(database or self._subject.database, []).append(text)
        rows: list[RowsPayload] = []
        for database, lines in texts.items():
            try:
                check_writable(database)
                chain = chain_of(self._subject, self._work)
                rows += self._tools.writes.prepare(database, "\n".join(lines), chain=chain)
            except EngineError as cause:
                kind = "wal" if self._work.kind == "wal" else self._work.kind
                text = f"error running {kind} plugin: error writing back lines to {database}: Cannot write: {cause}"
                self._tools.journal.log(self._origin, "ERROR", text, text)
        return tuple(rows)

    def _internal_rows(self) -> tuple[RowsPayload, ...]:
        lines = [run_line(self._origin, self._record, self._tools.stamps.next())]
        if self._letters:
            for table, text in self._tools.input_text(self._work):
                lines.append(dead_letter_line(self._origin, self._record, table, text, self._tools.stamps.next()))
        return self._tools.writes.prepare(INTERNAL_DATABASE, "\n".join(lines))


_OUTCOMES = {"timeout": "timeout", "host": "crash", "cancelled": "cancelled"}


def _line_count(text: str) -> int:
    return len([line for line in text.split("\n") if line])


def _failure(done: Done) -> EngineError:
    """Return what the client of a failed request is told; the words before an exception are the product's."""
    error = done.error
    if error is None:
        return PluginFailed("the plugin returned no response")
    prefix = "Python function call failed: " if error.kind == "call" else ""
    return PluginFailed(f"{prefix}{error.text}", error.details)


def _refuse(work: Work, error: BaseException) -> None:
    if work.reply is not None and not work.reply.done():
        work.reply.set_exception(error)
