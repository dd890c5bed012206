"""``date_bin_wallclock`` as plain SQL: bins by what clocks show in the time zone of a time."""

from collections.abc import Callable

from engine.errors import QueryError
from engine.model.durations import NS_PER_SECOND
from engine.query.functions.calls import Call

NAME = "DATE_BIN_WALLCLOCK"

IntervalNs = Callable[[str], int | None]
"""Returns the length of an interval, in ns; ``None`` for one of months or years."""

NS_PER_DAY = 86_400 * NS_PER_SECOND

_DAY = f"arrow_cast({NS_PER_DAY}, 'Duration(Nanosecond)')"


def wallclock(call: Call, length_ns: IntervalNs) -> str:
    """Return ``call`` for DataFusion.

    The bin of a time is found as if all times had its offset from UTC. Where clocks were changed in between:

    - its beginning has the offset that held there; if clocks skipped it, so much later as they skipped;
    - if they showed it twice, it is the earlier time for intervals that are longer than the change, else that with the offset
      of the time.

    Raises:
        QueryError: the arguments are not an interval of fixed length, a time, and an origin if wanted.
    """
    if len(call.arguments) not in (2, 3):
        raise QueryError(
            f"Error during planning: {call.name} takes an interval, a time and an origin if wanted, "
            f"not {len(call.arguments)} arguments"
        )
    interval, given, *origin = call.arguments
    length = checked_ns(interval, call.name, length_ns)
    behind = f", CAST({origin[0]} AS TIMESTAMP)" if origin else ""
    time = f"({given})"
    shown = f"CAST(to_local_time({time}) AS TIMESTAMP)"
    begin = f"({time} - ({shown} - date_bin({interval}, {shown}{behind})))"
    here, there, before = _offset(time), _offset(begin), _offset(f"({begin} - {_DAY})")
    earlier = f"({begin} - ({before} - {here}))"
    longer = f"{before} - {here} < arrow_cast({length}, 'Duration(Nanosecond)')"
    return (
        f"CASE WHEN {there} <> {here} THEN {begin} + ({here} - {there}) "
        f"WHEN {before} > {here} AND {longer} AND {_offset(earlier)} = {before} THEN {earlier} ELSE {begin} END"
    )


def checked_ns(interval: str, name: str, length_ns: IntervalNs) -> int:
    """Return the length of ``interval``, an argument of ``name``, in ns.

    Raises:
        QueryError: it is not of a fixed length, or not above 0.
    """
    length = length_ns(interval)
    if length is None:
        raise QueryError(f"Error during planning: {name} takes no interval of months or years, got {interval}")
    if length <= 0:
        raise QueryError(f"Error during planning: the interval of {name} must be longer than 0, got {interval}")
    return length


def _offset(time: str) -> str:
    """Return how much later than UTC clocks are at ``time``."""
    return f"(CAST(to_local_time({time}) AS TIMESTAMP) - CAST({time} AS TIMESTAMP))"
