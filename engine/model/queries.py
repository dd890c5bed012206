"""What is known of a query: one row of the log of queries."""

from dataclasses import dataclass
from typing import Literal

QueryPhase = Literal["received", "physically_planned", "success", "fail", "cancel"]
QueryType = Literal["sql", "influxql", "flightsql"]

ENDS = frozenset({"success", "fail", "cancel"})


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A query at one moment; durations are in ns, ``None`` for what it has not come to.

    Attributes:
        query_id: a UUID, as text.
        issue_time_ns: when it came, since the epoch.
        plan_ns: from then until it began to run, ``execute_ns`` from there, ``end2end_ns`` all of it, up to its end.
    """

    query_id: str
    phase: QueryPhase
    issue_time_ns: int
    query_type: QueryType
    query_text: str
    plan_ns: int | None = None
    execute_ns: int | None = None
    end2end_ns: int | None = None

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended."""
        return self.phase not in ENDS
