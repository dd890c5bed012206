"""Points in time as people write and read them."""

import re
from datetime import UTC, datetime, timedelta

from engine.errors import InvalidRequest

NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST, _MOST = -(2**63), 2**63 - 1
_RFC3339 = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})(?:[Tt ](?P<clock>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})?)?"
)


def parse_time(text: str) -> int:
    """Return the nanoseconds since the epoch that ``text`` means: RFC 3339 (UTC without a zone), a day, or nanoseconds.

    Raises:
        InvalidRequest: it is none of them, or out of the range of 64 bits.
    """
    stripped = text.strip()
    if re.fullmatch(r"[+-]?\d{1,20}", stripped):
        return _checked(int(stripped), text)
    found = _RFC3339.fullmatch(stripped)
    if found is None:
        raise InvalidRequest(
            f"'{text}' is not a time: expect RFC 3339 like 2026-11-21T08:00:00Z, a day like 2026-11-21, "
            "or nanoseconds since 1970"
        )
    return _checked(_nanoseconds(found, text), text)


def parse_instant(text: str) -> int:
    """Return the nanoseconds since the epoch that ``text`` in RFC 3339 means: day, clock and zone, of any year.

    Raises:
        InvalidRequest: it is something else.
    """
    found = _RFC3339.fullmatch(text.strip())
    if found is None or found["zone"] is None:
        raise InvalidRequest(f"'{text}' is not a time with its zone like 2026-11-21T08:00:00Z")
    return _nanoseconds(found, text)


def _nanoseconds(found: re.Match[str], text: str) -> int:
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00:00'}{zone}")
    except ValueError as error:
        raise InvalidRequest(f"'{text}' is not a time: {error}") from error
    whole_s = (moment - _EPOCH) // timedelta(seconds=1)
    return whole_s * NS_PER_S + int((found["fraction"] or "").ljust(9, "0"))


def _checked(time_ns: int, text: str) -> int:
    if not _LEAST <= time_ns <= _MOST:
        raise InvalidRequest(f"'{text}' is out of range: times go from 1677-09-21 to 2262-04-11")
    return time_ns


def utc_text(ns: int) -> str:
    """Return ``ns`` nanoseconds since the epoch as ``2026-11-21 08:00:00 UTC``, parts of a second left out."""
    return f"{_EPOCH + timedelta(microseconds=ns // 1000):%Y-%m-%d %H:%M:%S} UTC"
