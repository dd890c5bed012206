"""The only place that reads the time."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time to everyone who needs it."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC; never less than an earlier answer."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that only measures durations."""


class SystemClock:
    """The machine's clocks; a step back of the wall clock is held until real time has passed it."""

    def __init__(self) -> None:
        self._last_ns = 0
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """See ``Clock``."""
        with self._lock:
            self._last_ns = max(self._last_ns, time.time_ns())
            return self._last_ns

    def monotonic_ns(self) -> int:
        """See ``Clock``."""
        return time.monotonic_ns()
