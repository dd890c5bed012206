"""Calls back at given times: due schedules, retries, pacing."""

import heapq
import itertools
import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from engine.clock import Clock

logger = logging.getLogger(__name__)

MOST_WAIT_S = 0.5
"""After this time at the latest a step of the wall clock is noticed."""


class Timer:
    """A call that was asked for; ``cancel`` makes it not happen."""

    def __init__(self, due_ns: int, call: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call; nothing happens if it has been made."""
        self.call = None


_Heap = list[tuple[int, int, Timer]]


class Timers:
    """Lists of calls in the order of their times; ``tick`` makes those that are due.

    Times follow the wall clock, delays the monotonic one: while the wall clock is held, after a step back, delays end all
    the same.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: _Heap = []
        self._delays: _Heap = []
        self._count = itertools.count()
        self._changed = threading.Condition()

    def at(self, due_ns: int, call: Callable[[], None]) -> Timer:
        """Ask for ``call`` at wall-clock time ``due_ns``, or at the next tick if that is past."""
        return self._add(self._times, Timer(due_ns, call))

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Ask for ``call`` in ``delay_s`` seconds."""
        return self._add(self._delays, Timer(self._clock.monotonic_ns() + int(delay_s * 1e9), call))

    def tick(self) -> None:
        """Make the calls that are due."""
        for heap, now_ns in ((self._times, self._clock.now_ns()), (self._delays, self._clock.monotonic_ns())):
            while self._make_next(heap, now_ns):
                pass

    def wait(self, most_s: float) -> None:
        """Return when a call is due, when another one was asked for, or after ``most_s`` seconds."""
        with self._changed:
            delay_s = min(self._delay_s(), most_s)
            if delay_s > 0:
                self._changed.wait(delay_s)

    def _delay_s(self) -> float:
        """Return how long nothing is due (called with the lock)."""
        left_ns = []
        if self._times:
            left_ns.append(self._times[0][0] - self._clock.now_ns())
        if self._delays:
            left_ns.append(self._delays[0][0] - self._clock.monotonic_ns())
        return min(left_ns) / 1e9 if left_ns else math.inf

    def _add(self, heap: _Heap, timer: Timer) -> Timer:
        with self._changed:
            heapq.heappush(heap, (timer.due_ns, next(self._count), timer))
            self._changed.notify()
        return timer

    def _make_next(self, heap: _Heap, now_ns: int) -> bool:
        """Make the first call of ``heap`` if it is due; return whether it was."""
        with self._changed:
            if not heap or heap[0][0] > now_ns:
                return False
            _, _, timer = heapq.heappop(heap)
        call, timer.call = timer.call, None
        if call is not None:
            _guarded(call)
        return True


class TimerLoop:
    """The thread that ticks ``Timers`` by the real clock."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
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
            self._timers.tick()
            self._timers.wait(MOST_WAIT_S)


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
