"""The bins of a query that fills gaps, numbered from 0: their times by number, and their numbers by time, as SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Run:
    """Bins at equal distances, from the bin ``number`` on, which begins at ``first_ns``."""

    number: int
    first_ns: int
    step_ns: int


@dataclass(frozen=True, slots=True)
class Bins:
    """``count`` bins in ``runs``, of which there is at least one."""

    count: int
    runs: Sequence[Run]

    @staticmethod
    def even(first_ns: int, last_ns: int, step_ns: int) -> "Bins":
        """Return the bins from the first to the last one, ``step_ns`` apart."""
        return Bins(max(0, (last_ns - first_ns) // step_ns + 1), [Run(0, first_ns, step_ns)])

    @staticmethod
    def listed(times_ns: npt.NDArray[np.int64]) -> "Bins":
        """Return the bins that begin at these times, which rise."""
        if len(times_ns) < 2:
            return Bins(len(times_ns), [Run(0, int(times_ns[0]) if len(times_ns) else 0, 1)])
        steps = np.diff(times_ns)
        changes = np.flatnonzero(np.diff(steps)) + 1
        runs, at = [], 0
        while at < len(times_ns):
            step = int(steps[min(at, len(steps) - 1)])
            runs.append(Run(at, int(times_ns[at]), step))
            end = np.searchsorted(changes, at, side="right")
            at = int(changes[end]) + 1 if end < len(changes) else len(times_ns)
        return Bins(len(times_ns), runs)

    def number_of(self, time: str) -> str:
        """Return the number of the bin that begins at ``time``."""
        ns = f"CAST({time} AS BIGINT)"
        return _chosen(
            self.runs,
            ns,
            lambda run: run.first_ns,
            lambda run: f"{run.number} + ({ns} - ({run.first_ns})) / {run.step_ns}",
        )

    def time_of(self, number: str) -> str:
        """Return when the bin ``number`` begins, without a zone."""
        ns = _chosen(
            self.runs,
            number,
            lambda run: run.number,
            lambda run: f"({run.first_ns}) + ({number} - {run.number}) * {run.step_ns}",
        )
        return f"arrow_cast({ns}, 'Timestamp(Nanosecond, None)')"


def _chosen(runs: Sequence[Run], key: str, begin: Callable[[Run], int], text: Callable[[Run], str]) -> str:
    """Return the text for the last of ``runs`` that does not begin behind ``key``, found by halves."""
    if len(runs) == 1:
        return f"({text(runs[0])})"
    middle = len(runs) // 2
    before, behind = (_chosen(part, key, begin, text) for part in (runs[:middle], runs[middle:]))
    return f"CASE WHEN {key} < ({begin(runs[middle])}) THEN {before} ELSE {behind} END"
