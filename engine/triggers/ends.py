"""How runs ended: what the commit of their work tells of them."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from engine.host.protocol import Done, NamespaceChange, StateValue, TableBatch
from engine.triggers.records import Origin, RunRecord


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run that ended.

    Attributes:
        done: what the executor told; of a run that is repeated, or given up for a dead letter, without its changes.
    """

    origin: Origin
    record: RunRecord
    done: Done

    @property
    def has_passed(self) -> bool:
        """Return whether it succeeded."""
        return self.done.error is None

    def without_changes(self) -> "RunEnd":
        """Return the end of a run that leaves no trace in the cache."""
        return replace(self, done=Done(self.done.run_id, self.done.error, cpu_ns=self.done.cpu_ns))

    def without_values_of(self, later: "RunEnd") -> "RunEnd":
        """Return this end without values that ``later`` set anew; each change is still named, for it is to be settled."""
        newer = {change.namespace: change for change in later.done.changes}
        kept = [
            _without(change, newer[c]) if (c := change.namespace) in newer else change for change in self.done.changes
        ]
        return replace(self, done=msgspec.structs.replace(self.done, changes=kept))


@dataclass(frozen=True, slots=True)
class Letter:
    """Input that is given up: ``batches`` of a data-write run, none of a scheduled one.

    ``end`` tells of the last run that was given it, ``attempts`` how many were.
    """

    end: RunEnd
    attempts: int
    batches: Sequence[TableBatch] = ()


@dataclass(frozen=True, slots=True)
class RetryResult:
    """What became of a dead letter that was run again.

    Attributes:
        letter_id: the time of its row.
        state: ``retried``: it is done with; ``failed``: it stays as it is, with ``error``.
        new_letters: rows of it that still cannot be taken have become so many letters of their own.
    """

    letter_id: int
    state: Literal["retried", "failed"]
    error: str = ""
    new_letters: int = 0


@dataclass(frozen=True, slots=True)
class RetriedLetter:
    """A dead letter that is run again: its id, in how many rows its input is kept, and where somebody waits."""

    letter_id: int
    pieces: int
    result: "Future[RetryResult]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of a piece of work: runs whose records – and output and changes – are kept, and dead letters."""

    ends: Sequence[RunEnd]
    letters: Sequence[Letter] = ()

    @property
    def last(self) -> RunEnd:
        """Return the end of the last run."""
        return self.ends[-1]

    @property
    def changes(self) -> tuple[NamespaceChange, ...]:
        """Return what all runs together changed in the cache."""
        return merge_changes(change for end in self.ends for change in end.done.changes)


def _without(change: NamespaceChange, later: NamespaceChange) -> NamespaceChange:
    gone = {value.key for value in (change if later.clear else later).values}
    return NamespaceChange(change.namespace, change.clear, [v for v in change.values if v.key not in gone])


def merge_changes(changes: Iterable[NamespaceChange]) -> tuple[NamespaceChange, ...]:
    """Return one change per namespace that does what ``changes`` do one after another."""
    values: dict[str, dict[str, StateValue]] = {}
    cleared: set[str] = set()
    for change in changes:
        merged = values.setdefault(change.namespace, {})
        if change.clear:
            merged.clear()
            cleared.add(change.namespace)
        merged.update({value.key: value for value in change.values})
    return tuple(NamespaceChange(name, name in cleared, list(merged.values())) for name, merged in values.items())
