"""Cron expressions: the only place that knows their dialects.

With six or seven fields (seconds first, perhaps years last) an expression means what it means in InfluxDB: weekdays
count from 1 = Sunday to 7 = Saturday, and both day fields must match. With five fields it means what it means in Unix:
weekdays count from 0 = Sunday, 7 is Sunday too, and where both day fields are given – neither begins with ``*`` or
``?`` – either may match.

The fields speak of the time on a wall: UTC, or that of a time zone. Where its clocks are set forward or back, what Unix
cron does holds. An expression that names hours fires once for each time that matches: at the first of two equal times,
and right after a gap for all that is left out. One that fires in every hour goes by real time: nothing is left out or
made up for.

No package is behind this: those for Python read the Unix dialect, accept more than the product does, and give up on
days that are rare.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from engine.model.durations import NS_PER_SECOND
from engine.model.zones import Wall

FIRST_YEAR = 1970
LAST_YEAR = 2100

UNIX_READING = (
    "five fields are read as Unix cron does: minute hour day-of-month month day-of-week; weekdays count from "
    "0 = Sunday, 7 is Sunday too; where both day fields are given, either may match"
)
WEEKDAY_READING = (
    "in six or seven fields weekdays count from 1 = Sunday to 7 = Saturday; names such as MON-FRI are never mistaken"
)

_EPOCH = date(FIRST_YEAR, 1, 1).toordinal()
_SECONDS_PER_DAY = 86_400
_HOURS_PER_DAY = 24
_LAST_SECOND = (date(LAST_YEAR + 1, 1, 1).toordinal() - _EPOCH) * _SECONDS_PER_DAY + _SECONDS_PER_DAY
_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_PER_WEEK = 7

_MONTH_NAMES = (
    "jan january",
    "feb february",
    "mar march",
    "apr april",
    "may",
    "jun june",
    "jul july",
    "aug august",
    "sep september",
    "oct october",
    "nov november",
    "dec december",
)
_DAY_NAMES = (
    "sun sunday",
    "mon monday",
    "tue tues tuesday",
    "wed wednesday",
    "thu thurs thursday",
    "fri friday",
    "sat saturday",
)


def _numbered(names: tuple[str, ...], first: int) -> dict[str, int]:
    return {word: number for number, words in enumerate(names, first) for word in words.split()}


@dataclass(frozen=True, slots=True)
class _Field:
    """What may stand in one field of one dialect."""

    title: str
    low: int
    high: int
    names: dict[str, int]
    takes_question_mark: bool = False


_MONTH = _Field("month", 1, 12, _numbered(_MONTH_NAMES, 1))
_SIX_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}, takes_question_mark=True),
    _MONTH,
    _Field("day of week", 1, 7, _numbered(_DAY_NAMES, 1), takes_question_mark=True),
)
_YEAR = _Field("year", FIRST_YEAR, LAST_YEAR, {})
_UNIX_FIELDS = (
    *_SIX_FIELDS[1:5],
    _Field("day of week", 0, 7, _numbered(_DAY_NAMES, 0), takes_question_mark=True),
)

_SHORTHANDS = {
    "@yearly": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 1",
    "@daily": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

_POINT = "[0-9]+|[A-Za-z]+"
_ITEM = re.compile(rf"(?:(?P<all>[*?])|(?P<first>{_POINT})(?:-(?P<last>{_POINT}))?)(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class _Item:
    """One part of a comma list as it was typed; ``first`` is ``*`` or ``?`` where all values are meant."""

    first: str
    last: str | None
    step: str | None


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """When an expression fires: the values of each field in rising order, weekdays counted from 0 = Sunday.

    Attributes:
        either_day: a day fires if the day of month *or* the weekday matches, otherwise both must.
        is_unix: it was read as the five fields of Unix.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    years: tuple[int, ...]
    either_day: bool
    is_unix: bool

    def next_after(self, after_ns: int, wall: Wall | None = None) -> int | None:
        """Return the first time strictly after ``after_ns`` at which it fires, a whole second; ``None`` = never again.

        All times are nanoseconds since the epoch; the fields speak of the time on ``wall``, ``None`` = UTC. Nothing fires
        before 1970 or after 2100.
        """
        after_s = max(after_ns // NS_PER_SECOND, -1)
        if wall is None:
            at_s = self._next_shown(after_s)
        elif len(self.hours) == _HOURS_PER_DAY:
            at_s = self._next_real(after_s, wall)
        else:
            shown_s = self._next_shown(wall.highest_shown(after_s))
            at_s = None if shown_s is None else wall.first_at(shown_s)
        return None if at_s is None else at_s * NS_PER_SECOND

    def _next_real(self, after_s: int, wall: Wall) -> int | None:
        """Return the first instant above ``after_s`` at which ``wall`` shows a time that matches."""
        while True:
            offset_s = wall.shown(after_s) - after_s
            shown_s = self._next_shown(after_s + offset_s)
            change_s = wall.next_change(after_s, _LAST_SECOND if shown_s is None else shown_s - offset_s)
            if change_s is None:
                return None if shown_s is None else shown_s - offset_s
            if self._next_shown(wall.shown(change_s) - 1) == wall.shown(change_s):
                return change_s
            after_s = change_s

    def _next_shown(self, after_s: int) -> int | None:
        """Return the first second above ``after_s``, both as a wall shows them, that matches; ``None`` = there is none."""
        first_day, second = divmod(max(after_s + 1, 0), _SECONDS_PER_DAY)
        for day in self._days_from(first_day):
            at = self._time_from(second if day == first_day else 0)
            if at is not None:
                return day * _SECONDS_PER_DAY + at
        return None

    def _days_from(self, first_day: int) -> Iterator[int]:
        """Yield the days, counted from the epoch, on which it fires, from ``first_day`` on.

        The walk ends with the year 2100: 131 years, so an expression that never fires costs milliseconds.
        """
        first = first_day + _EPOCH
        if first > date(LAST_YEAR, 12, 31).toordinal():
            return
        start = date.fromordinal(first)
        for year in self.years[bisect_left(self.years, start.year) :]:
            lowest_month = start.month if year == start.year else 1
            for month in self.months[bisect_left(self.months, lowest_month) :]:
                before_month = date(year, month, 1).toordinal() - 1
                for month_day in range(1, _month_length(year, month) + 1):
                    ordinal = before_month + month_day
                    if ordinal >= first and self._fires_on(month_day, ordinal % _DAYS_PER_WEEK):
                        yield ordinal - _EPOCH

    def _fires_on(self, month_day: int, weekday: int) -> bool:
        """Tell whether it fires on a day; an ordinal of ``date`` modulo 7 is a weekday from 0 = Sunday."""
        if self.either_day:
            return month_day in self.month_days or weekday in self.weekdays
        return month_day in self.month_days and weekday in self.weekdays

    def _time_from(self, second_of_day: int) -> int | None:
        """Return the first second of a day, from ``second_of_day`` on, at which it fires; ``None`` = on another day."""
        minute_of_day, second = divmod(second_of_day, 60)
        first_hour, first_minute = divmod(minute_of_day, 60)
        for hour in self.hours[bisect_left(self.hours, first_hour) :]:
            lowest_minute = first_minute if hour == first_hour else 0
            for minute in self.minutes[bisect_left(self.minutes, lowest_minute) :]:
                lowest = second if (hour, minute) == (first_hour, first_minute) else 0
                found = bisect_left(self.seconds, lowest)
                if found < len(self.seconds):
                    return (hour * 60 + minute) * 60 + self.seconds[found]
        return None


def _month_length(year: int, month: int) -> int:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and is_leap else _MONTH_LENGTHS[month - 1]


def parse_cron(text: str) -> CronSchedule:
    """Return the schedule that ``text`` states: five fields, six, seven, or a shorthand such as ``@hourly``.

    An expression that can never fire is accepted.

    Raises:
        ValueError: the text says what is wrong.
    """
    typed = text.strip()
    fields = _split(_SHORTHANDS.get(typed, typed))
    if len(fields) == len(_UNIX_FIELDS):
        minutes, hours, month_days, months, weekdays = _values(_UNIX_FIELDS, fields)
        sundays_once = tuple(sorted({weekday % _DAYS_PER_WEEK for weekday in weekdays}))
        either_day = not (_begins_open(fields[2]) or _begins_open(fields[4]))
        years = _all_values(_YEAR)
        return CronSchedule(
            (0,), minutes, hours, month_days, months, sundays_once, years, either_day=either_day, is_unix=True
        )
    if len(fields) not in (len(_SIX_FIELDS), len(_SIX_FIELDS) + 1):
        raise ValueError(f"'{text}' has {len(fields)} fields, expected 5, 6 or 7")
    *sets, weekdays, years = _values((*_SIX_FIELDS, _YEAR), [*fields, [_Item("*", None, None)]][:7])
    from_zero = tuple(weekday - 1 for weekday in weekdays)
    seconds, minutes, hours, month_days, months = sets
    return CronSchedule(seconds, minutes, hours, month_days, months, from_zero, years, either_day=False, is_unix=False)


def cron_reading(text: str) -> str | None:
    """Return how an expression is read where its author may mean something else, else ``None``."""
    typed = text.strip()
    fields = _split(_SHORTHANDS.get(typed, typed))
    if len(fields) == len(_UNIX_FIELDS):
        return UNIX_READING
    points = [point for item in fields[5] for point in (item.first, item.last) if point is not None]
    is_typed = typed not in _SHORTHANDS
    return WEEKDAY_READING if is_typed and any(point.isdigit() for point in points) else None


def _begins_open(items: list[_Item]) -> bool:
    return items[0].first in ("*", "?")


def _split(text: str) -> list[list[_Item]]:
    """Return the items of each field.

    A field ends where no comma follows an item, so blanks may be missing where nothing else can be meant: ``0 0 8***``.
    """
    fields: list[list[_Item]] = []
    at = 0
    continues = False
    while at < len(text):
        found = _ITEM.match(text, at)
        if not found:
            raise ValueError(f"'{text}' cannot be read at character {at}")
        item = _Item(found["all"] or found["first"], found["last"], found["step"])
        if continues:
            fields[-1].append(item)
        else:
            fields.append([item])
        at = found.end()
        continues = text[at : at + 1] == ","
        at = at + 1 if continues else _blanks_end(text, at)
    if continues:
        raise ValueError(f"'{text}' ends with a comma")
    return fields


def _blanks_end(text: str, start: int) -> int:
    while text[start : start + 1].isspace():
        start += 1
    return start


def _values(expected: tuple[_Field, ...], fields: list[list[_Item]]) -> list[tuple[int, ...]]:
    return [
        tuple(sorted({value for item in items for value in _item_values(field, item)}))
        for field, items in zip(expected, fields, strict=True)
    ]


def _all_values(field: _Field) -> tuple[int, ...]:
    return tuple(range(field.low, field.high + 1))


def _item_values(field: _Field, item: _Item) -> range:
    low, high = _bounds(field, item)
    if low > high:
        raise ValueError(f"'{item.first}-{item.last}' runs backwards in the field {field.title}")
    step = 1 if item.step is None else int(item.step)
    if not 1 <= step <= field.high:
        raise ValueError(f"step {item.step} of the field {field.title} is not from 1 to {field.high}")
    return range(low, high + 1, step)


def _bounds(field: _Field, item: _Item) -> tuple[int, int]:
    if item.first == "?" and not field.takes_question_mark:
        raise ValueError(f"'?' may not stand in the field {field.title}")
    if item.first in ("*", "?"):
        return field.low, field.high
    first = _point(field, item.first)
    if item.last is not None:
        return first, _point(field, item.last)
    return first, first if item.step is None else field.high


def _point(field: _Field, text: str) -> int:
    value = int(text) if text.isdigit() else field.names.get(text.lower())
    if value is None:
        raise ValueError(f"'{text}' is no name for the field {field.title}")
    if not field.low <= value <= field.high:
        raise ValueError(f"{value} is not from {field.low} to {field.high} in the field {field.title}")
    return value
