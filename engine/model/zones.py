"""Time zones as clocks on a wall: what they show at an instant, and when they first show a time.

Wall time is counted in seconds like instants are: the seconds from 1970-01-01 00:00 on that wall, as if each day had
86,400 of them. Instants are seconds since the epoch, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from engine.model.nearest import nearest

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALIKE_CITY = 0.9
_PROBE_S = 7 * 86_400
"""No zone changes its clocks twice within so short a time (Morocco does it within five weeks)."""


def load_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name such as ``Europe/Berlin``.

    Raises:
        ValueError: there is none of this name; the text tells of one with a similar name.
    """
    # Start-up time: a command that names no zone does without.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as cause:
        raise ValueError(f"not the IANA name of a time zone{_similar(name)}") from cause


def _similar(name: str) -> str:
    from zoneinfo import available_timezones  # here: it reads folders, only for the message of an error

    known = {zone.lower(): zone for zone in available_timezones()}
    cities = {zone.rsplit("/", 1)[-1]: zone for zone in sorted(known)}
    near = nearest(name.lower(), known)
    if near is None:
        city = nearest(name.lower().replace(" ", "_"), cities, _ALIKE_CITY)
        near = None if city is None else cities[city]
    return ", such as Europe/Berlin" if near is None else f"; did you mean {known[near]}?"


class Wall:
    """A clock on a wall in one time zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def shown(self, at_s: int) -> int:
        """Return what the clock shows at instant ``at_s``."""
        return at_s + self._offset(at_s)

    def highest_shown(self, at_s: int) -> int:
        """Return the latest time that the clock has shown until instant ``at_s``: after it was set back, not the present one."""
        moment = self._moment(at_s)
        if not moment.fold:
            return self.shown(at_s)
        first_s = self.shown(at_s) - _seconds(moment.replace(fold=0))
        change_s = self._change(first_s, at_s)
        return change_s - 1 + self._offset(change_s - 1)

    def first_at(self, wall_s: int) -> int:
        """Return the first instant at which the clock shows ``wall_s`` or, if that is left out, has passed it.

        A time that the clock shows twice is meant the first time; instead of one that is left out counts the moment
        right after the gap.
        """
        time = (_EPOCH + timedelta(seconds=wall_s)).replace(tzinfo=self._zone)
        at_s = wall_s - _seconds(time)
        if self.shown(at_s) == wall_s:
            return at_s
        return self._change(wall_s - _seconds(time.replace(fold=1)), at_s)

    def next_change(self, after_s: int, until_s: int) -> int | None:
        """Return the first instant above ``after_s``, up to ``until_s``, at which the clock is set; ``None`` = it is not."""
        low_s = after_s
        while low_s < until_s:
            high_s = min(low_s + _PROBE_S, until_s)
            if self._offset(low_s) != self._offset(high_s):
                return self._change(low_s, high_s)
            low_s = high_s
        return None

    def _change(self, low_s: int, high_s: int) -> int:
        """Return the instant above ``low_s``, up to ``high_s``, from which on the offset is another than at ``low_s``."""
        before = self._offset(low_s)
        while high_s - low_s > 1:
            middle_s = (low_s + high_s) // 2
            if self._offset(middle_s) == before:
                low_s = middle_s
            else:
                high_s = middle_s
        return high_s

    def _offset(self, at_s: int) -> int:
        return _seconds(self._moment(at_s))

    def _moment(self, at_s: int) -> datetime:
        return (_EPOCH + timedelta(seconds=at_s)).astimezone(self._zone)


def _seconds(time: datetime) -> int:
    offset = time.utcoffset()
    return 0 if offset is None else offset.days * 86_400 + offset.seconds
