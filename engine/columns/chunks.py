"""Sorts rows by the time window (chunk) that they belong to, and splits them by time."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.model.schema import TIME_COLUMN

Numbers = npt.NDArray[np.int64]


class WindowedRows:
    """Rows in the order of their windows, those of one window in the order in which they came.

    Attributes:
        rows: the rows.
        times: their times in ns.
        windows: the starts of their windows in ns, in this order.
        starts: where the rows of each window begin, and behind the last where all end.
    """

    __slots__ = ("_window_ns", "rows", "starts", "times", "windows")

    def __init__(self, batch: pa.RecordBatch, window_ns: int) -> None:
        self._window_ns = window_ns
        self.rows = batch
        self.times = times_of(batch)
        numbers = self.times // window_ns
        if (numbers[1:] < numbers[:-1]).any():
            order = np.argsort(numbers, kind="stable")
            numbers, self.times = numbers[order], self.times[order]
            self.rows = batch.take(pa.array(order))
        begins = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
        self.starts: list[int] = [0, *begins.tolist(), len(numbers)] if len(numbers) else [0]
        self.windows: list[int] = [number * window_ns for number in numbers[self.starts[:-1]].tolist()]

    def since(self, oldest_ns: int) -> "WindowedRows":
        """Return the rows whose time is at least ``oldest_ns``."""
        kept = self.times >= oldest_ns
        if kept.all():
            return self
        return WindowedRows(self.rows.filter(pa.array(kept)), self._window_ns)

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Yield each window and where its rows are."""
        for number, window in enumerate(self.windows):
            yield window, slice(self.starts[number], self.starts[number + 1])

    def rows_in(self, windows: Set[int]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``windows``, in as few parts as possible."""
        return self._runs([window in windows for window in self.windows])

    def rows_outside(self, windows: Set[int]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that are in none of ``windows``, in as few parts as possible."""
        return self._runs([window not in windows for window in self.windows])

    def _runs(self, wanted: Sequence[bool]) -> Iterator[pa.RecordBatch]:
        begin = None
        for number, is_wanted in enumerate([*wanted, False]):
            if is_wanted and begin is None:
                begin = number
            elif begin is not None and not is_wanted:
                start = self.starts[begin]
                yield self.rows.slice(start, self.starts[number] - start)
                begin = None


def times_of(batch: pa.RecordBatch) -> Numbers:
    """Return the times of rows in ns."""
    times: Numbers = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times


def split_at(batch: pa.RecordBatch, times: Numbers, lasts: Numbers) -> dict[int, pa.RecordBatch]:
    """Return the rows by the number of the first of ``lasts``, which ascend, that is not before their time.

    ``times`` are those of the rows. The rows of a part are in the order in which they were.
    """
    numbers = np.searchsorted(lasts, times, side="left")
    if (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers, kind="stable")
        numbers, batch = numbers[order], batch.take(pa.array(order))
    cuts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(numbers)]
    return {int(numbers[a]): batch.slice(a, b - a) for a, b in itertools.pairwise(cuts) if b > a}


def gather(batches: Iterator[tuple[pa.RecordBatch, Numbers]], lasts: Numbers) -> dict[int, list[pa.RecordBatch]]:
    """Return the rows of all (batch, its times) by number as ``split_at`` does, those of earlier batches first."""
    found: dict[int, list[pa.RecordBatch]] = defaultdict(list)
    for batch, times in batches:
        for number, part in split_at(batch, times, lasts).items():
            found[number].append(part)
    return found
