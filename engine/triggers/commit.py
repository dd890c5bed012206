"""Makes what comes of a piece of work durable: output, state, progress and run records in one record of the log."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from engine.catalog.state import INTERNAL_DATABASE
from engine.errors import EngineError, PluginFailed, PluginTimedOut, SyncFailed, Unavailable
from engine.host.protocol import Done, Written
from engine.lineprotocol.lines import Line
from engine.plugins.failures import write_failure
from engine.triggers.dead_letters import RETRIED, done_with_lines, letter_lines
from engine.triggers.ends import Outcome, RetryResult, RunEnd
from engine.triggers.records import Origin, run_line
from engine.triggers.services import chain_of, check_writable
from engine.triggers.toolbox import Toolbox
from engine.triggers.work import Subject, Work
from engine.wal.format import CommitRecord, RowsPayload
from engine.wal.ports import Entry, GenerationClosed, TableGone

logger = logging.getLogger(__name__)

COMMIT_AGAIN_S = 0.2
"""How long a commit waits after a failed sync before it is put into the log again."""


@dataclass(frozen=True, slots=True)
class Sequel:
    """What follows a commit.

    Attributes:
        then: the work is finished, the next may begin.
        discard: the log did not take the commit, for the trigger was switched off or changed.
        check_on: raises ``GenerationClosed`` if it was; called in the writer's thread.
    """

    then: Callable[[Work], None]
    discard: Callable[[Work, Sequence[RunEnd]], None]
    check_on: Callable[[], None]


class Commit:
    """The record that makes output, state, progress and run records of one piece of work durable together."""

    def __init__(self, subject: Subject, tools: Toolbox, work: Work, outcome: Outcome, sequel: Sequel) -> None:
        self._subject = subject
        self._tools = tools
        self._work = work
        self._outcome = outcome
        self._changes = outcome.changes
        self._sequel = sequel

    def append(self) -> None:
        """Put the commit into the log; everything else follows when it is durable.

        Nobody waits for a commit without output, so it causes no sync; if it changes no state either, the next run
        need not wait for it. Of a request that succeeds and leaves nothing but the record of its run, that is written later,
        with others: whoever waits for the answer need not wait for that.
        """
        output = self._output()
        has_effect = bool(output or self._changes or self._outcome.letters or self._work.letter)
        if self._work.reply is not None and not has_effect and self._outcome.last.done.error is None:
            self._answer()
            self._tools.executor.settle(self._work.run_id, committed=True, versions={})
            self._sequel.then(self._work)
            self._tools.journal.keep(self._internal_lines())
            return
        has_listener = self._work.reply is not None or self._work.letter is not None
        is_awaited = bool(output) or (has_listener and has_effect)
        commit = CommitRecord(
            trigger_id=self._subject.definition.trigger_id,
            generation=self._subject.generation,
            run_id=self._work.run_id,
            ranges=self._work.ranges,
            due_ns=self._work.due_ns if self._work.letter is None else None,
            chain=chain_of(self._subject, self._work),
            rows=(*output, *self._internal_rows()),
            changes=self._changes,
        )
        self._put(Entry([commit, *self._work.also], self._sequel.check_on, lazy=not is_awaited), has_effect)
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
            self._tell_executor(appended.result()[0])
            if has_effect:
                self._finish()
        elif isinstance(error, TableGone):
            self.append()
        elif isinstance(error, SyncFailed):
            self._tools.timers.after(COMMIT_AGAIN_S, lambda: self._put(entry, has_effect))
        elif isinstance(error, GenerationClosed):
            self._sequel.discard(self._work, self._outcome.ends)
        else:
            logger.error("a run's commit failed: trigger=%s %s", self._subject.definition.name, error)
            refuse(self._work, error)
            if self._work.reply is not None:
                self._sequel.then(self._work)

    def _tell_executor(self, position: int) -> None:
        """Tell of the runs whose changes are durable now; a run on its own is told of in any case."""
        ends = self._outcome.ends
        for end in ends:
            if end.done.changes or len(ends) == 1:
                versions = {change.namespace: position for change in end.done.changes}
                self._tools.executor.settle(end.done.run_id, committed=True, versions=versions)

    def _finish(self) -> None:
        self._answer()
        letter = self._work.letter
        if letter is not None:
            letter.result.set_result(RetryResult(letter.letter_id, "retried", new_letters=len(self._outcome.letters)))
        self._sequel.then(self._work)

    def _answer(self) -> None:
        reply = self._work.reply
        if reply is not None:
            done = self._outcome.last.done
            if done.error is None and done.response is not None:
                reply.answer(done.response)
            else:
                refuse(self._work, failure(done))

    def _output(self) -> tuple[RowsPayload, ...]:
        """Return the rows that the plugin wrote, run by run."""
        return tuple(rows for end in self._outcome.ends for rows in self._output_of(end))

    def _output_of(self, end: RunEnd) -> list[RowsPayload]:
        """Return the rows of one run; a database whose lines are refused gets none, and a log line says why."""
        written: dict[str, list[Written]] = {}
        for database, part in end.done.writes:
            written.setdefault(database or self._subject.database, []).append(part)
        rows: list[RowsPayload] = []
        for database, parts in written.items():
            try:
                check_writable(database)
                chain = chain_of(self._subject, self._work)
                rows += self._tools.writes.prepare(database, parts, chain=chain)
            except EngineError as cause:
                why = f"error writing back lines to {database}: {write_failure(cause)}"
                text = self._tools.hide(f"error running {self._work.kind} plugin: {why}")
                self._tools.journal.log(end.origin, "ERROR", text, text)
        return rows

    def _internal_rows(self) -> tuple[RowsPayload, ...]:
        return self._tools.writes.prepare_lines(INTERNAL_DATABASE, self._internal_lines())

    def _internal_lines(self) -> list[Line]:
        stamps = self._tools.stamps
        lines = [run_line(end.origin, end.record, stamps.next()) for end in self._outcome.ends]
        for letter in self._outcome.letters:
            lines += letter_lines(letter, stamps)
        retried = self._work.letter
        if retried is not None:
            lines += done_with_lines(retried.letter_id, retried.pieces, RETRIED, self._tools.clock.now_ns())
        return lines


def origin_of(subject: Subject, work: Work) -> Origin:
    """Return what the rows about a run say of where they come from."""
    definition = subject.definition
    return Origin(subject.database, definition.trigger_id, definition.name, definition.plugin_filename, work.run_id)


def failure(done: Done) -> EngineError:
    """Return what the client of a failed request is told; the words before an exception are the product's."""
    error = done.error
    if error is None:
        return PluginFailed("the plugin returned no response")
    if error.kind == "timeout":
        return PluginTimedOut(error.text, error.details)
    prefix = "Python function call failed: " if error.kind == "call" else ""
    return PluginFailed(f"{prefix}{error.text}", error.details)


def refuse(work: Work, error: BaseException) -> None:
    """Tell whoever waits for ``work`` of ``error``."""
    if work.reply is not None:
        work.reply.refuse(error)
    if work.letter is not None and not work.letter.result.done():
        work.letter.result.set_exception(error)
