"""Decides, from the times of rows alone, how they are divided into files, and files into row groups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.storage.ranges import Range, Times

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class SliceLimits:
    """How large files and row groups become.

    Attributes:
        file_rows, file_bytes: a file is ended before it holds more (bytes in memory, before compression).
        group_rows, group_bytes: so is a row group, which is what a query of a short time reads at least.
        gap_ns: where no row is for longer than this, and also longer than what was gathered, a file may end.
        worth_rows: it does if the rows on both sides are as many as this.
        small_rows: a file of up to so many rows is rewritten rather than given a hole.
        most_holes: a file that would have more of them is rewritten.
    """

    file_rows: int = 1_000_000
    file_bytes: int = 128 << 20
    group_rows: int = 65_536
    group_bytes: int = 16 << 20
    gap_ns: int = HOUR_NS
    worth_rows: int = 4_096
    small_rows: int = 65_536
    most_holes: int = 32


DEFAULT_LIMITS = SliceLimits()


def plan_files(times: Times, row_bytes: float, limits: SliceLimits = DEFAULT_LIMITS) -> list[list[Range]]:
    """Return for each file the times of its row groups: disjoint, in their order, with a row in each.

    ``times`` are those of all rows, in any order; ``row_bytes`` is what a row takes in memory. Rows of one time are never
    divided, so a group may be larger than its limit.
    """
    ordered = np.sort(times)
    return [list(_groups(ordered[first:end], row_bytes, limits)) for first, end in _files(ordered, row_bytes, limits)]


def _files(ordered: Times, row_bytes: float, limits: SliceLimits) -> Iterator[tuple[int, int]]:
    most = max(1, min(limits.file_rows, int(limits.file_bytes / max(row_bytes, 1.0))))
    for first, end in _apart(ordered, limits):
        parts = -(-(end - first) // most)
        size = -(-(end - first) // parts)
        yield from _cut(ordered, first, end, size)


def _apart(ordered: Times, limits: SliceLimits) -> Iterator[tuple[int, int]]:
    """Yield stretches that are far from each other and worth a file of their own."""
    if not len(ordered):
        return
    # As unsigned numbers, for the distance between two times may be more than a signed one holds.
    gaps = ordered[1:].view(np.uint64) - ordered[:-1].view(np.uint64)
    begin = 0
    for at in (np.flatnonzero(gaps > np.uint64(limits.gap_ns)) + 1).tolist():
        gathered_ns = int(ordered[at - 1]) - int(ordered[begin])
        is_far = int(gaps[at - 1]) > gathered_ns
        if is_far and at - begin >= limits.worth_rows and len(ordered) - at >= limits.worth_rows:
            yield begin, at
            begin = at
    yield begin, len(ordered)


def _groups(ordered: Times, row_bytes: float, limits: SliceLimits) -> Iterator[Range]:
    most = max(1, min(limits.group_rows, int(limits.group_bytes / max(row_bytes, 1.0))))
    parts = -(-len(ordered) // most)
    for first, end in _cut(ordered, 0, len(ordered), -(-len(ordered) // parts)):
        yield int(ordered[first]), int(ordered[end - 1])


def _cut(ordered: Times, first: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield parts of about ``size`` rows from ``first`` to ``end``; no two parts have a time in common."""
    while first < end:
        cut = min(first + size, end)
        if cut < end and ordered[cut - 1] == ordered[cut]:
            before = int(np.searchsorted(ordered, ordered[cut], side="left"))
            cut = before if before > first else int(np.searchsorted(ordered, ordered[cut], side="right"))
        yield first, min(cut, end)
        first = cut
