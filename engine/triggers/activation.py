"""A trigger that is on: runs its plugin on pieces of work, and decides what follows each attempt."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from engine.errors import EngineError, Unavailable
from engine.host.protocol import CacheRules, Done, PluginSource, Run, Written
from engine.lineprotocol.lines import Line
from engine.model.trigger import Restore
from engine.plugins.environments import FOR_ALL, Building, Failed
from engine.storage.consumers import namespace_of
from engine.triggers import policy
from engine.triggers.commit import Commit, Sequel, failure, origin_of, refuse
from engine.triggers.dead_letters import failed_again_line
from engine.triggers.ends import Letter, Outcome, RetriedLetter, RetryResult, RunEnd
from engine.triggers.limits import run_limits
from engine.triggers.parts import PartByPart
from engine.triggers.records import Origin, RunRecord, run_line
from engine.triggers.replies import SHUTTING_DOWN
from engine.triggers.schedule import call_time_s
from engine.triggers.services import TriggerServices
from engine.triggers.timers import Timer
from engine.triggers.toolbox import Toolbox
from engine.triggers.work import Subject, Work
from engine.wal.ports import GenerationClosed

logger = logging.getLogger(__name__)

ENVIRONMENT_LOOK_S = 0.1
"""So often work that waits for its plugin's environment looks whether that is there."""


class Activation:
    """One trigger in one generation.

    ``execute`` carries a piece of work through its attempts; ``disable`` is called when the error behaviour says so.
    """

    def __init__(self, subject: Subject, tools: Toolbox, disable: Callable[[str], None]) -> None:
        self.subject = subject
        self.tools = tools
        self._disable = disable
        tools.sources.remember(subject.definition.plugin_filename)
        self._lock = threading.Lock()
        self._stopped = False
        self._closed = False
        self._sealed = False
        self._running: dict[str, Work] = {}
        self._retries: dict[int, tuple[Timer, Work]] = {}
        self._taken = 0
        self._line: deque[tuple[Work, Callable[[Work], None]]] = deque()

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
            Origin(self.subject.database, definition.trigger_id, definition.name, definition.plugin_filename, ""),
            level,
            text,
        )

    def execute(self, work: Work, then: Callable[[Work], None]) -> None:
        """Run the plugin on ``work``; call ``then`` when the work is finished and the next may begin.

        If as much is under way as may be – somebody retries dead letters – it begins when its turn comes. A request whose
        client has gone is not run. After ``stop`` or ``close`` nothing is called any more.
        """
        with self._lock:
            is_over = self._stopped or self._closed
            if not is_over and self._taken >= self.side_by_side:
                self._line.append((work, then))
                return
            self._taken += 1
        self._attempt(work, lambda done: self._finished(done, then))

    def _finished(self, work: Work, then: Callable[[Work], None]) -> None:
        with self._lock:
            following = self._line.popleft() if self._line else None
            if following is None:
                self._taken -= 1
        if following is not None:
            next_work, next_then = following
            self._attempt(next_work, lambda done: self._finished(done, next_then))
        then(work)

    def _attempt(self, work: Work, then: Callable[[Work], None]) -> None:
        if work.reply is not None and not work.reply.is_wanted:
            with self._lock:
                self._retries.pop(id(work), None)
            then(work)
            return
        definition = self.subject.definition
        owner, environment = self.namespace, FOR_ALL
        try:
            source, content_hash = self.tools.sources.to_run(definition.plugin_filename)
        except EngineError as missing:
            source = PluginSource(definition.plugin_filename, "", str(missing))
        else:
            state = self.tools.environments.of(source, content_hash, self.tell)
            if isinstance(state, Building) and state.problem is not None and work.reply is not None:
                state = Failed(state.problem)
            if isinstance(state, Building):
                self._wait_for_environment(work, state, then)
                return
            if isinstance(state, Failed):
                source = PluginSource(definition.plugin_filename, "", state.text)
            else:
                environment = state
            owner = f"{self.namespace}:{content_hash}{environment.key}"
        if not self._begin_attempt(work):
            self._turn_away(work)
            return
        limits = run_limits(owner, definition, self.tools.limits, environment)
        services = TriggerServices(
            self.subject, work, origin_of(self.subject, work), self.tools.services, self.tools.clock.now_ns
        )
        self.tools.executor.run(self._run(work, source), limits, services, lambda done: self._ended(work, done, then))

    def _begin_attempt(self, work: Work) -> bool:
        """Note that ``work`` is under way; return whether it may be."""
        with self._lock:
            is_over = self._stopped or self._closed
            if not is_over:
                self._retries.pop(id(work), None)
                work.begin_attempt(self.tools.clock.now_ns())
                self._running[work.run_id] = work
        return not is_over

    def _wait_for_environment(self, work: Work, state: Building, then: Callable[[Work], None]) -> None:
        """Let ``work`` wait until its plugin's environment is there; a request has no time for that."""
        if work.reply is None:
            self._try_again(work, ENVIRONMENT_LOOK_S, then)
            return
        with self._lock:
            self._retries.pop(id(work), None)
        work.reply.refuse(
            Unavailable(f"trigger {self.subject.definition.name} is not ready: {state.text}; try again later")
        )
        self.tools.aside(lambda: then(work))  # not here: the next request would be turned away within this call

    def stop(self) -> None:
        """Interrupt what runs, forget what waits for another attempt, drop the cache."""
        with self._lock:
            self._stopped = True
            running = list(self._running.values())
            waiting = self._take_waiting()
        self._give_up(waiting)
        for work in running:
            self.tools.executor.cancel(work.run_id)
            self._undo_parts(work)
        self.tools.executor.forget(self.namespace)

    def seal(self) -> None:
        """Let no commit pass any more: whoever is next in this generation begins from those that passed.

        Called by the log's writer, between the commits that it took before and those that come later.
        """
        self._sealed = True

    def close(self) -> None:
        """Begin nothing more, for the engine closes; what runs may still end, all else is for the next start."""
        with self._lock:
            self._closed = True
            waiting = self._take_waiting()
        self._give_up(waiting)

    def _take_waiting(self) -> list[tuple[Timer | None, Work]]:
        """Return what waits for another attempt or for its turn, and forget it."""
        retries, self._retries = list(self._retries.values()), {}
        line, self._line = self._line, deque()
        return [*retries, *((None, work) for work, _ in line)]

    def _give_up(self, waiting: Sequence[tuple[Timer | None, Work]]) -> None:
        for timer, work in waiting:
            if timer is not None:
                timer.cancel()
            self._turn_away(work)

    def _turn_away(self, work: Work) -> None:
        """Forget parts of ``work`` that passed, and tell whoever waits for it that nothing comes of it."""
        if work.parts is not None:
            self._discard(work, work.parts.ends)
            return
        name = self.subject.definition.name
        refuse(work, Unavailable(SHUTTING_DOWN if self._closed else f"trigger {name} was disabled"))

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
            cache=CacheRules((definition.restore or Restore.WHOLE).value, self.tools.cache_bytes),
            batches=work.batches_now,
            call_time_s=call_time_s(work.due_ns) if work.due_ns is not None else None,
            request=work.request,
            passed=work.parts.passed if work.parts is not None else [],
        )

    def _ended(self, work: Work, done: Done, then: Callable[[Work], None]) -> None:
        """Decide what follows an attempt; called once for each, from a thread of the executor."""
        with self._lock:
            self._running.pop(work.run_id, None)
            stopped = self._stopped
        end = RunEnd(origin_of(self.subject, work), self._record(work, done), done)
        self.tools.figures.add(self.subject.definition.trigger_id, end.record)
        if stopped or (done.error is not None and done.error.kind == "cancelled"):
            # Neither success nor failure: without a commit the work is still to be done, by whoever does it next.
            self._discard(work, [*(work.parts.ends if work.parts is not None else ()), end])
            if work.reply is not None:
                then(work)
        elif work.parts is not None:
            self._part_ended(work, work.parts, end, then)
        elif work.letter is not None:
            self._follow_letter(work, work.letter, end, then)
        else:
            self._follow(work, end, then)

    def _follow(self, work: Work, end: RunEnd, then: Callable[[Work], None]) -> None:
        """Do what the error behaviour says."""
        text = end.done.error.text if end.done.error else None
        decision = policy.decide(text, self.subject.definition.error_behavior, work.attempt, work.kind)
        if isinstance(decision, policy.Retry) and work.reply is not None and work.reply.has_begun:
            decision = policy.Done()  # what the client has cannot be taken back
        if isinstance(decision, policy.Retry):
            self._undo(end)
            self._write_records([end])
            self._try_again(work, decision.delay_s, then)
        elif isinstance(decision, policy.Disable):
            self._write_records([end])
            refuse(work, failure(end.done))
            self._disable(decision.reason)
        elif isinstance(decision, policy.Isolate):
            self._undo(end)
            work.parts = PartByPart(work.batches, end)
            self._next_part(work, work.parts, then)
        elif isinstance(decision, policy.DeadLetter):
            self._undo(end)
            end = end.without_changes()
            self._commit(work, Outcome([end], [Letter(end, work.attempt)]), then)
        else:
            self._commit(work, Outcome([end]), then)

    def _follow_letter(self, work: Work, letter: RetriedLetter, end: RunEnd, then: Callable[[Work], None]) -> None:
        """Do away with a dead letter that passed; of a batch that failed again look for what can pass."""
        if end.has_passed:
            self._commit(work, Outcome([end]), then)
            return
        self._undo(end)
        if work.rows_in > 1:
            work.parts = PartByPart(work.batches, end)
            self._next_part(work, work.parts, then)
        else:
            self._keep_letter(work, letter, [end], then)

    def _keep_letter(
        self, work: Work, letter: RetriedLetter, ends: Sequence[RunEnd], then: Callable[[Work], None]
    ) -> None:
        """Let a dead letter stay, and tell of the run ``ends[0]`` that was given all of it."""
        lines = [*self._run_lines(ends), failed_again_line(letter.letter_id, ends[0])]
        appended = self.tools.journal.append(lines)
        result = RetryResult(letter.letter_id, "failed", ends[0].record.error)
        if appended is None:
            letter.result.set_result(result)
        else:
            appended.add_done_callback(lambda _: letter.result.set_result(result))
        then(work)

    def _part_ended(self, work: Work, parts: PartByPart, end: RunEnd, then: Callable[[Work], None]) -> None:
        if not end.has_passed:
            self._undo(end)
        parts.note(end)
        self._next_part(work, parts, then)

    def _next_part(self, work: Work, parts: PartByPart, then: Callable[[Work], None]) -> None:
        if parts.next_part is not None:
            self._attempt(work, then)
        elif work.letter is not None and parts.is_outage:
            self._keep_letter(work, work.letter, parts.ends, then)
        else:
            self._commit(work, parts.outcome(), then)

    def _commit(self, work: Work, outcome: Outcome, then: Callable[[Work], None]) -> None:
        Commit(self.subject, self.tools, work, outcome, Sequel(then, self._discard, self._check_on)).append()

    def _try_again(self, work: Work, delay_s: float, then: Callable[[Work], None]) -> None:
        with self._lock:
            is_over = self._stopped or self._closed
            if not is_over:
                timer = self.tools.timers.after(delay_s, lambda: self._attempt(work, then))
                self._retries[id(work)] = (timer, work)
        if is_over:
            self._turn_away(work)

    def _check_on(self) -> None:
        if self._sealed:
            raise GenerationClosed(self.subject.definition.trigger_id, self.subject.generation)

    def _discard(self, work: Work, ends: Sequence[RunEnd]) -> None:
        """Keep the records of runs that count for nothing, and let ``work`` be done anew by whoever does it next."""
        self._write_records(ends)
        self._undo_parts(work)
        work.parts = None
        self._turn_away(work)

    def _undo(self, end: RunEnd) -> None:
        self.tools.executor.settle(end.done.run_id, committed=False, versions={})

    def _undo_parts(self, work: Work) -> None:
        """Take back what parts left that passed, the last one first."""
        parts = work.parts
        for end in reversed(parts.ends if parts is not None else ()):
            if end.has_passed:
                self._undo(end)

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
            rows_in=work.rows_now,
            lines_out=sum(_line_count(written) for _, written in done.writes),
            attempt=work.attempt,
            outcome=_OUTCOMES.get(error.kind, "error") if error else "success",
            error=error.text if error else "",
            details=error.details if error else "",
            due_ns=work.due_ns,
            peak_memory_bytes=done.peak_memory_bytes,
        )

    def _write_records(self, ends: Sequence[RunEnd]) -> None:
        self.tools.journal.append(self._run_lines(ends))

    def _run_lines(self, ends: Sequence[RunEnd]) -> list[Line]:
        return [run_line(end.origin, end.record, self.tools.stamps.next()) for end in ends]


_OUTCOMES = {
    "timeout": "timeout",
    "memory": "memory",
    "cpu": "cpu",
    "processes": "processes",
    "host": "crash",
    "cancelled": "cancelled",
}


def _line_count(written: Written) -> int:
    return len([line for line in written.split("\n") if line]) if isinstance(written, str) else written.row_count
