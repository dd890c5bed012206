"""The call of ``date_bin_gapfill`` or ``date_bin_wallclock_gapfill`` in a query: what it bins, and which bins there are."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import QueryError
from engine.query.functions import wallclock
from engine.query.functions.bins import Bins
from engine.query.functions.calls import Text
from engine.query.functions.gap_block import WALLCLOCK_GAPFILL, name_of
from engine.query.functions.gap_bounds import Bounds
from engine.query.functions.wallclock import NS_PER_DAY

MOST_ROWS = 2_000_000
"""Filling makes at most so many rows, for they are made in memory."""

MOST_WALLCLOCK_BINS = 100_000
"""Bins of wall clocks are looked for when a query is planned."""

TOO_MANY = f"date_bin_gapfill may make at most {MOST_ROWS} rows: ask for a longer interval, less time, fewer groups; asked are "

Evaluate = Callable[[str], pa.Table]
"""Returns the rows of a query."""

_NAIVE = "arrow_cast({}, 'Timestamp(Nanosecond, None)')"


@dataclass(frozen=True, slots=True)
class GapBin:
    """Such a call: its interval, what stands behind the time, the column of times, and the zone of the results."""

    name: str
    interval: str
    origin: str
    column: str
    source: str
    zone: str | None

    @staticmethod
    def of_call(call: Text) -> "GapBin":
        """Return what ``call`` says.

        Raises:
            QueryError: it has other arguments than those that are known.
        """
        name, arguments = call.words[0].lower(), call.arguments(call.start)
        if len(arguments) not in (2, 3):
            raise QueryError(
                f"Error during planning: {name} takes an interval, a time and an origin if wanted, "
                f"not {len(arguments)} arguments"
            )
        interval, time, *origin = arguments
        behind = f", {origin[0]}" if origin else ""
        column = name_of(time)
        if column is not None:
            return GapBin(name, str(interval), behind, column, str(time), None)
        inner = time.arguments(time.start) if time.is_call(time.start) and time.words[0] == "TZ" else []
        column = name_of(inner[0]) if inner else None
        if column is None or time.closing(time.start + 1) != time.end - 1:
            raise QueryError(
                f"Error during planning: {name} needs a time column or tz(column, zone) as its second argument, got {time}"
            )
        zone = f", {inner[1]}" if len(inner) > 1 else ""
        return GapBin(name, str(interval), behind, column, str(inner[0]), zone)

    @property
    def is_wallclock(self) -> bool:
        """Return whether bins are those of what clocks show; without a zone these are those of UTC."""
        return self.name.upper() == WALLCLOCK_GAPFILL and self.zone is not None

    def of(self, time: str) -> str:
        """Return the bin of ``time``, both without a zone."""
        if self.is_wallclock:
            return f"CAST(date_bin_wallclock({self.interval}, {self.zoned(time)}{self.origin}) AS TIMESTAMP)"
        return self._even(time)

    def zoned(self, time: str) -> str:
        """Return ``time`` in the zone of the results."""
        return time if self.zone is None else f"tz({time}{self.zone})"

    def found(self, bounds: Bounds, evaluate: Evaluate) -> Bins:
        """Return the bins of all times within ``bounds``.

        Raises:
            QueryError: they are too many, or the interval cannot be that of bins.
        """
        first, last = self._even(bounds.lower), self._even(bounds.upper)
        row = evaluate(
            f"SELECT CAST({first} AS BIGINT) AS first, CAST({last} AS BIGINT) AS last, CAST({self.interval} AS INTERVAL) AS step"
        )
        first_ns, last_ns, step = (row[name][0].as_py() for name in ("first", "last", "step"))
        if None in (first_ns, last_ns, step):
            return Bins.even(0, -1, 1)
        if step.months and self.name.upper() != WALLCLOCK_GAPFILL:
            days = f"SELECT unnest(range({bounds.lower}, {bounds.upper}, INTERVAL '1 day')) AS t"
            return self._listed(days, bounds, evaluate)
        length = None if step.months else step.days * NS_PER_DAY + step.nanoseconds
        step_ns = wallclock.checked_ns(self.interval, self.name, lambda _: length)
        bins, most = Bins.even(first_ns, last_ns, step_ns), MOST_WALLCLOCK_BINS if self.is_wallclock else MOST_ROWS
        if bins.count > most:
            what = f"{self.name} may make at most {most} bins: ask for a longer interval or less time; asked are "
            raise QueryError(f"Error during planning: {what if self.is_wallclock else TOO_MANY}{bins.count} bins")
        if not self.is_wallclock or not bins.count:
            return bins
        # A day more on either side: no clock is farther away from UTC.
        more = (NS_PER_DAY // step_ns + 2) * step_ns
        return self._listed(self._edges(first_ns - more, last_ns + more, step_ns), bounds, evaluate)

    def _even(self, time: str) -> str:
        return f"date_bin({self.interval}, {time}{self.origin})"

    def _listed(self, times: str, bounds: Bounds, evaluate: Evaluate) -> Bins:
        """Return the bins of the times ``t`` of a query, as far as these are within ``bounds``, and of the bounds."""
        both = f"SELECT {bounds.lower} AS t UNION ALL SELECT {bounds.upper} AS t"
        inside = f"SELECT t FROM ({times}) WHERE t >= {bounds.lower} AND t <= {bounds.upper} UNION ALL {both}"
        found = evaluate(f"SELECT DISTINCT CAST({self.of('t')} AS BIGINT) AS bin FROM ({inside}) ORDER BY bin")
        return Bins.listed(found["bin"].to_numpy())

    def _edges(self, first_ns: int, last_ns: int, step_ns: int) -> str:
        """Return the query of times ``t`` at which bins may begin, and of the last moments before.

        Those are all at which clocks show the beginning of a bin, by the offsets from UTC that hold the day before and after.
        """
        shown = f"SELECT unnest(range({first_ns}, {last_ns} + 1, {step_ns})) AS shown"
        before, behind = self._offset(f"(shown - {NS_PER_DAY})"), self._offset(f"(shown + {NS_PER_DAY})")
        offsets = f"SELECT shown, {before} AS before, {behind} AS behind FROM ({shown})"
        edges = "make_array(shown - before, shown - behind, shown - 1 - before, shown - 1 - behind)"
        return f"SELECT {_NAIVE.format('t')} AS t FROM (SELECT unnest({edges}) AS t FROM ({offsets}))"

    def _offset(self, ns: str) -> str:
        clock = f"to_local_time({self.zoned(_NAIVE.format(ns))})"
        return f"(CAST(CAST({clock} AS TIMESTAMP) AS BIGINT) - {ns})"
