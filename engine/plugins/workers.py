"""Threads for calls that may wait: started when needed, gone when idle, never in the way of the process's end."""

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

IDLE_S = 10.0


class Workers:
    """Up to ``most`` daemon threads that take calls in the order in which they came."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._threads = 0

    def submit(self, call: Callable[[], None]) -> None:
        """Have ``call`` made soon; an exception of it is logged. Never waits."""
        with self._lock:
            self._unfinished += 1
            is_short = self._threads < min(self._unfinished, self._most)
            if is_short:
                self._threads += 1
        self._calls.put(call)
        if is_short:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._unfinished < self._threads:
                        self._threads -= 1
                        return
                continue
            try:
                call()
            except Exception:
                logger.exception("call failed thread=%s", self._name)
            with self._lock:
                self._unfinished -= 1
