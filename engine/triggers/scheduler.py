"""Fires a schedule trigger at its due times, late ones with their own times, one after another unless it is asynchronous."""

import logging
import threading
from collections import deque
from itertools import islice

from engine.errors import Unavailable
from engine.model.durations import NS_PER_SECOND, format_duration
from engine.model.times import utc_text
from engine.storage.consumers import Consumer
from engine.triggers.activation import Activation
from engine.triggers.schedule import CatchUp, Timetable, catch_up, dealt_with, jitter_ns, next_run
from engine.triggers.timers import Timer
from engine.triggers.work import Work
from engine.wal.format import CommitRecord, StartedRecord
from engine.wal.ports import Entry

logger = logging.getLogger(__name__)

TELL_AGAIN_NS = 600 * NS_PER_SECOND
"""So often at most a trigger says that it is late, or what it passed over."""

LATE_NS = 60 * NS_PER_SECOND
"""A trigger that is later than this says so."""

MOST_COUNTED = 1000


class Schedule:
    """The due times of one trigger.

    The next due time follows from the last one, never from when somebody woke up; nothing is queued, so a trigger that
    is behind costs nothing. A start record goes into the log when a run begins, so a run that a crash interrupts is
    repeated with its own time.
    """

    def __init__(self, activation: Activation, table: Timetable) -> None:
        definition = activation.subject.definition
        self._activation = activation
        self._name = definition.name
        self._table = table
        self._rule = catch_up(definition.schedule)
        self._jitter_ns = jitter_ns(definition.trigger_id, definition.schedule)
        self._lock = threading.Lock()
        self._interrupted: deque[int] = deque()
        self._reached_ns = 0
        self._under_way = 0
        self._timer: Timer | None = None
        self._is_on = False
        self._told_ns: dict[str, int] = {}
        self._passed_over = 0

    @property
    def reached_ns(self) -> int:
        """Return the time until which every due time has begun or was passed over."""
        return self._reached_ns

    @property
    def next_due_ns(self) -> int | None:
        """Return the next due time, ``None`` if there is none any more."""
        return self._table.next_after(self._reached_ns)

    def start(self, now_ns: int, consumer: Consumer, reached_ns: int | None = None) -> None:
        """Begin at ``now_ns`` with what the log says; first repeat the runs that a crash interrupted.

        A trigger that was on until now, and is only changed, goes on at its ``reached_ns``.
        """
        interrupted = sorted(set(consumer.started.values()))
        self._interrupted.extend(interrupted)
        if reached_ns is None:
            begun = [*interrupted, *([] if consumer.last_due_ns is None else [consumer.last_due_ns])]
            self._reached_ns = dealt_with(self._rule, max(begun, default=None), now_ns, self._jitter_ns)
        else:
            self._reached_ns = reached_ns
        is_news = consumer.last_due_ns is None or reached_ns is not None
        if is_news and (self._rule.after_down or self._jitter_ns):
            self._note_reached()
        self._is_on = True
        self._tell_of_odd_times(now_ns)
        self._pump()

    def stop(self) -> None:
        """Fire no more."""
        with self._lock:
            self._is_on = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _pump(self) -> None:
        """Begin what is due as far as runs may be under way, and wake up again for the next time."""
        while (due_ns := self._take()) is not None:
            self._run(due_ns)

    def _take(self) -> int | None:
        """Return a due time whose run may begin now; ``None`` = there is none, a timer or the end of a run will ask again."""
        with self._lock:
            if not self._is_on or self._under_way >= self._activation.side_by_side:
                return None
            if self._interrupted:
                self._under_way += 1
                return self._interrupted.popleft()
            now_ns = self._activation.tools.clock.now_ns()
            due_ns = next_run(self._table, self._rule, self._reached_ns, now_ns - self._jitter_ns)
            if due_ns is None:
                return None
            begin_ns = due_ns + self._jitter_ns
            if begin_ns > now_ns:
                self._arm(begin_ns)
                return None
            self._note_passed_over(due_ns)
            self._reached_ns = due_ns
            self._under_way += 1
        self._tell_of_delay(due_ns, now_ns)
        return due_ns

    def _note_passed_over(self, due_ns: int) -> None:
        if self._rule != CatchUp():
            self._passed_over += sum(1 for _ in islice(self._table.between(self._reached_ns, due_ns), MOST_COUNTED))

    def _arm(self, at_ns: int) -> None:
        if self._timer is not None:
            if self._timer.due_ns == at_ns and self._timer.call is not None:
                return
            self._timer.cancel()
        self._timer = self._activation.tools.timers.at(at_ns, self._pump)

    def _run(self, due_ns: int) -> None:
        subject, tools = self._activation.subject, self._activation.tools
        started = StartedRecord(subject.definition.trigger_id, subject.generation, f"due-{due_ns}", due_ns)
        try:
            tools.wal.append(Entry([started]))
        except Unavailable as full:
            logger.warning("a scheduled run is not noted as begun: trigger=%s %s", subject.definition.name, full)
        asked_ns = due_ns + self._jitter_ns
        self._activation.execute(Work(kind="schedule", asked_ns=asked_ns, due_ns=due_ns), self._finished)

    def _finished(self, work: Work) -> None:
        with self._lock:
            self._under_way -= 1
        self._pump()

    def _note_reached(self) -> None:
        """Put into the log from when on due times count, so that a start after down time knows what passed."""
        subject, tools = self._activation.subject, self._activation.tools
        until_ns = self._reached_ns + 1  # never a due time itself: a run for that one may be interrupted
        reached = CommitRecord(
            subject.definition.trigger_id, subject.generation, "schedule-reached", (), until_ns, (), (), ()
        )
        try:
            tools.wal.append(Entry([reached], lazy=True))
        except Unavailable as full:
            logger.warning("the beginning of a schedule is not noted: trigger=%s %s", subject.definition.name, full)

    # ---- what the trigger says of itself

    def _tell_of_odd_times(self, now_ns: int) -> None:
        due_ns = self._table.next_after(self._reached_ns)
        if due_ns is None:
            self._activation.tell(
                "WARN", f"trigger {self._name} is over: no time after {utc_text(self._reached_ns)} matches"
            )
        elif self._reached_ns > now_ns + LATE_NS:
            self._activation.tell(
                "WARN",
                f"the clock was set back: trigger {self._name} ran for {utc_text(self._reached_ns)} and is due again at "
                f"{utc_text(due_ns)}; to begin anew, disable and enable it",
            )

    def _tell_of_delay(self, due_ns: int, now_ns: int) -> None:
        with self._lock:
            count = self._passed_over
            tells_count = bool(count) and self._may_tell("passed over", now_ns)
            if tells_count:
                self._passed_over = 0
            late_ns = now_ns - due_ns - self._jitter_ns
            tells_delay = late_ns > LATE_NS and self._may_tell("late", now_ns)
        if tells_count:
            number = str(count) if count < MOST_COUNTED else f"{MOST_COUNTED} or more"
            text = f"due times of trigger {self._name} before {utc_text(due_ns)} that its misfire option leaves out: {number}"
            self._activation.tell("WARN", text)
        if tells_delay:
            self._activation.tell(
                "WARN", f"the run of trigger {self._name} for {utc_text(due_ns)} begins {format_duration(late_ns)} late"
            )

    def _may_tell(self, what: str, now_ns: int) -> bool:
        if now_ns - self._told_ns.get(what, -TELL_AGAIN_NS) < TELL_AGAIN_NS:
            return False
        self._told_ns[what] = now_ns
        return True
