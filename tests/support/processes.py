"""Waiting for processes, and for what has no event to wait for."""

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

WAIT_S = 20.0
QUIET_S = 0.25


class Watched:
    """A process that runs now, the end of which a test wants to see."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)

    def wait_gone(self) -> None:
        """Wait until the process has ended, reaped or not."""
        end = select.poll()
        end.register(self._fd, select.POLLIN)
        ready = end.poll(WAIT_S * 1_000)
        os.close(self._fd)
        assert ready, "the process goes on"


def is_alive(pid: int) -> bool:
    """Return whether a process of this id exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody when it becomes true."""
    deadline = time.monotonic() + WAIT_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        pause.wait(0.005)


def cpu_stands_still(pid: int | None = None) -> bool:
    """Return whether a process, by default this one, leaves the processors alone for a moment."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(QUIET_S)
    return sum(process.cpu_times()[:2]) - before < QUIET_S / 4
