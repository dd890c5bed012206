"""What queries came to since the start, for who collects figures: how many entered each phase, and how long phases took."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model.queries import ENDS, QueryPhase

BOUNDS_NS = tuple(int(ms * 1e6) for ms in (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000))
"""Upper bounds, themselves included, of the ranges in which durations are counted; the last range has none."""


@dataclass(slots=True)
class Durations:
    """How many durations fell into each range, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_NS) + 1))
    sum_ns: int = 0

    def add(self, took_ns: int) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_NS, took_ns)] += 1
        self.sum_ns += took_ns

    def copy(self) -> "Durations":
        """Return another one of the same."""
        return Durations(list(self.counts), self.sum_ns)


class QueryFigures:
    """The figures of all queries of a server; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._took = {"plan": Durations(), "execute": Durations(), "end2end": Durations()}

    def enter(self, phase: QueryPhase, before: QueryPhase | None = None) -> None:
        """Count a query that comes into ``phase``, from the one ``before``."""
        with self._lock:
            self._entered[phase] += 1
            if before is not None:
                self._left[before] += 1

    def end(self, phase: QueryPhase, before: QueryPhase, durations_ns: Mapping[str, int | None]) -> None:
        """Count a query that comes to its end, ``phase``, from the one ``before``, and what it took.

        That is, as far as it came to it, ``plan``, ``execute`` and ``end2end``.
        """
        with self._lock:
            self._entered[phase] += 1
            self._left[before] += 1
            for name, took_ns in durations_ns.items():
                if took_ns is not None:
                    self._took[name].add(took_ns)

    def entered(self) -> list[tuple[str, int]]:
        """Return how many queries came into each phase."""
        with self._lock:
            return sorted(self._entered.items())

    def current(self) -> list[tuple[str, int]]:
        """Return how many queries are in each phase that is no end."""
        with self._lock:
            return [(phase, n - self._left[phase]) for phase, n in sorted(self._entered.items()) if phase not in ENDS]

    def durations(self) -> list[tuple[str, Durations]]:
        """Return the durations of queries that have ended."""
        with self._lock:
            return [(name, durations.copy()) for name, durations in self._took.items()]
