"""A batch that failed as a whole, while its parts are tried one after another."""

from collections.abc import Sequence

from engine.host.protocol import PassedRun, TableBatch
from engine.triggers.ends import Letter, Outcome, RunEnd
from engine.triggers.isolation import Part, Search, after, begin, cut_batches


class PartByPart:
    """Which part is tried now, and what came of those before it.

    Nothing of it is durable until all parts are done; then it becomes one commit.

    Args:
        batches: the whole batch.
        whole: the end of the last run on all of it.
    """

    def __init__(self, batches: Sequence[TableBatch], whole: RunEnd) -> None:
        self._batches = batches
        self._whole = whole.without_changes()
        self._ends: list[RunEnd] = []
        self._failed: dict[Part, RunEnd] = {}
        self._search: Search = begin(sum(ref.row_count for batch in batches for ref in batch.payloads))

    @property
    def next_part(self) -> Part | None:
        """Return the part to be tried, ``None`` when all are done."""
        return self._search.next_part

    @property
    def batches(self) -> list[TableBatch]:
        """Return the rows of that part."""
        part = self._search.next_part
        return [] if part is None else cut_batches(self._batches, part.first, part.end)

    @property
    def passed(self) -> list[PassedRun]:
        """Return the runs whose changes the next one starts from."""
        return [PassedRun(e.done.run_id, e.done.changes) for e in self._ends if e.has_passed and e.done.changes]

    @property
    def ends(self) -> Sequence[RunEnd]:
        """Return the runs whose records are not written yet, the last one on the whole batch first."""
        return (self._whole, *self._ends)

    @property
    def is_outage(self) -> bool:
        """Return whether it ended without any part that passed."""
        return self._search.is_outage

    def note(self, end: RunEnd) -> None:
        """Take the end of the run on ``next_part``."""
        part = self._search.todo[0]
        self._search = after(self._search, end.has_passed)
        if end.has_passed:
            self._ends = [earlier.without_values_of(end) for earlier in self._ends]  # a value is held once only
            self._ends.append(end)
        else:
            self._failed[part] = end.without_changes()
            self._ends.append(self._failed[part])

    def outcome(self) -> Outcome:
        """Return what comes of the batch: what passed is kept, each poisonous part becomes a dead letter.

        If nothing passed, the batch becomes one, whole.
        """
        if self.is_outage:
            return Outcome(self.ends, [Letter(self._whole, self._whole.record.attempt, self._batches)])
        letters = [
            Letter(
                self._failed[part],
                self._whole.record.attempt + part.depth,
                cut_batches(self._batches, part.first, part.end),
            )
            for part in self._search.poisonous
        ]
        return Outcome(self.ends, letters)
