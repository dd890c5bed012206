"""Lets so many queries do something at a time; the others wait, and may be ended while they do."""

import threading
from collections.abc import Callable

from engine.query.stopping import Stop

_LOOK_S = 0.1
"""A query that was ended while it waits takes note of that within this time."""


class Turns:
    """At most ``most`` turns are taken at a time, ``None`` = any number; may be used from any thread."""

    def __init__(self, most: int | None) -> None:
        self._free = None if most is None else threading.BoundedSemaphore(max(most, 1))

    def take(self, stop: Stop) -> Callable[[], object]:
        """Wait for a turn; return what gives it back, to be called once.

        Raises:
            EngineError: the reason for which the query was ended meanwhile.
        """
        if self._free is None:
            return _nothing
        while not self._free.acquire(timeout=_LOOK_S):
            stop.check()
        return self._free.release


def _nothing() -> None:
    """Give nothing back: any number may be taken."""
