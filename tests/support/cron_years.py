"""An oracle for cron expressions: every minute of some years laid out in arrays, what each wall shows, what matches.

It shares nothing with the search of ``engine.model.cron``: no calendar arithmetic, no bisection; the fields are given
as sets, days come from numpy, and offsets are asked for every quarter of an hour.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

MINUTE = 60
_GRID_MINUTES = 15
_GRID_S = _GRID_MINUTES * MINUTE  # no zone has set its clocks between two quarters of an hour since 1972
_LOOK_BACK = 2 * 1440  # what the wall has shown before counts after it is set back

Numbers = Collection[int]


@dataclass(frozen=True)
class Meaning:
    """What an expression shall mean: the values of each field, ``None`` = all; weekdays count from 0 = Sunday."""

    seconds: Numbers = (0,)
    minutes: Numbers | None = None
    hours: Numbers | None = None
    month_days: Numbers | None = None
    months: Numbers | None = None
    weekdays: Numbers | None = None
    years: Numbers | None = None
    either_day: bool = False


def fire_times(meaning: Meaning, zone: str, first_s: int, end_s: int) -> list[int]:
    """Return all seconds since the epoch, from ``first_s`` on and below ``end_s``, at which it fires."""
    instants = np.arange(first_s // _GRID_S * _GRID_MINUTES - _LOOK_BACK, -(-end_s // MINUTE))
    walls = instants + _offsets(zone, instants)
    low = int(walls.min()) - 1
    matches = _matching(meaning, np.arange(low, int(walls.max()) + 1))
    if meaning.hours is None or len(set(meaning.hours)) == 24:
        whole = matches[walls - low]
        late = np.zeros(len(walls), dtype=bool)
    else:
        reached = np.maximum.accumulate(walls)
        before = np.concatenate([[reached[0] - 1], reached[:-1]])
        count = np.cumsum(matches)
        is_new = reached > before
        whole = is_new & matches[walls - low]
        late = is_new & (count[np.maximum(reached - 1, before) - low] > count[before - low])
    seconds = np.array(sorted(meaning.seconds))
    own = (instants[whole][:, None] * MINUTE + seconds[None, :]).ravel()
    found = np.unique(np.concatenate([own, instants[late] * MINUTE]))
    return [int(second) for second in found[(found >= first_s) & (found < end_s)]]


def _offsets(zone: str, instants: np.ndarray) -> np.ndarray:
    """Return what a wall is ahead of UTC at each minute."""
    name = ZoneInfo(zone)
    grid = [datetime.fromtimestamp(int(m) * MINUTE, name).utcoffset() for m in instants[::_GRID_MINUTES]]
    offsets = [int(offset.total_seconds()) // MINUTE for offset in grid if offset is not None]
    return np.repeat(offsets, _GRID_MINUTES)[: len(instants)]


def _matching(meaning: Meaning, walls: np.ndarray) -> np.ndarray:
    """Tell of each minute on a wall whether it matches."""
    days = walls // 1440
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    by_month_day = _among((dates - months).astype(int) + 1, meaning.month_days)
    by_weekday = _among((days + 4) % 7, meaning.weekdays)  # the epoch was a Thursday
    by_day = by_month_day | by_weekday if meaning.either_day else by_month_day & by_weekday
    by_date = _among(months.astype(int) % 12 + 1, meaning.months) & _among(
        dates.astype("datetime64[Y]").astype(int) + 1970, meaning.years
    )
    return by_day & by_date & _among(walls % 60, meaning.minutes) & _among(walls // 60 % 24, meaning.hours)


def _among(values: np.ndarray, wanted: Numbers | None) -> np.ndarray:
    return np.ones(len(values), dtype=bool) if wanted is None else np.isin(values, list(wanted))
