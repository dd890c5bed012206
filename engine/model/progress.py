"""How far a trigger got in the log: a position up to which all is done, and ranges that were finished beyond it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]  # first and last position, both included


@dataclass(frozen=True, slots=True)
class Progress:
    """What a trigger has finished.

    A synchronous trigger has only ``low``; the runs of an asynchronous one end in any order, so theirs is a set.

    Attributes:
        low: every position up to it, itself included, is finished.
        finished: ranges above ``low``, in rising order, neither touching each other nor ``low``.
    """

    low: int
    finished: tuple[Range, ...] = ()

    @classmethod
    def of(cls, low: int, ranges: Iterable[Range]) -> "Progress":
        """Return the progress that consists of all up to ``low`` and of ``ranges``, which may overlap, in any order.

        Raises:
            ValueError: a range runs backwards.
        """
        kept: list[Range] = []
        for first, last in sorted(ranges):
            if first > last:
                raise ValueError(f"the range from {first} to {last} runs backwards")
            if first <= low + 1:
                low = max(low, last)
            elif kept and first <= kept[-1][1] + 1:
                kept[-1] = (kept[-1][0], max(kept[-1][1], last))
            else:
                kept.append((first, last))
        return cls(low, tuple(kept))

    def add(self, first: int, last: int) -> "Progress":
        """Return the progress with the positions from ``first`` to ``last``, both included, finished too."""
        return Progress.of(self.low, (*self.finished, (first, last)))

    def contains(self, position: int) -> bool:
        """Tell whether ``position`` is finished."""
        return position <= self.low or any(first <= position <= last for first, last in self.finished)

    @property
    def count(self) -> int:
        """Return how many are finished, counted from 1."""
        return self.low + sum(last - first + 1 for first, last in self.finished)

    def gaps(self, until: int) -> Iterator[Range]:
        """Yield the ranges up to ``until``, itself included, that are not finished: what is left to deliver."""
        at = self.low + 1
        for first, last in self.finished:
            if first > until:
                break
            yield at, first - 1
            at = last + 1
        if at <= until:
            yield at, until


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a trigger is behind the log.

    Attributes:
        position: everything up to it is finished.
        head: the position of the newest record.
        rows: so many rows were not delivered yet, or their runs are not committed.
        records: in so many records; one that holds rows of several tables counts once for each.
        oldest_age_ns: so long ago the oldest of them became durable, 0 when there are none.
        missed_rows: so many rows left the log before they could be delivered, since the trigger was enabled.
        finished_ranges: so many ranges beyond ``position`` are finished, of an asynchronous trigger.
    """

    position: int
    head: int
    rows: int = 0
    records: int = 0
    oldest_age_ns: int = 0
    missed_rows: int = 0
    finished_ranges: int = 0
