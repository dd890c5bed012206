"""Times as the catalog keeps them: whole milliseconds, of the years 1970 to 9999; and as they stand in names."""

from datetime import UTC, datetime, timedelta

from engine.errors import InvalidRequest
from engine.model.durations import NS_PER_SECOND

NS_PER_MS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) * NS_PER_MS


def whole_ms(time_ns: int) -> int:
    """Return ``time_ns`` in whole milliseconds, as the file holds times."""
    return time_ns // NS_PER_MS * NS_PER_MS


def time_stamp(time_ns: int) -> str:
    """Return ``time_ns`` as it stands in names: ``20261121T031500``, UTC."""
    return (_EPOCH + timedelta(seconds=time_ns // NS_PER_SECOND)).strftime("%Y%m%dT%H%M%S")


def time_in_range(time_ns: int | None, what: str) -> int | None:
    """Return ``time_ns`` as the file holds it; ``what`` names it in the error.

    Raises:
        InvalidRequest: it is out of the range that the file can hold.
    """
    if time_ns is None:
        return None
    if not 0 <= time_ns <= _LATEST_NS:
        raise InvalidRequest(f"invalid configuration provided: {what} must be in the years 1970 to 9999")
    return whole_ms(time_ns)
