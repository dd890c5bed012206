"""When a schedule trigger is due, and which due times still get a run after they have passed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from engine.model.cron import CronSchedule, parse_cron
from engine.model.durations import NS_PER_SECOND
from engine.model.times import utc_text
from engine.model.trigger import Misfire, ScheduleOptions, TriggerDefinition
from engine.model.trigger_spec import CronSpec, EverySpec, format_trigger_spec
from engine.model.zones import Wall, load_zone

SKIP_AFTER_NS = 60 * NS_PER_SECOND
"""With ``skip`` a run that cannot begin for so long is missed: a server that is busy for a moment loses none."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The due times of a trigger: they come from its specification, never from when somebody woke up.

    Attributes:
        schedule: a cron schedule, or the nanoseconds of a period, whose multiples since the epoch are due.
        wall: the clock that the cron schedule speaks of, ``None`` = UTC.
    """

    schedule: CronSchedule | int
    wall: Wall | None = None

    def next_after(self, after_ns: int) -> int | None:
        """Return the first due time strictly after ``after_ns``; ``None`` = never again."""
        if isinstance(self.schedule, int):
            return (after_ns // self.schedule + 1) * self.schedule
        return self.schedule.next_after(after_ns, self.wall)

    def newest(self, after_ns: int, until_ns: int) -> int | None:
        """Return the last due time after ``after_ns`` and until ``until_ns``; ``None`` = there is none."""
        if isinstance(self.schedule, int):
            newest = until_ns // self.schedule * self.schedule
            return newest if newest > after_ns else None
        found = self.next_after(after_ns)
        if found is None or found > until_ns:
            return None
        high_ns = until_ns  # between here and the end nothing is due
        while high_ns - found >= NS_PER_SECOND:
            middle_ns = (found + high_ns) // 2
            due_ns = self.next_after(middle_ns)
            if due_ns is None or due_ns > until_ns:
                high_ns = middle_ns
            else:
                found = due_ns
        return found

    def between(self, after_ns: int, before_ns: int) -> Iterator[int]:
        """Yield the due times after ``after_ns`` and before ``before_ns``, in order."""
        due_ns = self.next_after(after_ns)
        while due_ns is not None and due_ns < before_ns:
            yield due_ns
            due_ns = self.next_after(due_ns)


def timetable(spec: CronSpec | EverySpec, options: ScheduleOptions | None = None) -> Timetable:
    """Return the due times that a trigger's specification and options state."""
    if isinstance(spec, EverySpec):
        return Timetable(spec.period_ns)
    zone = options.timezone if options else None
    return Timetable(parse_cron(spec.text), None if zone is None else Wall(load_zone(zone)))


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Which due times still get a run when they could not begin at their time.

    Attributes:
        is_newest_only: of all that have passed, only the last counts.
        window_ns: what is later is not run any more; ``None`` = nothing is too late.
        after_down: what passed while the server was down counts, too.
    """

    is_newest_only: bool = False
    window_ns: int | None = None
    after_down: bool = False


def catch_up(options: ScheduleOptions) -> CatchUp:
    """Return what the options of a trigger say; without any, overruns follow one another and down time is not caught up."""
    window_s = options.misfire_window_s
    window_ns = None if window_s is None else round(window_s * NS_PER_SECOND)
    match options.misfire:
        case None:
            return CatchUp()
        case Misfire.SKIP:
            return CatchUp(is_newest_only=True, window_ns=SKIP_AFTER_NS)
        case Misfire.ONCE:
            return CatchUp(is_newest_only=True, window_ns=window_ns, after_down=True)
        case Misfire.ALL:
            return CatchUp(window_ns=window_ns, after_down=True)


def next_run(table: Timetable, rule: CatchUp, after_ns: int, now_ns: int) -> int | None:
    """Return the due time that gets the next run: one until ``now_ns`` if such a one still counts, else the first later one.

    ``after_ns`` is the newest due time that has been dealt with; what lies between it and the answer is passed over.
    ``None`` = it never fires again.
    """
    if rule.window_ns is not None:
        after_ns = max(after_ns, now_ns - rule.window_ns - 1)
    newest = table.newest(after_ns, now_ns) if rule.is_newest_only else None
    return table.next_after(after_ns) if newest is None else newest


def dealt_with(rule: CatchUp, last_due_ns: int | None, now_ns: int, delay_ns: int) -> int:
    """Return the time until which a trigger owes nothing when the server starts at ``now_ns``.

    ``last_due_ns`` is the newest due time whose run began, ``None`` = the trigger is new; a clock that was set back repeats
    none. ``delay_ns`` is the trigger's jitter: what is due but not yet to be begun did not pass.
    """
    if last_due_ns is None:
        return now_ns
    return last_due_ns if rule.after_down else max(last_due_ns, now_ns - delay_ns)


def never_note(definition: TriggerDefinition, now_ns: int) -> str | None:
    """Return that a trigger will never run after ``now_ns`` if that is so, else ``None``."""
    spec = definition.spec
    if (
        not isinstance(spec, CronSpec | EverySpec)
        or timetable(spec, definition.schedule).next_after(now_ns) is not None
    ):
        return None
    return f"this trigger never runs: no time after {utc_text(now_ns)} matches {format_trigger_spec(spec)}"


def jitter_ns(trigger_id: int, options: ScheduleOptions) -> int:
    """Return how long after its due times a trigger runs: at least 0, less than its jitter, and always the same."""
    most_ns = round((options.jitter_s or 0) * NS_PER_SECOND)
    drawn = hashlib.blake2b(trigger_id.to_bytes(8, "little"), digest_size=8).digest()
    return int.from_bytes(drawn, "little") * most_ns >> 64


def call_time_s(due_ns: int) -> int:
    """Return the seconds since the epoch that a plugin gets as its call time: whole seconds, as in the product."""
    return due_ns // NS_PER_SECOND
