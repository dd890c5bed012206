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
    """An open consumer of the log: done up to ``low`` according to the last checkpoint, concerned with ``tables``."""

    trigger_id: int
    low: int
    tables: Container[int]


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
    past it – or the log is larger or older than ``retention``. Segments go from the oldest on, without gaps.
    """
    readers = list(readers)
    kept_bytes = sum(s.size_bytes for s in segments)
    until = 0
    missed: set[int] = set()
    for segment in segments:
        if segment.last_position > stored_until:
            break
        behind = {
            r.trigger_id
            for r in readers
            if r.low < segment.last_position and any(table in r.tables for table in segment.tables)
        }
        expired = kept_bytes > retention.most_bytes or now_ns - segment.sealed_ns > retention.most_age_ns
        if behind and not expired:
            break
        missed |= behind
        until = segment.last_position
        kept_bytes -= segment.size_bytes
    return Truncation(until, tuple(sorted(missed)))
