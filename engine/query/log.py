"""The log of queries: the last ones, in memory, so that a query costs no write and no sync for it."""

import random
import threading
from collections import deque
from types import TracebackType
from typing import Self
from uuid import UUID

from engine.clock import Clock
from engine.errors import QueryCancelled
from engine.model.queries import ENDS, QueryPhase, QueryRecord, QueryType
from engine.query.figures import QueryFigures

MOST_TEXT = 10_000
"""So many characters of a query are kept: a thousand queries shall not hold gigabytes."""

CUT = "…"


class WatchedQuery:
    """One query on its way (port ``QueryWatch``), and a context manager: what is raised inside is its failure."""

    __slots__ = ("_at_ns", "_clock", "_figures", "_id", "_type", "database_id", "issue_time_ns", "phase", "text")

    def __init__(self, clock: Clock, figures: QueryFigures, database_id: int, text: str, query_type: QueryType) -> None:
        self._clock = clock
        self._figures = figures
        self.database_id = database_id
        self.text = text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + CUT
        self._type: QueryType = query_type
        self._id = random.getrandbits(128)  # a name, not a secret
        self.phase: QueryPhase = "received"
        self.issue_time_ns = clock.now_ns()
        # Monotonic times at which it came, was planned, and ended.
        self._at_ns: tuple[int, int | None, int | None] = (clock.monotonic_ns(), None, None)
        figures.enter(self.phase)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.ended("cancel" if isinstance(error, QueryCancelled) else "fail")

    def planned(self) -> None:
        """See ``QueryWatch``."""
        self._at_ns = (self._at_ns[0], self._clock.monotonic_ns(), None)
        self._figures.enter("physically_planned", self.phase)
        self.phase = "physically_planned"

    def ended(self, phase: QueryPhase) -> None:
        """See ``QueryWatch``."""
        if self.phase not in ENDS:
            self._at_ns = (*self._at_ns[:2], self._clock.monotonic_ns())
            self._figures.end(phase, self.phase, self._durations_ns())
            self.phase = phase

    def record(self) -> QueryRecord:
        """Return what is known of it now."""
        phase, took = self.phase, self._durations_ns()
        return QueryRecord(
            query_id=str(UUID(int=self._id, version=4)),
            phase=phase,
            issue_time_ns=self.issue_time_ns,
            query_type=self._type,
            query_text=f"CommandStatementQuery {self.text}" if self._type == "flightsql" else self.text,
            plan_ns=took["plan"],
            execute_ns=took["execute"],
            end2end_ns=took["end2end"],
        )

    def _durations_ns(self) -> dict[str, int | None]:
        begun, planned, ended = self._at_ns
        return {
            "plan": None if planned is None else planned - begun,
            "execute": None if planned is None or ended is None else ended - planned,
            "end2end": None if ended is None else ended - begun,
        }


class QueryLog:
    """The last ``most`` queries of all databases, and those among them that run; may be used from any thread.

    Attributes:
        figures: what all queries since the start came to.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: deque[WatchedQuery] = deque(maxlen=most)
        self.figures = QueryFigures()

    def watching(self, database_id: int, text: str, query_type: QueryType = "sql") -> WatchedQuery:
        """Note a query, which is on its way from now on."""
        watched = WatchedQuery(self._clock, self.figures, database_id, text, query_type)
        with self._lock:
            self._kept.append(watched)
        return watched

    def records(self, database_id: int) -> list[QueryRecord]:
        """Return what is known of the queries of a database, the oldest first."""
        with self._lock:
            kept = list(self._kept)
        return [watched.record() for watched in kept if watched.database_id == database_id]
