"""Makes what comes of a run durable: output, state, progress and run record in one record of the log."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from engine.catalog.state import INTERNAL_DATABASE
from engine.errors import EngineError, PluginFailed, SyncFailed, Unavailable
from engine.host.protocol import Done
from engine.plugins.failures import write_failure
from engine.triggers.records import Origin, RunRecord, dead_letter_line, run_line
from engine.triggers.services import chain_of, check_writable
from engine.triggers.toolbox import Toolbox
from engine.triggers.work import Subject, Work
from engine.wal.format import CommitRecord, RowsPayload
from engine.wal.ports import Entry, GenerationClosed, TableGone

logger = logging.getLogger(__name__)

COMMIT_AGAIN_S = 0.2
"""How long a commit waits after a failed sync before it is put into the log again."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended; ``letters``: its input is to be kept as dead letters."""

    work: Work
    done: Done
    record: RunRecord
    letters: bool


@dataclass(frozen=True, slots=True)
class Sequel:
    """What follows a commit.

    Attributes:
        then: the work is finished, the next may begin.
        discard: the log did not take the commit, for the trigger was switched off or changed.
        check_on: raises ``GenerationClosed`` if it was; called in the writer's thread.
    """

    then: Callable[[Work], None]
    discard: Callable[[Work, RunRecord], None]
    check_on: Callable[[], None]


class Commit:
    """The record that makes a run's output, state, progress and run record durable together."""

    def __init__(self, subject: Subject, tools: Toolbox, end: RunEnd, sequel: Sequel) -> None:
        self._subject = subject
        self._tools = tools
        self._work = end.work
        self._done = end.done
        self._record = end.record
        self._letters = end.letters
        self._sequel = sequel
        self._origin = origin_of(subject, end.work)

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
        self._put(Entry([commit], self._sequel.check_on, lazy=not is_awaited), has_effect)
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
            self._sequel.discard(self._work, self._record)
        else:
            logger.error("a run's commit failed: trigger=%s %s", self._subject.definition.name, error)
            refuse(self._work, error)

    def _finish(self) -> None:
        reply = self._work.reply
        if reply is not None:
            if self._done.error is None and self._done.response is not None:
                reply.set_result(self._done.response)
            else:
                refuse(self._work, failure(self._done))
        self._sequel.then(self._work)

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
                why = f"error writing back lines to {database}: {write_failure(cause)}"
                text = f"error running {self._work.kind} plugin: {why}"
                self._tools.journal.log(self._origin, "ERROR", text, text)
        return tuple(rows)

    def _internal_rows(self) -> tuple[RowsPayload, ...]:
        lines = [run_line(self._origin, self._record, self._tools.stamps.next())]
        if self._letters:
            for table, text in self._tools.input_text(self._work):
                lines.append(dead_letter_line(self._origin, self._record, table, text, self._tools.stamps.next()))
        return self._tools.writes.prepare(INTERNAL_DATABASE, "\n".join(lines))


def origin_of(subject: Subject, work: Work) -> Origin:
    """Return what the rows about a run say of where they come from."""
    definition = subject.definition
    return Origin(subject.database, definition.name, definition.plugin_filename, work.run_id)


def failure(done: Done) -> EngineError:
    """Return what the client of a failed request is told; the words before an exception are the product's."""
    error = done.error
    if error is None:
        return PluginFailed("the plugin returned no response")
    prefix = "Python function call failed: " if error.kind == "call" else ""
    return PluginFailed(f"{prefix}{error.text}", error.details)


def refuse(work: Work, error: BaseException) -> None:
    """Tell whoever waits for ``work`` of ``error``."""
    if work.reply is not None and not work.reply.done():
        work.reply.set_exception(error)
