"""How long rows are kept, and when the data of something deleted goes, as people write them."""

from enum import Enum

from engine.errors import InvalidRequest
from engine.model.durations import NS_PER_SECOND, parse_duration
from engine.model.times import parse_instant

MOST_PERIOD_S = (2**64 - 1) // NS_PER_SECOND
"""The longest period, 584 years: in nanoseconds it fits the column of ``system.databases``."""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class HardDelete(Enum):
    """When the data of something deleted goes, if no time is given; the value is the word for it."""

    NEVER = "never"
    NOW = "now"
    DEFAULT = "default"


def parse_period(text: str) -> int:
    """Return the whole seconds of a retention period such as ``30d`` or ``1h 30m``.

    Raises:
        ValueError: it is no duration, shorter than a second, or longer than 584 years.
    """
    seconds = parse_duration(text) // NS_PER_SECOND
    if seconds < 1:
        raise ValueError(f"'{text}' is too short: a retention period is at least 1s")
    if seconds > MOST_PERIOD_S:
        raise ValueError(f"'{text}' is too long: a retention period is at most 584 years")
    return seconds


def format_period(seconds: int) -> str:
    """Return a retention period in the largest unit that it is a multiple of: ``30d``, ``36h``, ``90m``, ``45s``."""
    word, unit_s = next((word, unit_s) for word, unit_s in _UNITS if seconds % unit_s == 0)
    return f"{seconds // unit_s}{word}"


def parse_hard_delete_at(text: str | None) -> HardDelete | int | None:
    """Return when the data of something deleted goes: a word (in any case), or RFC 3339 as nanoseconds since the epoch.

    ``None`` = nothing is said.

    Raises:
        InvalidRequest: it is neither.
    """
    if text is None:
        return None
    try:
        return HardDelete(text.strip().lower())
    except ValueError:
        pass
    try:
        return parse_instant(text)
    except InvalidRequest as error:
        raise InvalidRequest(f"Cannot parse the timestamp: {error}; or say never, now or default") from error
