"""Decides which segments of the log may go, and what triggers miss when retention takes them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment that is not written any more; ``tables`` are the ids of those with rows in it."""

    last_position: int
    size_bytes: int
    sealed_ns: int
    tables: frozenset[int]


@dataclass(frozen=True, slots=True)
class Reader:
    """An open consumer of the log: done up to ``low`` according to the last checkpoint, concerned with ``tables``.

    ``reading_from``: the first position that a run of it works on, ``None`` = none runs.
    """

    trigger_id: int
    low: int
    tables: Container[int]
    reading_from: int | None = None


@dataclass(frozen=True, slots=True)
class LogRetention:
    """How much of the log is kept for consumers that are behind: bytes in all, and age in ns."""

    most_bytes: int
    most_age_ns: int


@dataclass(frozen=True, slots=True)
class Truncation:
    """All records up to ``until`` may go (0: none); ``missed`` are the triggers that had not read them."""

    until: int
    missed: tuple[int, ...] = ()


def decide_truncation(
    segments: Sequence[SealedSegment],
    stored_until: int,
    readers: Iterable[Reader],
    retention: LogRetention,
    now_ns: int,
) -> Truncation:
    """Return up to where the log may go (log-and-recovery, "Snapshot, checkpoint, truncation").

    A segment may go when rows and state up to ``stored_until`` are kept elsewhere, and every reader that it concerns is
    past it – or the log is larger or older than ``retention``. Segments go from the oldest on, without gaps. What a run
    works on was not missed yet, and a crash would repeat the run: it stays until the log is twice as large or old.
    """
    readers = list(readers)
    kept_bytes = sum(s.size_bytes for s in segments)
    until = 0
    missed: set[int] = set()
    for segment in segments:
        if segment.last_position > stored_until:
            break
        behind = [
            r for r in readers if r.low < segment.last_position and any(table in r.tables for table in segment.tables)
        ]
        in_use = any(r.reading_from is not None and r.reading_from <= segment.last_position for r in behind)
        times = 2 if in_use else 1
        age_ns = now_ns - segment.sealed_ns
        expired = kept_bytes > times * retention.most_bytes or age_ns > times * retention.most_age_ns
        if behind and not expired:
            break
        missed.update(r.trigger_id for r in behind)
        until = segment.last_position
        kept_bytes -= segment.size_bytes
    return Truncation(until, tuple(sorted(missed)))
