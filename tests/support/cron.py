"""Cron expressions drawn together with what they mean, and an oracle that tries every second of a day."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from hypothesis import strategies as st

SECONDS = np.arange(86_400)


@dataclass(frozen=True)
class DrawnField:
    """A field as text, the values that it stands for, and whether it begins with ``*`` or ``?``."""

    text: str
    values: frozenset[int]
    is_open: bool


@dataclass(frozen=True)
class DrawnCron:
    """An expression as text, and its meaning; weekdays count from 0 = Sunday."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    either_day: bool

    def fires_on(self, day: date) -> bool:
        """Tell whether it fires at all on ``day``."""
        by_month_day = day.day in self.month_days
        by_weekday = day.isoweekday() % 7 in self.weekdays
        matches = by_month_day or by_weekday if self.either_day else by_month_day and by_weekday
        return matches and day.month in self.months and day.year in self.years

    def next_within(self, after_s: int, days: int) -> int | None:
        """Return the first second above ``after_s`` at which it fires, by trial of all seconds of so many days."""
        clock = np.isin(SECONDS % 60, list(self.seconds))
        clock &= np.isin(SECONDS // 60 % 60, list(self.minutes))
        clock &= np.isin(SECONDS // 3_600, list(self.hours))
        times = SECONDS[clock]
        today = after_s // 86_400
        for number in range(today, today + days):
            if self.fires_on(date(1970, 1, 1) + timedelta(days=number)):
                later = times[times + number * 86_400 > after_s]
                if len(later):
                    return int(later[0]) + number * 86_400
        return None


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, names: dict[str, int] | None = None) -> DrawnField:
    """Draw a comma list of single values, names, ranges, steps and stars."""
    names = names or {}
    parts: list[str] = []
    values: set[int] = set()
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        form = draw(st.sampled_from(["*", "*", "point", "point", "range", "*/n", "a-b/n", "a/n", "name"]))
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, min(high, 20)))
        if form == "name" and names:
            word = draw(st.sampled_from(sorted(names)))
            parts.append(draw(st.sampled_from([word, word.upper(), word.title()])))
            values.add(names[word])
            continue
        text, span = {
            "*": ("*", range(low, high + 1)),
            "range": (f"{first}-{last}", range(first, last + 1)),
            "*/n": (f"*/{step}", range(low, high + 1, step)),
            "a-b/n": (f"{first}-{last}/{step}", range(first, last + 1, step)),
            "a/n": (f"{first}/{step}", range(first, high + 1, step)),
        }.get(form, (f"{first:0{draw(st.integers(1, 3))}d}", range(first, first + 1)))
        parts.append(text)
        values.update(span)
    return DrawnField(",".join(parts), frozenset(values), is_open=parts[0].startswith("*"))


MONTHS = {"jan": 1, "february": 2, "mar": 3, "may": 5, "sep": 9, "december": 12}
DAYS = {"sun": 0, "monday": 1, "tues": 2, "wed": 3, "thurs": 4, "friday": 5, "sat": 6}
ALL_YEARS = range(1970, 2101)


@st.composite
def crons(draw: st.DrawFn) -> DrawnCron:
    """Draw an expression of five, six or seven fields."""
    count = draw(st.sampled_from([5, 6, 7]))
    zero = DrawnField("", frozenset([0]), is_open=False)
    seconds = zero if count == 5 else draw(fields(0, 59))
    minutes, hours = draw(fields(0, 59)), draw(fields(0, 23))
    month_days, months = draw(fields(1, 31)), draw(fields(1, 12, MONTHS))
    first_weekday = 0 if count == 5 else 1
    names = {word: number + first_weekday for word, number in DAYS.items()}
    weekdays = draw(fields(first_weekday, 7, names))
    years = draw(fields(1970, 2100)) if count == 7 else DrawnField("", frozenset(ALL_YEARS), is_open=True)
    texts = [f.text for f in (seconds, minutes, hours, month_days, months, weekdays, years) if f.text]
    return DrawnCron(
        text=draw(st.sampled_from([" ", "  ", "\t"])).join(texts),
        seconds=seconds.values,
        minutes=minutes.values,
        hours=hours.values,
        month_days=month_days.values,
        months=months.values,
        weekdays=frozenset((v - first_weekday) % 7 for v in weekdays.values),
        years=years.values,
        either_day=count == 5 and not month_days.is_open and not weekdays.is_open,
    )
