"""The query processes of a server: those at work, and one that is kept for the next query."""

import json
import threading
import weakref
from collections.abc import Callable
from dataclasses import asdict, replace

import pyarrow as pa

from engine.child_process import ChildProcess, receive_frame
from engine.errors import EngineError, QueryFailed
from engine.query.config import QueryConfig
from engine.query.frames import BATCH, FAILED, SCHEMA, Job, decode_batches, decode_error, send_job
from engine.query.stopping import Stop
from engine.query.streams import as_told
from engine.query.turns import Turns

MOST_CHILDREN = 4
MOST_IDLE = 1
_MODULE = "engine.query.child"

_DIED = "query error: the process of this query has died, perhaps for lack of memory"


class ChildStream:
    """The rows of one query that runs in a process of its own."""

    def __init__(self, children: "Children", child: ChildProcess, end_turn: Callable[[], object], stop: Stop) -> None:
        self._children = children
        self._end_turn = end_turn
        self._child: ChildProcess | None = child
        self._stop = stop
        self._schema = pa.schema([])

    def begin(self, job: Job) -> pa.Schema:
        """Send the job, return the columns of its rows."""
        assert self._child is not None
        try:
            send_job(self._child.socket, job)
        except OSError as error:
            raise self._broken() from error
        body = self._receive(SCHEMA)
        assert body is not None
        self._schema = decode_batches(body)[0]
        return self._schema

    def next(self) -> pa.RecordBatch | None:
        """Return the next batch, ``None`` behind the last."""
        body = self._receive(BATCH) if self._child else None
        return as_told(next(decode_batches(body)[1]), self._schema) if body else None

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
            self._end_turn()


class Children:
    """Runs queries in processes that can be killed, at most ``MOST_CHILDREN`` at a time; may be used from any thread.

    Args:
        config: of the queries of the server; each process may hold a part of their memory.
    """

    def __init__(self, config: QueryConfig) -> None:
        part = config.memory_bytes // MOST_CHILDREN
        self._config = replace(config, memory_bytes=min(part, config.memory_per_query_bytes or part), is_part=True)
        self._turns = Turns(MOST_CHILDREN)
        self._lock = threading.Lock()
        self._idle: list[ChildProcess] = []
        self._is_closed = False
        weakref.finalize(self, _reap_all, self._idle)

    def stream(self, stop: Stop) -> ChildStream:
        """Return the stream of a query that has a process now; waits while too many are at work."""
        end_turn = self._turns.take(stop)
        try:
            child = self._take()
        except BaseException:
            end_turn()
            raise
        stop.on_stop(child.kill)
        return ChildStream(self, child, end_turn, stop)

    def give_back(self, child: ChildProcess, *, is_idle: bool) -> None:
        """Take a process back that has answered, or is to end."""
        with self._lock:
            is_kept = is_idle and len(self._idle) < MOST_IDLE and not self._is_closed
            if is_kept:
                self._idle.append(child)
        if not is_kept:
            child.reap()

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
        return ChildProcess(_MODULE, json.dumps(asdict(self._config)))


def _reap_all(children: list[ChildProcess]) -> None:
    while children:
        children.pop().reap()
