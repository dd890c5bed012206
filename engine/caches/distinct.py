"""The combinations of values that occur in some columns, each with the time of its latest row."""

import numpy as np
import pyarrow as pa

from engine.caches.keys import KeyNumbers, Numbers
from engine.model.caches import DistinctCache
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TIME_COLUMN, TableSchema

_NEVER = np.iinfo(np.int64).min
_MOST_AGE_NS = 2**61
_SLACK = 1024


class DistinctValues:
    """The content of a distinct-value cache; used under the lock of its owner."""

    def __init__(self, definition: DistinctCache) -> None:
        self.definition = definition
        self._keys = KeyNumbers([pa.string()] * len(definition.key_columns))
        self._latest = np.full(64, _NEVER, dtype=np.int64)
        self._order: Numbers | None = None

    def adopt(self, definition: DistinctCache) -> "DistinctValues":
        """Take over another cardinality or age; return the content under it."""
        self.definition = definition
        return self

    def add(self, batch: pa.RecordBatch, came_ns: Numbers) -> None:
        """Take over rows; a column that they lack is null. When they came does not matter."""
        if not batch.num_rows:
            return
        before = len(self._keys)
        present = set(batch.schema.names)
        columns = [
            batch.column(name) if name in present else pa.nulls(batch.num_rows, pa.string())
            for name in self.definition.key_columns
        ]
        numbers = self._keys.number(columns, batch.num_rows)
        if len(self._keys) > before:
            self._order = None
            room = len(self._latest)
            if len(self._keys) > room:
                more = np.full(max(2 * room, len(self._keys)) - room, _NEVER, dtype=np.int64)
                self._latest = np.concatenate([self._latest, more])
        times = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
        np.maximum.at(self._latest, numbers, times)
        most = self.definition.max_cardinality
        if len(self._keys) > most + most // 4 + _SLACK:
            self._keep(self._newest(np.arange(len(self._keys))))

    def read(self, now_ns: int, schema: TableSchema, oldest_ns: int | None = None) -> pa.Table:
        """Return the combinations that are not too old, sorted, nulls first; none without a row from ``oldest_ns`` on."""
        if self._order is None:
            ranks = [self._keys.ranks(i) for i in range(len(self.definition.key_columns))]
            self._order = np.lexsort(ranks[::-1])
        shown = np.zeros(len(self._keys), dtype=bool)
        shown[self._valid(now_ns)] = True
        if oldest_ns is not None:
            shown &= self._latest[: len(self._keys)] >= oldest_ns
        numbers = self._order[shown[self._order]]
        return pa.table({name: self._keys.column(i, numbers) for i, name in enumerate(self.definition.key_columns)})

    def evict(self, now_ns: int) -> None:
        """Let go of what is too old, and of the oldest above the limit."""
        valid = self._valid(now_ns)
        if len(valid) < len(self._keys):
            self._keep(valid)

    def dump(self, now_ns: int, schema: TableSchema) -> tuple[pa.Table, Numbers]:
        """Return rows, and when each of them came (nobody knows), that make this content again when they are added."""
        numbers = self._valid(now_ns)
        columns = {name: self._keys.column(i, numbers) for i, name in enumerate(self.definition.key_columns)}
        columns[TIME_COLUMN] = pa.array(self._latest[numbers]).view(pa.timestamp("ns"))
        return pa.table(columns), np.zeros(len(numbers), dtype=np.int64)

    @property
    def row_count(self) -> int:
        """Return how many combinations are held, expired ones that are still there included."""
        return len(self._keys)

    @property
    def size_bytes(self) -> int:
        """Return about how much memory this takes."""
        return self._latest.nbytes + self._keys.size_bytes

    def _valid(self, now_ns: int) -> Numbers:
        oldest_ns = now_ns - min(self.definition.max_age_s * NS_PER_SECOND, _MOST_AGE_NS)
        return self._newest(np.flatnonzero(self._latest[: len(self._keys)] >= oldest_ns))

    def _newest(self, numbers: Numbers) -> Numbers:
        """Return those of ``numbers`` that the limit leaves, the ones with the latest rows."""
        most = self.definition.max_cardinality
        if len(numbers) <= most:
            return numbers
        by_time = np.argsort(-self._latest[numbers], kind="stable")
        kept: Numbers = np.sort(numbers[by_time[:most]])
        return kept

    def _keep(self, numbers: Numbers) -> None:
        latest = self._latest[numbers]
        self._keys, anew = self._keys.only(numbers)
        self._latest = np.full(max(64, len(numbers)), _NEVER, dtype=np.int64)
        self._latest[anew] = latest
        self._order = None
