"""When a schedule trigger is due: times come from its specification, never from when somebody woke up."""

from engine.model.cron import CronSchedule, parse_cron
from engine.model.durations import NS_PER_SECOND
from engine.model.trigger_spec import CronSpec, EverySpec


def next_fire(spec: CronSpec | EverySpec, after_ns: int) -> int | None:
    """Return the first due time strictly after ``after_ns``; ``None`` = it never fires again.

    A period fires at its multiples since the epoch, whenever its trigger was created. At a start, and when a trigger
    is enabled, ``after_ns`` is the present: what was due before is not caught up.
    """
    return _next(_prepared(spec), after_ns)


def due_times(spec: CronSpec | EverySpec, last_due_ns: int, now_ns: int, most: int) -> list[int]:
    """Return the times after ``last_due_ns`` that are due at ``now_ns``, the oldest ``most`` of them.

    Nothing is skipped: after a run that took longer than its period, or a jump of the clock, each time that passed is
    due by itself. Ask again with the last answer for the rest.
    """
    schedule = _prepared(spec)
    due: list[int] = []
    at = _next(schedule, last_due_ns)
    while at is not None and at <= now_ns and len(due) < most:
        due.append(at)
        at = _next(schedule, at)
    return due


def call_time_s(due_ns: int) -> int:
    """Return the seconds since the epoch that a plugin gets as its call time: whole seconds, as in the product."""
    return due_ns // NS_PER_SECOND


def _prepared(spec: CronSpec | EverySpec) -> CronSchedule | int:
    """Return the schedule of a cron expression, or the nanoseconds of a period."""
    return spec.period_ns if isinstance(spec, EverySpec) else parse_cron(spec.text)


def _next(schedule: CronSchedule | int, after_ns: int) -> int | None:
    if isinstance(schedule, int):
        return (after_ns // schedule + 1) * schedule
    return schedule.next_after(after_ns)
