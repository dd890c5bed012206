"""The most memory that this process had while runs were under way, as the kernel counts it."""

import contextlib
import os
import resource
import threading

_RESET = b"5"
"""What tells ``/proc/self/clear_refs`` to begin the count anew (proc(5))."""

_BYTES_PER_UNIT = 1024


class PeakMemory:
    """Measures for runs that may overlap; every method may be called from any thread.

    The kernel counts per process: a run among others has their memory in its figure, since the first of them began.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0

    def begin(self) -> None:
        """Note that a run begins."""
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                _begin_count()

    def end(self) -> int:
        """Note that a run ends; return the most resident memory of the process since the count began, in bytes."""
        with self._lock:
            self._under_way -= 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT


def _begin_count() -> None:
    # Opened each time: a plugin may close descriptors of this process, and the number then be another file's.
    # Where this is not allowed, the figure is the most since the process began.
    with contextlib.suppress(OSError):
        file = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, _RESET)
        finally:
            os.close(file)
