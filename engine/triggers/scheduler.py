"""Fires a schedule trigger at its due times, late ones with their own times, one after another unless it is asynchronous."""

import logging
import threading
from collections import deque
from collections.abc import Iterable

from engine.errors import Unavailable
from engine.model.trigger_spec import CronSpec, EverySpec
from engine.triggers.activation import Activation
from engine.triggers.schedule import next_fire
from engine.triggers.timers import Timer
from engine.triggers.work import Work
from engine.wal.format import StartedRecord
from engine.wal.ports import Entry

logger = logging.getLogger(__name__)


class Schedule:
    """The due times of one trigger.

    The next due time follows from the last one, never from when somebody woke up. A start record goes into the log when a
    run begins, so a run that a crash interrupts is repeated with its own time; what never began is not caught up.
    """

    def __init__(self, activation: Activation, spec: CronSpec | EverySpec) -> None:
        self._activation = activation
        self._spec = spec
        self._lock = threading.Lock()
        self._waiting: deque[int] = deque()
        self._under_way = 0
        self._timer: Timer | None = None

    def start(self, now_ns: int, interrupted: Iterable[int]) -> None:
        """Begin after ``now_ns``; first repeat the runs that a crash interrupted, given by their due times."""
        self._waiting.extend(sorted(set(interrupted)))
        self._arm(now_ns)
        self._pump()

    def stop(self) -> None:
        """Fire no more."""
        with self._lock:
            self._waiting.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self, after_ns: int) -> None:
        due_ns = next_fire(self._spec, after_ns)
        with self._lock:
            if due_ns is None:
                self._timer = None
                return
            self._timer = self._activation.tools.timers.at(due_ns, lambda: self._fire(due_ns))

    def _fire(self, due_ns: int) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._waiting.append(due_ns)
        self._arm(due_ns)
        self._pump()

    def _pump(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._under_way >= self._activation.side_by_side:
                    return
                due_ns = self._waiting.popleft()
                self._under_way += 1
            self._run(due_ns)

    def _run(self, due_ns: int) -> None:
        subject, tools = self._activation.subject, self._activation.tools
        started = StartedRecord(subject.definition.trigger_id, subject.generation, f"due-{due_ns}", due_ns)
        try:
            tools.wal.append(Entry([started]))
        except Unavailable as full:
            logger.warning("a scheduled run is not noted as begun: trigger=%s %s", subject.definition.name, full)
        self._activation.execute(Work(kind="schedule", asked_ns=due_ns, due_ns=due_ns), self._finished)

    def _finished(self, work: Work) -> None:
        with self._lock:
            self._under_way -= 1
        self._pump()
