"""Ends a query from another thread: because its client has left, or because its time is over."""

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from engine.errors import EngineError, QueryTimedOut
from engine.model.durations import NS_PER_SECOND, format_duration

T = TypeVar("T")


class Stop:
    """The handle of one query by which any thread may end it, once; see docs/adr/0021.

    What the query does in DataFusion is done inside ``run``; what it does elsewhere is ended by ``on_stop``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: EngineError | None = None
        self._running: int | None = None
        self._is_interrupted = False
        self._end: Callable[[], object] | None = None
        self._timer: threading.Timer | None = None

    def start(self, limit_s: float) -> None:
        """Let the time of the query run: it may take ``limit_s`` seconds."""
        text = format_duration(round(limit_s * NS_PER_SECOND))
        reason = QueryTimedOut(f"query error: the query was ended after {text}, the limit that --query-timeout sets")
        self._timer = threading.Timer(limit_s, self.stop, (reason,))
        self._timer.daemon = True
        self._timer.start()

    def finish(self) -> None:
        """Take note that the query has ended: its time does not count any more."""
        if self._timer is not None:
            self._timer.cancel()

    def stop(self, reason: EngineError) -> None:
        """End the query: who waits for its rows gets ``reason``. Only the first call counts."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            if self._running is not None:
                self._is_interrupted = True
                _raise_in(self._running, _Interrupted)
            if self._end is not None:
                self._end()

    def on_stop(self, end: Callable[[], object] | None) -> None:
        """Have ``end`` called when the query is to end, at once if it is already; in place of what was set before.

        It is called under a lock, so that it is not called any more after another one was set: it must be quick.
        """
        with self._lock:
            self._end = end
            if self._reason is not None and end is not None:
                end()

    def check(self) -> None:
        """Raise the reason for which the query is to end, if there is one."""
        if self._reason is not None:
            raise self._reason

    def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, which may be interrupted in any place where it runs Python code.

        DataFusion runs some once a second while it waits for rows; what it has begun ends when the exception leaves it.

        Raises:
            EngineError: the reason, if the query was ended before or meanwhile; else what ``work`` raises.
        """
        try:
            # Who ends the query gives the reason first, and then looks for the thread; so one of both sees the other.
            self._running = threading.get_ident()
            try:
                if self._reason is None:
                    return work()
            finally:
                self._leave()
        except BaseException:
            if self._reason is None:
                raise
        # Not from the error that the interruption was: its traceback would keep what the query holds.
        raise self._reason

    def _leave(self) -> None:
        with self._lock:
            thread, self._running = self._running, None
            if self._is_interrupted and thread is not None:
                # It may be on its way still, and must not meet what this thread does next.
                _raise_in(thread, None)


class _Interrupted(BaseException):
    """Comes out of nowhere in the thread that works on a query."""


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Have ``kind`` raised in ``thread`` with its next piece of Python code; ``None`` takes back what was not raised yet."""
    what = ctypes.py_object(kind) if kind is not None else ctypes.c_void_p(None)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
