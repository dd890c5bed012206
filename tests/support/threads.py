"""Finds the threads that a test leaves behind."""

import threading
import time
from collections.abc import Iterable

MOST_LEFT = 3
"""So many daemon threads may be left, which end by themselves after some time."""

_LONGEST_S = 10.0
_LOOK_S = 0.01


def left_behind(before: Iterable[threading.Thread]) -> list[str]:
    """Return the names of threads that are neither in ``before`` nor end, where they are too many or would hold up the end.

    Threads that are not Python's own, as those of gRPC, do not count.
    """
    known = set(before)
    deadline_s = time.monotonic() + _LONGEST_S
    pause = threading.Event()
    while True:
        left = [t for t in threading.enumerate() if t not in known and not isinstance(t, threading._DummyThread)]
        if len(left) <= MOST_LEFT and all(thread.daemon for thread in left):
            return []
        if time.monotonic() > deadline_s:
            return sorted(thread.name for thread in left)
        pause.wait(_LOOK_S)
