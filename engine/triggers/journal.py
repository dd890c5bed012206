"""Keeps what plugins log, a few lines at a time, in the engine's own tables."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from engine.catalog.state import INTERNAL_DATABASE
from engine.clock import Clock
from engine.errors import EngineError
from engine.lineprotocol.lines import Line
from engine.triggers.records import Origin, log_line
from engine.triggers.timers import Timers
from engine.wal.format import RowsPayload, RowsRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

FLUSH_AFTER_S = 0.05
MOST_WAITING_LINES = 10_000


class RowsMaker(Protocol):
    """Turns lines into rows for a record of the log."""

    def prepare_lines(self, database: str, lines: Sequence[Line]) -> tuple[RowsPayload, ...]:
        """See ``WriteService.prepare_lines``."""


class Stamps:
    """Times for rows that have nothing else to tell them apart: wall clock, strictly rising."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last_ns = 0

    def next(self) -> int:
        """Return the time, later than any that was given before."""
        return self.take(1)[0]

    def take(self, count: int) -> range:
        """Return ``count`` times that follow one another, later than any that was given before."""
        with self._lock:
            first = max(self._last_ns + 1, self._clock.now_ns())
            self._last_ns = first + count - 1
            return range(first, first + count)


class Journal:
    """Takes log lines at once and writes them some tens of milliseconds later, without a sync of their own."""

    def __init__(self, rows: RowsMaker, wal: Wal, timers: Timers, stamps: Stamps, node_id: str) -> None:
        self._rows = rows
        self._wal = wal
        self._timers = timers
        self._stamps = stamps
        self._node_id = node_id
        self._lock = threading.Lock()
        self._waiting: list[Line] = []
        self._dropped = 0

    def log(self, origin: Origin, level: str, text: str, details: str = "") -> None:
        """Keep a log line, and show it in the server's own log; never blocks.

        When too many wait, because the disk does not take them, further ones are counted and dropped.
        """
        logger.log(_LEVELS[level], "processing engine: %s", text)
        self.keep([log_line(origin, self._node_id, level, text, details, self._stamps.next())])

    def keep(self, lines: Sequence[Line]) -> None:
        """Write rows for the engine's own tables with the next log lines; see ``log``."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING_LINES:
                self._dropped += len(lines)
                return
            is_first = not self._waiting
            self._waiting += lines
        if is_first:
            self._timers.after(FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Put the waiting lines into the log."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("dropped plugin log lines, too many were waiting: count=%d", dropped)
        if waiting:
            self.append(waiting)

    def append(self, lines: Sequence[Line]) -> "Future[tuple[int, ...]] | None":
        """Put rows for the engine's own tables into the log; return what resolves when they are there, ``None`` = never."""
        try:
            payloads = self._rows.prepare_lines(INTERNAL_DATABASE, lines)
            appended = self._wal.append(Entry([RowsRecord(p) for p in payloads], lazy=True))
        except EngineError as error:
            logger.error("rows about plugins are lost: %s", error)
            return None
        appended.add_done_callback(_tell_of_loss)
        return appended


def _tell_of_loss(appended: "Future[tuple[int, ...]]") -> None:
    error = appended.exception()
    if error is not None:
        logger.error("rows about plugins are lost: %s", error)


_LEVELS = {"INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}
