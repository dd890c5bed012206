"""Calls back at given times: due schedules, retries, pacing."""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from engine.clock import Clock

logger = logging.getLogger(__name__)


class Timer:
    """A call that was asked for; ``cancel`` makes it not happen."""

    def __init__(self, due_ns: int, call: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call; nothing happens if it has been made."""
        self.call = None


class Timers:
    """A list of calls in the order of their times; ``tick`` makes those that are due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()

    def at(self, due_ns: int, call: Callable[[], None]) -> Timer:
        """Ask for ``call`` at wall-clock time ``due_ns``, or at the next tick if that is past."""
        timer = Timer(due_ns, call)
        with self._changed:
            heapq.heappush(self._heap, (due_ns, next(self._count), timer))
            self._changed.notify()
        return timer

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Ask for ``call`` in ``delay_s`` seconds."""
        return self.at(self._clock.now_ns() + int(delay_s * 1e9), call)

    def tick(self, now_ns: int) -> int | None:
        """Make the calls that are due at ``now_ns``; return when the next one is, ``None`` if there is none."""
        while True:
            with self._changed:
                if not self._heap or self._heap[0][0] > now_ns:
                    return self._heap[0][0] if self._heap else None
                _, _, timer = heapq.heappop(self._heap)
            call, timer.call = timer.call, None
            if call is not None:
                _guarded(call)

    def wait(self, due_ns: int | None, most_s: float) -> None:
        """Return at ``due_ns``, when an earlier call was asked for, or after ``most_s`` seconds."""
        with self._changed:
            if self._heap and self._heap[0][0] != due_ns:
                return
            delay_s = most_s if due_ns is None else (due_ns - self._clock.now_ns()) / 1e9
            if delay_s > 0:
                self._changed.wait(min(delay_s, most_s))


class TimerLoop:
    """The thread that ticks ``Timers`` by the real clock."""

    def __init__(self, timers: Timers, clock: Clock) -> None:
        self._timers = timers
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Tick no more; returns when the present tick is over."""
        self._stopping.set()
        self._timers.at(0, lambda: None)  # wakes the thread
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            due_ns = self._timers.tick(self._clock.now_ns())
            self._timers.wait(due_ns, most_s=0.5)


class Aside:
    """Two threads for what takes a while and nobody waits for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, "aside")
        self._lock = threading.Lock()
        self._going: set[Future[None]] = set()

    def submit(self, call: Callable[[], None]) -> None:
        """Make ``call`` soon; its failure goes to the server's log. After ``close`` nothing happens."""
        with self._lock:
            try:
                task = self._pool.submit(_guarded, call)
            except RuntimeError:
                return
            self._going.add(task)
        task.add_done_callback(self._ended)

    def quiet(self) -> None:
        """Return when all that was asked for is done, and what that asked for too."""
        while True:
            with self._lock:
                going = list(self._going)
            if not going:
                return
            wait(going)

    def close(self) -> None:
        """Take no more calls; return when those that were taken are done."""
        self._pool.shutdown()

    def _ended(self, task: "Future[None]") -> None:
        with self._lock:
            self._going.discard(task)


def _guarded(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # the loop serves everybody: one failing call must not end it
        logger.exception("a call in the background failed")
