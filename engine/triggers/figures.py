"""What the runs of each trigger came to since the server started: counts, sums and distributions."""

import threading
from bisect import bisect_left
from collections.abc import Container
from dataclasses import dataclass, field

from engine.triggers.records import RunRecord

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds, themselves included, of the ranges in which durations are counted; the last range has none."""

NS_PER_S = 1e9


@dataclass(slots=True)
class Distribution:
    """How often a duration fell into each range of ``BOUNDS_S``, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def copy(self) -> "Distribution":
        """Return what is counted now."""
        return Distribution(list(self.counts), self.sum_s)


@dataclass(slots=True)
class RunFigures:
    """All runs of one trigger.

    Attributes:
        outcomes: how many ended in each way.
        duration: of the calls of the plugin.
        delay: from when a run could have begun until its plugin was called: rows are durable, a time is due.
        peak_memory_bytes: of its plugin host while the last run was in it.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    duration: Distribution = field(default_factory=Distribution)
    delay: Distribution = field(default_factory=Distribution)
    rows_in: int = 0
    lines_out: int = 0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0

    def add(self, run: RunRecord) -> None:
        """Count one run."""
        self.outcomes[run.outcome] = self.outcomes.get(run.outcome, 0) + 1
        self.duration.add(run.duration_ns / NS_PER_S)
        self.delay.add(run.queue_delay_ns / NS_PER_S)
        self.rows_in += run.rows_in
        self.lines_out += run.lines_out
        self.cpu_s += run.cpu_ns / NS_PER_S
        self.peak_memory_bytes = run.peak_memory_bytes

    def copy(self) -> "RunFigures":
        """Return what is counted now."""
        return RunFigures(
            dict(self.outcomes),
            self.duration.copy(),
            self.delay.copy(),
            self.rows_in,
            self.lines_out,
            self.cpu_s,
            self.peak_memory_bytes,
        )


class Figures:
    """The figures of all triggers, by id; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_trigger: dict[int, RunFigures] = {}

    def add(self, trigger_id: int, run: RunRecord) -> None:
        """Count one run."""
        with self._lock:
            self._by_trigger.setdefault(trigger_id, RunFigures()).add(run)

    def of(self, trigger_id: int) -> RunFigures:
        """Return what is counted now; nothing for a trigger that has not run."""
        with self._lock:
            known = self._by_trigger.get(trigger_id)
            return known.copy() if known else RunFigures()

    def keep(self, trigger_ids: Container[int]) -> None:
        """Forget all triggers but these."""
        with self._lock:
            self._by_trigger = {i: figures for i, figures in self._by_trigger.items() if i in trigger_ids}
