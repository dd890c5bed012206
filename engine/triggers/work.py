"""One piece of work of a trigger: what its plugin is given, and what is known of its runs so far."""

import itertools
from dataclasses import dataclass, field

from engine.host.protocol import RequestData, TableBatch
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import RunKind
from engine.triggers.ends import RetriedLetter
from engine.triggers.parts import PartByPart
from engine.triggers.replies import PendingReply
from engine.wal.format import Record

_count = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A trigger in one generation, in its database."""

    database_id: int
    database: str
    definition: TriggerDefinition
    generation: int


@dataclass(slots=True)
class Work:
    """A batch of rows, a due time or a request; attempts follow one another until it is committed or given up.

    Attributes:
        ranges: positions of the log that are done with this work.
        also: records that go to the log with the commit.
        chain: ids of the triggers that led to the rows.
        asked_ns: wall-clock time at which it could have begun.
        reply: where a request waits for its response.
        parts: set when the batch failed as a whole, and its parts are tried.
        letter: the dead letter that this is; it leaves no trace in the trigger's progress.
        run_id: that of the present attempt.
        entered_ns: wall-clock time at which the plugin's function was called, 0 before.
    """

    kind: RunKind
    asked_ns: int
    ranges: tuple[tuple[int, int], ...] = ()
    batches: list[TableBatch] = field(default_factory=list)
    rows_in: int = 0
    also: tuple[Record, ...] = ()
    chain: tuple[int, ...] = ()
    due_ns: int | None = None
    request: RequestData | None = None
    reply: PendingReply | None = None
    parts: PartByPart | None = None
    letter: RetriedLetter | None = None
    attempt: int = 0
    run_id: str = ""
    entered_ns: int = 0

    @property
    def batches_now(self) -> list[TableBatch]:
        """Return the batches of the present attempt: all, or a part of them."""
        return self.batches if self.parts is None else self.parts.batches

    @property
    def rows_now(self) -> int:
        """Return how many rows the present attempt is given."""
        part = self.parts.next_part if self.parts is not None else None
        return self.rows_in if part is None else part.rows

    def begin_attempt(self, now_ns: int) -> None:
        """Count one more attempt; it gets a run id of its own."""
        self.attempt += 1
        self.run_id = f"{now_ns}-{next(_count)}"
        self.entered_ns = 0
