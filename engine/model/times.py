"""Times as people read them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(ns: int) -> str:
    """Return ``ns`` nanoseconds since the epoch as ``2026-11-21 08:00:00 UTC``, parts of a second left out."""
    return f"{_EPOCH + timedelta(microseconds=ns // 1000):%Y-%m-%d %H:%M:%S} UTC"
