"""A backfill: stored rows that go through a trigger once more, as values."""

from dataclasses import dataclass
from enum import Enum

from engine.errors import InvalidRequest
from engine.model.times import parse_time, utc_text

DEFAULT_BATCH_ROWS = 10_000
MOST_BATCH_ROWS = 1_000_000


class Outcome(Enum):
    """How a backfill ended; the value is the word that tables show."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    CLOSED = "closed"
    """The trigger was disabled, deleted or changed."""


@dataclass(frozen=True, slots=True)
class Span:
    """Times from ``start_ns`` on (``None``: from the first) up to, without, ``end_ns`` (``None``: to the last)."""

    start_ns: int | None = None
    end_ns: int | None = None

    def holds(self, first_ns: int, last_ns: int) -> bool:
        """Return whether all times from ``first_ns`` to ``last_ns``, both included, are in it."""
        return (self.start_ns is None or self.start_ns <= first_ns) and (self.end_ns is None or last_ns < self.end_ns)

    def touches(self, first_ns: int, last_ns: int) -> bool:
        """Return whether a time from ``first_ns`` to ``last_ns``, both included, may be in it."""
        return (self.start_ns is None or self.start_ns <= last_ns) and (self.end_ns is None or first_ns < self.end_ns)


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """What is asked for.

    Raises:
        InvalidRequest: nothing can be in the span, or a batch would be empty or huge.
    """

    span: Span = Span()
    batch_rows: int = DEFAULT_BATCH_ROWS

    def __post_init__(self) -> None:
        start_ns, end_ns = self.span.start_ns, self.span.end_ns
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise InvalidRequest(
                f"the start of a backfill ({utc_text(start_ns)}) must be before its end ({utc_text(end_ns)})"
            )
        if not 1 <= self.batch_rows <= MOST_BATCH_ROWS:
            raise InvalidRequest(f"batch_rows is {self.batch_rows}; allowed are 1 to {MOST_BATCH_ROWS}")


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """A backfill that goes on, for people.

    Attributes:
        live_waits: what is written meanwhile is delivered when it has ended.
        rows_total: of so many rows it consists, of which ``rows_done`` went through the trigger.
    """

    backfill_id: int
    trigger_name: str
    span: Span
    live_waits: bool
    batch_rows: int
    rows_total: int
    rows_done: int
    began_ns: int


@dataclass(frozen=True, slots=True)
class FromNow:
    """A trigger begins with what is written from now on."""


@dataclass(frozen=True, slots=True)
class FromStored:
    """A trigger begins with what is stored from a time on; ``None``: with all of it."""

    start_ns: int | None = None


StartPoint = FromNow | FromStored


def parse_start_point(text: str) -> StartPoint:
    """Return the point that ``now``, ``beginning`` or a time means.

    Raises:
        InvalidRequest: it is none of them.
    """
    match text.strip().lower():
        case "now":
            return FromNow()
        case "beginning":
            return FromStored()
        case _:
            try:
                return FromStored(parse_time(text))
            except InvalidRequest as error:
                raise InvalidRequest(
                    f"'{text}' is not a point to begin from: expect now, beginning, or a time like 2026-11-21T08:00:00Z"
                ) from error
