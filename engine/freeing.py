"""Gives the space of removed files back in small steps.

A disk that is told at once which space is free (the mount option ``discard``) does nothing else until it knows, and who waits
for a sync waits for that: 3 ms for a file of 8 MB, 0.5 ms for a step (docs/adr/0032).
"""

import errno
import fcntl
import os
import threading
import time
from queue import Empty, SimpleQueue

STEP_BYTES = 2**19
STEP_REST_S = 0.005
"""So long nothing is given back after a step."""

LOOK_AGAIN_S = 0.2
"""So often it is looked whether others still read a file that they had open or mapped."""

MOST_WAITING = 256
"""Of more files that others have, the oldest are given up: whoever closes one last gives its space back at once."""


class Freeing:
    """Takes files that have no name any more; a thread of its own, while there are some, gives their space back."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[int] = SimpleQueue()
        self._lock = threading.Lock()  # guards the attribute below, and that what is put into the queue finds it
        self._thread: threading.Thread | None = None

    def take(self, fd: int) -> None:
        """Take over ``fd``, open for writing; whoever else has the file open or mapped keeps its content."""
        with self._lock:
            self._queue.put(fd)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="freeing", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        waiting: list[int] = []
        while True:
            try:
                waiting.append(self._queue.get(timeout=LOOK_AGAIN_S))
            except Empty:
                if not waiting and self._may_end():
                    return
                waiting = [fd for fd in waiting if not free(fd)]
                continue
            if free(waiting[-1]):
                waiting.pop()
            if len(waiting) > MOST_WAITING:
                os.close(waiting.pop(0))

    def _may_end(self) -> bool:
        """Return whether there is nothing to do; the next file begins another thread then."""
        with self._lock:
            if self._queue.empty():
                self._thread = None
            return self._thread is None


def free(fd: int, rest_s: float = STEP_REST_S) -> bool:
    """Give the space of a file without a name back and close ``fd``; return whether that was done: others may have the file.

    One that got another name meanwhile stays as it is.

    A page that is cut off a mapped file kills who looks at it. A lease to write is granted only while nobody else has the
    file open or mapped (fcntl(2)); where the file system has no leases, closing it is all that can be done.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        facts = os.fstat(fd)
        steps = range(facts.st_size - STEP_BYTES, 0, -STEP_BYTES)
        for size in steps if facts.st_nlink == 0 else ():
            os.ftruncate(fd, size)
            time.sleep(rest_s)
    except OSError as error:  # whatever else it is, the space comes back when it is closed
        if error.errno == errno.EAGAIN:
            return False
    os.close(fd)
    return True
