"""Counts what goes to and from an object store."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.clock import Clock

Labels = tuple[str, str]
"""The operation, and ``success`` or ``error``."""


class Transfers:
    """Counts of requests by operation and result since the start: how many, their bytes, their time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[Labels] = Counter()
        self._bytes: Counter[Labels] = Counter()
        self._ns: Counter[Labels] = Counter()

    @contextmanager
    def timed(self, operation: str, size: Callable[[], int]) -> Iterator[None]:
        """Count one request, which moved ``size()`` bytes when it ended; one that raises is an error."""
        began_ns = self._clock.monotonic_ns()
        result = "error"
        try:
            yield
            result = "success"
        finally:
            with self._lock:
                self._requests[operation, result] += 1
                self._bytes[operation, result] += size()
                self._ns[operation, result] += self._clock.monotonic_ns() - began_ns

    def figures(self) -> list[tuple[str, str, int, int, float]]:
        """Return operation, result, requests, bytes and seconds of each that there was."""
        with self._lock:
            return [
                (operation, result, count, self._bytes[operation, result], self._ns[operation, result] / 1e9)
                for (operation, result), count in sorted(self._requests.items())
            ]
