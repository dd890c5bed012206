"""One run on its way through this process: waiting, running in a thread that may be interrupted, over."""

import ctypes
import threading
from collections.abc import Callable

from engine.host.api import RunState
from engine.host.errors import RunCancelled, RunInterrupted, RunOutOfCpu, RunTimedOut
from engine.host.protocol import Done, Interrupt, Run, RunError

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)

_CLASSES: dict[str, type[RunInterrupted]] = {"timeout": RunTimedOut, "cpu": RunOutOfCpu, "cancelled": RunCancelled}


class Ticket:
    """The state of one run; every method may be called from any thread.

    Attributes:
        run: the run.
        state: what stands behind its ``influxdb3_local``.
        interrupt: why it shall end, ``None`` = it may go on.
    """

    def __init__(self, run: Run, state: RunState, on_done: Callable[[Done], None]) -> None:
        self.run = run
        self.state = state
        self.interrupt: Interrupt | None = None
        self._on_done = on_done
        self._lock = threading.Lock()
        self._thread_id: int | None = None
        self._has_begun = False
        self._is_over = False

    def begin(self) -> bool:
        """Let exceptions of ``order_end`` reach the calling thread from now on; return whether the run shall begin at all."""
        with self._lock:
            if self._is_over:
                return False
            self._has_begun = True
            self._thread_id = threading.get_ident()
            return True

    def end(self) -> None:
        """Let no exception reach the thread any more.

        Raises:
            RunInterrupted: the one exception that was under way; call again.
        """
        with self._lock:
            self._thread_id = None
            if self.interrupt is None:
                return
        _drain()

    def order_end(self, order: Interrupt) -> None:
        """Make the run end: raise an exception in its thread – once, so that its handling is never interrupted itself.

        A run that waits for its thread is over at once.
        """
        with self._lock:
            if self.interrupt is not None or self._is_over:
                return
            self.interrupt = order
            kind = _CLASSES[order.reason]
            self.state.interruption = kind(order.text)
            if self._thread_id is not None:
                _set_async_exception(self._thread_id, kind)
            waits = not self._has_begun
        if waits:
            self.give_up()

    def give_up(self) -> bool:
        """Report the ordered end without waiting for the thread; return whether that was news."""
        if self.interrupt is None:
            return False
        error = RunError(self.interrupt.reason, self.interrupt.text)
        return self.finish(Done(self.run.run_id, error))

    def finish(self, done: Done) -> bool:
        """Report the end, unless it was reported before; return whether it was not."""
        with self._lock:
            if self._is_over:
                return False
            self._is_over = True
        self._on_done(done)
        return True


def _drain() -> None:
    """Return when no exception is under way to this thread.

    One cannot be called back without harm: CPython (seen in 3.11) keeps looking for it from then on, which slows all
    threads down. So another takes its place, and is caught here.
    """
    try:
        _set_async_exception(threading.get_ident(), RunInterrupted)
        while True:
            pass
    except RunInterrupted:
        return
