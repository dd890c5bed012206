"""Ranges of times, pure: which times of a file count, and which are left out because their rows stand elsewhere."""

import functools
import operator
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.model.schema import TIME_COLUMN

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

Range = tuple[int, int]
"""From the first time to the last, both included, in ns."""

Ranges = tuple[Range, ...]
"""Disjoint, not adjacent, in their order: what ``joined`` returns."""

EARLIEST, LATEST = -(2**63), 2**63 - 1

EVERYTHING: Ranges = ((EARLIEST, LATEST),)


def joined(ranges: Iterable[Range]) -> Ranges:
    """Return the same times in as few ranges as possible."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def of_windows(windows: Collection[int], window_ns: int) -> Ranges:
    """Return the times of the windows that begin at ``windows``."""
    if not windows:  # as for most queries
        return ()
    return joined((max(w, EARLIEST), min(w + window_ns - 1, LATEST)) for w in windows)


def overlap(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the part of ``ranges`` from ``first`` to ``last``."""
    return tuple((max(a, first), min(b, last)) for a, b in ranges if a <= last and first <= b)


def common(some: Ranges, others: Ranges) -> Ranges:
    """Return the times that are in both."""
    return joined(part for first, last in others for part in overlap(some, first, last))


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """Return the times of ``ranges`` that are not in ``taken``."""
    left = []
    for first, last in ranges:
        for a, b in overlap(taken, first, last):
            if first < a:
                left.append((first, a - 1))
            first = b + 1
        if first <= last:
            left.append((first, last))
    return tuple(left)


def touches(ranges: Ranges, first: int, last: int) -> bool:
    """Return whether any time from ``first`` to ``last`` is in ``ranges``."""
    return any(a <= last and first <= b for a, b in ranges)


def covers(ranges: Ranges, first: int, last: int) -> bool:
    """Return whether all times from ``first`` to ``last`` are in ``ranges``."""
    return any(a <= first and last <= b for a, b in ranges)


def inside(times: Times, ranges: Sequence[Range]) -> Mask:
    """Return for each of ``times`` whether it is in ``ranges``."""
    if not ranges:
        return np.zeros(len(times), dtype=bool)
    firsts = np.array([first for first, _ in ranges], dtype=np.int64)
    lasts = np.array([last for _, last in ranges], dtype=np.int64)
    found = np.searchsorted(firsts, times, side="right") - 1
    mask: Mask = (found >= 0) & (times <= lasts[found])
    return mask


def outside(ranges: Ranges) -> "pa.compute.Expression":
    """Return the condition that a row's time is in none of ``ranges``, of which there is at least one."""
    time = pc.field(TIME_COLUMN)
    apart = [
        (time < pa.scalar(first, pa.timestamp("ns"))) | (time > pa.scalar(last, pa.timestamp("ns")))
        for first, last in ranges
    ]
    return functools.reduce(operator.and_, apart)


def at(ranges: Ranges) -> "pa.compute.Expression":
    """Return the condition that a row's time is in one of ``ranges``."""
    time = pc.field(TIME_COLUMN)
    parts = [
        (time >= pa.scalar(first, pa.timestamp("ns"))) & (time <= pa.scalar(last, pa.timestamp("ns")))
        for first, last in ranges
    ]
    return functools.reduce(operator.or_, parts, pc.scalar(False))
