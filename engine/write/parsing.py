"""Where large bodies are parsed: here, or, while they keep coming, beside the server in processes of their own.

Parsing is the greater part of what a large body costs, and holds the interpreter's lock for most of that time: threads do
not share it out. A process does, and meanwhile the server receives, stores and answers.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from engine.child_process import ChildProcess, receive_frame, send_frame
from engine.clock import Clock
from engine.errors import InvalidRequest
from engine.lineprotocol.body import parse_body
from engine.lineprotocol.groups import ParsedBody
from engine.model.durations import NS_PER_SECOND
from engine.model.precision import Precision
from engine.write.parsed import BODY, FAILED, TERMS, decode_parsed, encode_terms

logger = logging.getLogger(__name__)

LARGE_BYTES = 2**16
"""A body of more bytes is large; to hand over a smaller one takes as long as to parse it."""

WINDOW_NS = NS_PER_SECOND
BUSY_NS = NS_PER_SECOND // 8
"""Parsing that took so much of a window calls for processes: each costs a third of a second and some 40 MB."""

LONGEST_IDLE_S = 30.0
"""A process ends when no body came for so long."""

LONGEST_PARSE_S = 60.0
"""A process that takes longer to answer hangs: the largest body takes a few seconds."""

RETRY_NS = 30 * NS_PER_SECOND
"""When a process could not be started, none is tried for so long."""

_MODULE = "engine.write.parsing_child"


class BodyParser(Protocol):
    """Parses the body of a write."""

    def __call__(self, body: bytes, precision: Precision, ingest_time_ns: int) -> ParsedBody:
        """See ``engine.lineprotocol.body.parse_body``."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body was parsed here: when that ended, and how long it took."""

    ended_ns: int
    took_ns: int


def calls_for_processes(recent: Iterable[Parsed], now_ns: int) -> bool:
    """Return whether so much is parsed here that processes are worth their while."""
    return sum(parsed.took_ns for parsed in recent if parsed.ended_ns > now_ns - WINDOW_NS) > BUSY_NS


class Parsers:
    """Parses bodies, at most so many at a time; may be used from any thread, which waits while all are busy.

    Args:
        most_here: how many large bodies are parsed in this process at a time while there are no others.
        most_processes: how many processes there are at most; 0 = all is parsed here.
    """

    def __init__(
        self, clock: Clock, most_here: int, most_processes: int, *, longest_idle_s: float = LONGEST_IDLE_S
    ) -> None:
        self._clock = clock
        self._most_here = most_here
        self._most_processes = most_processes
        self._longest_idle_s = longest_idle_s
        self._changed = threading.Condition()
        self._here = 0
        self._recent: deque[Parsed] = deque(maxlen=256)
        self._processes: set[ChildProcess] = set()
        self._idle: list[ChildProcess] = []
        self._starting = 0
        self._not_before_ns = 0
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """Return the ids of the processes that there are."""
        with self._changed:
            return sorted(process.pid for process in self._processes)

    def parse(self, body: bytes, precision: Precision, ingest_time_ns: int) -> ParsedBody:
        """See ``BodyParser``."""
        if len(body) <= LARGE_BYTES:
            return parse_body(body, precision, ingest_time_ns)
        while (process := self._take()) is not None:
            try:
                kind, answer = _ask(process, encode_terms(precision, ingest_time_ns), body)
            except (EOFError, OSError) as error:
                logger.warning("a parsing process is gone pid=%d; its body is parsed again: %r", process.pid, error)
                self._strike_off(process)
                process.reap()
                continue
            self._give_back(process)
            if kind == FAILED:
                raise InvalidRequest(answer.decode())
            return decode_parsed(answer, body)
        began_ns = self._clock.monotonic_ns()
        try:
            return parse_body(body, precision, ingest_time_ns)
        finally:
            self._parsed_here(began_ns)

    def close(self) -> None:
        """End the processes; what is parsed from now on is parsed here."""
        with self._changed:
            self._is_closed = True
            busy = self._processes - {*self._idle}
            idle, self._idle = self._idle, []
            self._processes.clear()
            self._changed.notify_all()
        for process in idle:
            process.reap()
        for process in busy:
            process.kill()  # who waits for its answer notices

    def _take(self) -> ChildProcess | None:
        """Return a process that is free, ``None`` = there is none, and it is our turn to parse here; waits for either."""
        with self._changed:
            while True:
                if self._idle:
                    return self._idle.pop()
                # What is parsed here takes the interpreter from all that the server has to do for the other bodies.
                if not self._processes and self._here < self._most_here:
                    self._here += 1
                    return None
                if self._processes:
                    self._start_missing()  # some have ended, for there was too little to do for all
                self._changed.wait()

    def _give_back(self, process: ChildProcess) -> None:
        with self._changed:
            is_kept = process in self._processes
            if is_kept:
                self._idle.append(process)
                self._changed.notify()
        if not is_kept:
            process.reap()

    def _strike_off(self, process: ChildProcess) -> bool:
        """Count on a process no more; return whether it was idle, so that nobody else will let go of its socket."""
        with self._changed:
            self._processes.discard(process)
            was_idle = process in self._idle
            if was_idle:
                self._idle.remove(process)
            self._changed.notify_all()
            return was_idle

    def _parsed_here(self, began_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        with self._changed:
            self._here -= 1
            self._changed.notify()
            self._recent.append(Parsed(now_ns, now_ns - began_ns))
            if calls_for_processes(self._recent, now_ns):
                self._start_missing()

    def _start_missing(self) -> None:
        """Start as many processes as there may be more; the lock is held."""
        if self._is_closed or self._clock.monotonic_ns() < self._not_before_ns:
            return
        missing = self._most_processes - len(self._processes) - self._starting
        self._starting += missing
        for _ in range(missing):
            threading.Thread(target=self._run_process, name="parsing-process", daemon=True).start()

    def _run_process(self) -> None:
        """Start a process, and return when it is gone."""
        process = self._started()
        with self._changed:
            self._starting -= 1
            if process is None:
                self._not_before_ns = self._clock.monotonic_ns() + RETRY_NS
                return
            is_wanted = not self._is_closed
            if is_wanted:
                self._processes.add(process)
                self._idle.append(process)
                self._changed.notify()
        if is_wanted:
            process.wait()
        if not is_wanted or self._strike_off(process):
            process.reap()

    def _started(self) -> ChildProcess | None:
        """Return a process that takes bodies, ``None`` if that cannot be had."""
        try:
            process = ChildProcess(_MODULE, str(self._longest_idle_s))
        except OSError as error:
            logger.warning("no parsing process could be started: %s", error)
            return None
        process.socket.settimeout(LONGEST_PARSE_S)
        try:
            receive_frame(process.socket)
        except (EOFError, OSError) as error:
            logger.warning("a parsing process did not start pid=%d: %r", process.pid, error)
            process.reap()
            return None
        return process


def _ask(process: ChildProcess, terms: bytes, body: bytes) -> tuple[bytes, bytearray]:
    send_frame(process.socket, TERMS, terms)
    send_frame(process.socket, BODY, body)
    return receive_frame(process.socket)
