"""The query processes of a server: those at work, and one that is kept for the next query."""

import threading
import weakref

import pyarrow as pa

from engine.child_process import ChildProcess, receive_frame
from engine.errors import EngineError, QueryFailed
from engine.query.frames import BATCH, FAILED, SCHEMA, Job, decode_batches, decode_error, send_job
from engine.query.stopping import Stop

MOST_CHILDREN = 4
MOST_IDLE = 1
_MODULE = "engine.query.child"

_TURN_S = 0.1
_DIED = "query error: the process of this query has died, perhaps for lack of memory"


class ChildStream:
    """The rows of one query that runs in a process of its own."""

    def __init__(self, children: "Children", child: ChildProcess, stop: Stop) -> None:
        self._children = children
        self._child: ChildProcess | None = child
        self._stop = stop

    def begin(self, job: Job) -> pa.Schema:
        """Send the job, return the columns of its rows."""
        assert self._child is not None
        try:
            send_job(self._child.socket, job)
        except OSError as error:
            raise self._broken() from error
        body = self._receive(SCHEMA)
        assert body is not None
        return decode_batches(body)[0]

    def next(self) -> pa.RecordBatch | None:
        """Return the next batch, ``None`` behind the last."""
        body = self._receive(BATCH) if self._child else None
        return next(decode_batches(body)[1]) if body else None

    def close(self) -> None:
        """Let go of the process, which ends if it is not at its end."""
        self._give_back(is_idle=False)

    def _receive(self, wanted: bytes) -> bytearray | None:
        assert self._child is not None
        try:
            kind, body = receive_frame(self._child.socket)
        except (EOFError, OSError) as error:
            raise self._broken() from error
        if kind == wanted:
            return body
        self._give_back(is_idle=True)
        if kind == FAILED:
            raise decode_error(body)
        return None

    def _broken(self) -> EngineError:
        self._give_back(is_idle=False)
        self._stop.check()
        return QueryFailed(_DIED)

    def _give_back(self, *, is_idle: bool) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._stop.on_stop(None)
            self._children.give_back(child, is_idle=is_idle)


class Children:
    """Runs queries in processes that can be killed, at most ``MOST_CHILDREN`` at a time; may be used from any thread.

    Args:
        memory_bytes: what each process may hold in sorts, joins and groups.
        threads: into how many parts a query is divided.
    """

    def __init__(self, memory_bytes: int, threads: int) -> None:
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._turns = threading.BoundedSemaphore(MOST_CHILDREN)
        self._lock = threading.Lock()
        self._idle: list[ChildProcess] = []
        self._is_closed = False
        weakref.finalize(self, _reap_all, self._idle)

    def stream(self, stop: Stop) -> ChildStream:
        """Return the stream of a query that has a process now; waits while too many are at work."""
        while not self._turns.acquire(timeout=_TURN_S):
            stop.check()
        try:
            child = self._take()
        except BaseException:
            self._turns.release()
            raise
        stop.on_stop(child.kill)
        return ChildStream(self, child, stop)

    def give_back(self, child: ChildProcess, *, is_idle: bool) -> None:
        """Take a process back that has answered, or is to end."""
        with self._lock:
            is_kept = is_idle and len(self._idle) < MOST_IDLE and not self._is_closed
            if is_kept:
                self._idle.append(child)
        if not is_kept:
            child.reap()
        self._turns.release()

    def close(self) -> None:
        """End the process that waits, and each other one after its query."""
        with self._lock:
            self._is_closed = True
            _reap_all(self._idle)

    def _take(self) -> ChildProcess:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive:
                    return child
                child.reap()
        return ChildProcess(_MODULE, str(self._memory_bytes), str(self._threads))


def _reap_all(children: list[ChildProcess]) -> None:
    while children:
        children.pop().reap()
