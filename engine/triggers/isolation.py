"""Finds the rows of a batch that a plugin cannot take: which part of the batch is tried next, and what is known then.

No clock, no thread, no plugin: what became of a part goes in, the next part comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from engine.host.protocol import TableBatch

MOST_CALLS = 512
"""From then on nothing is halved any more: what is left is tried as it is."""

MOST_CALLS_WITHOUT_PASS = 64
"""When so many parts failed and none passed, nothing will: it is an outage."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows number ``first`` to ``end`` (exclusive) of a batch; ``depth`` counts the larger parts that held them."""

    first: int
    end: int
    depth: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows they are."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of a batch that failed as a whole.

    Attributes:
        todo: parts that are still to be tried, in the order of rows.
        calls: how many were tried.
        passed: those that succeeded, in the order of rows.
        poisonous: those that are given up, in the order of rows; mostly of one row each.
    """

    todo: tuple[Part, ...]
    calls: int = 0
    passed: tuple[Part, ...] = ()
    poisonous: tuple[Part, ...] = ()

    @property
    def next_part(self) -> Part | None:
        """Return what to try next, ``None`` when all is known."""
        return self.todo[0] if self.todo else None

    @property
    def is_outage(self) -> bool:
        """Return whether no part passed: then not the rows are to blame."""
        return not self.todo and not self.passed


def begin(rows: int) -> Search:
    """Return the search in a batch of ``rows`` rows, which is over at once if there is only one."""
    return Search(_halves(Part(0, rows)))


def after(search: Search, has_passed: bool) -> Search:
    """Return what is known after ``search.next_part`` was tried.

    Parts are tried in the order of rows, so what passes is output in that order and sees the state that the rows before
    it left. A part that fails is halved, until single rows are left; both bounds hold whatever the plugin does.
    """
    part, rest = search.todo[0], search.todo[1:]
    tried = replace(search, todo=rest, calls=search.calls + 1)
    if has_passed:
        return replace(tried, passed=(*tried.passed, part))
    if not tried.passed and tried.calls >= MOST_CALLS_WITHOUT_PASS:
        return replace(tried, todo=())
    if part.rows > 1 and tried.calls < MOST_CALLS:
        return replace(tried, todo=(*_halves(part), *rest))
    return replace(tried, poisonous=(*tried.poisonous, part))


def cut_batches(batches: Sequence[TableBatch], first: int, end: int) -> list[TableBatch]:
    """Return ``batches`` with only their rows number ``first`` to ``end`` (exclusive), counted through all tables."""
    cut = []
    for batch in batches:
        payloads = []
        for ref in batch.payloads:
            begin, stop = max(first, 0), min(end, ref.row_count)
            if begin < stop:
                payloads.append(msgspec.structs.replace(ref, first_row=ref.first_row + begin, row_count=stop - begin))
            first, end = first - ref.row_count, end - ref.row_count
        if payloads:
            cut.append(msgspec.structs.replace(batch, payloads=payloads))
    return cut


def _halves(part: Part) -> tuple[Part, ...]:
    if part.rows < 2:
        return ()
    middle = part.first + part.rows // 2
    return Part(part.first, middle, part.depth + 1), Part(middle, part.end, part.depth + 1)
