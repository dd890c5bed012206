"""Timestamps of any precision as nanoseconds, one by one and in columns."""

import numpy as np
import numpy.typing as npt

from engine.errors import LineProtocolError
from engine.model.precision import GUESS_LIMITS, Precision

LOWEST_NS = -(2**63)
HIGHEST_NS = 2**63 - 1

# Most timestamps are nanoseconds of our days: one comparison tells them from all that a guess would scale.
_SURELY_NANOSECONDS = GUESS_LIMITS[-1][0]


def to_ns(timestamp: int, precision: Precision) -> int:
    """Return ``timestamp``, stated in ``precision``, as nanoseconds.

    Raises:
        LineProtocolError: the nanoseconds do not fit in 64 bits.
    """
    if precision is Precision.NANOSECOND or (precision is Precision.AUTO and timestamp >= _SURELY_NANOSECONDS):
        return timestamp
    unit = precision.of(timestamp)
    scaled = timestamp * unit.factor
    if not LOWEST_NS <= scaled <= HIGHEST_NS:
        raise LineProtocolError(f"timestamp, {timestamp}, out of range for precision: {unit.title}")
    return scaled


def columns_to_ns(
    timestamps: npt.NDArray[np.int64], precision: Precision
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """Return ``timestamps`` as nanoseconds, and which of them ``to_ns`` would refuse (``None`` = none of them).

    The nanoseconds of those that are refused are without meaning.
    """
    if precision is Precision.NANOSECOND:
        return timestamps, None
    if precision is Precision.AUTO:
        return timestamps * _guessed_factors(timestamps), None
    factor = precision.factor
    highest = HIGHEST_NS // factor
    refused = (timestamps > highest) | (timestamps < -highest)
    return timestamps * factor, refused if refused.any() else None


def ingest_time(now_ns: int, precision: Precision) -> int:
    """Return the time of lines without timestamp: ``now_ns``, cut down to ``precision``."""
    return now_ns if precision is Precision.AUTO else now_ns - now_ns % precision.factor


def _guessed_factors(timestamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | np.int64:
    """Return what to multiply each timestamp with; a guess never leaves 64 bits, since its limits lie far below."""
    if timestamps.size and timestamps.min() >= _SURELY_NANOSECONDS:
        return np.int64(1)
    factors = np.ones(len(timestamps), np.int64)
    for limit, unit in reversed(GUESS_LIMITS):
        factors[(timestamps < limit) & (timestamps > -limit)] = unit.factor
    return factors
