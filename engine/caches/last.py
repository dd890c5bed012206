"""The newest rows of each key: taken over batch by batch, read as one table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.caches.keys import KeyNumbers, Numbers
from engine.columns.types import ARROW
from engine.model.caches import LastCache
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TIME_COLUMN, ColumnType, TableSchema

NO_ROW = -1
_NEVER = np.iinfo(np.int64).min
_SPARE_ROWS = 8192
_MOST_TTL_NS = 2**61

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LastConfig:
    """``most_rows``: above this number those rows go that came first; ``on_overflow`` is told how many."""

    most_rows: int
    on_overflow: Callable[[int], None]


class LastRows:
    """The content of a last-value cache; used under the lock of its owner.

    A row enters if it has all key columns, and its time is above that of every row of its key that is there and has not
    expired. So the rows of a key are in the order of time, and those that are held are the last ones that entered.

    Rows that entered stand in chunks, one for each batch; ``_rows`` says for each key where its rows are, the newest first.
    What was pushed out stays in its chunk until there is more of that than of the rest.
    """

    def __init__(self, definition: LastCache, schema: TableSchema, config: LastConfig) -> None:
        self.definition = definition
        self._config = config
        self._keys = KeyNumbers([_type_of(schema, name) for name in definition.key_columns])
        self._rows = np.full((64, definition.count), NO_ROW, dtype=np.int64)
        self._newest = np.full(64, _NEVER, dtype=np.int64)
        self._arrived = np.full(64, _NEVER, dtype=np.int64)
        self._chunks: list[pa.Table] = []
        self._came: list[Numbers] = []
        self._stored = 0
        self._packed_at = 0
        self._table: _Table | None = None

    def adopt(self, definition: LastCache) -> "LastRows":
        """Take over another count or ttl; return the content under it."""
        if definition.count != self.definition.count:
            rows = np.full((len(self._rows), definition.count), NO_ROW, dtype=np.int64)
            both = min(definition.count, self.definition.count)
            rows[:, :both] = self._rows[:, :both]
            self._rows = rows
        self.definition = definition
        self._table = None
        return self

    def add(self, batch: pa.RecordBatch, came_ns: Numbers) -> None:
        """Take over rows in their order; ``came_ns`` is when each of them came, for the ttl."""
        chosen = self._with_all_keys(batch)
        if chosen is not None:
            batch, came_ns = batch.take(pa.array(chosen)), came_ns[chosen]
        if not batch.num_rows:
            return
        keys = self._keys.number([batch.column(name) for name in self.definition.key_columns], batch.num_rows)
        self._grow()
        times = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
        expired = self._arrived[keys] <= came_ns - self._ttl_ns
        candidates = np.flatnonzero((times > self._newest[keys]) | expired)
        if len(candidates):
            self._enter(batch, came_ns, keys, times, candidates)

    def read(self, now_ns: int, schema: TableSchema, oldest_ns: int | None = None) -> pa.Table:
        """Return the rows that have not expired: of each key the newest first; key columns, then values.

        Rows from before ``oldest_ns`` are left out.
        """
        known = self._table
        if known is None or now_ns >= known.expires_ns or known.version != schema.version:
            self._pack(now_ns)
            known = self._table = self._made_table(schema)
        if oldest_ns is None:
            return known.rows
        times = known.rows.column(TIME_COLUMN).cast(pa.int64()).to_numpy()
        return known.rows.take(pa.array(np.flatnonzero(times >= oldest_ns)))

    def evict(self, now_ns: int) -> None:
        """Let go of what has expired."""
        alive = self._is_alive(self._rows[: len(self._keys)], now_ns)
        held = alive.any(axis=1)
        if int(np.count_nonzero(alive)) == self._stored and held.all():
            return
        self._pack(now_ns)
        kept = np.flatnonzero((self._rows[: len(self._keys)] != NO_ROW).any(axis=1))
        if len(kept) < len(self._keys):
            before = self._rows, self._newest, self._arrived
            self._keys, numbers = self._keys.only(kept)
            room = max(64, len(kept))
            self._rows = np.full((room, self.definition.count), NO_ROW, dtype=np.int64)
            self._newest, self._arrived = (np.full(room, _NEVER, dtype=np.int64) for _ in range(2))
            for new, old in zip((self._rows, self._newest, self._arrived), before, strict=True):
                new[numbers] = old[kept]

    def dump(self, now_ns: int, schema: TableSchema) -> tuple[pa.Table, Numbers]:
        """Return rows, and when each of them came, that make this content again when they are added."""
        table = self.read(now_ns, schema)
        keys, ages = np.nonzero(self._rows[: len(self._keys)] != NO_ROW)
        order = np.lexsort((-ages, keys))
        came = self._came[0][order] if self._came else np.empty(0, dtype=np.int64)
        return table.take(pa.array(order)), came

    @property
    def row_count(self) -> int:
        """Return how many rows are held, expired ones that are still there included."""
        return int(np.count_nonzero(self._rows[: len(self._keys)] != NO_ROW))

    @property
    def size_bytes(self) -> int:
        """Return about how much memory this takes."""
        arrays = (self._rows, self._newest, self._arrived, *self._came)
        held = sum(chunk.nbytes for chunk in self._chunks) + sum(array.nbytes for array in arrays)
        return int(held) + self._keys.size_bytes

    @property
    def _ttl_ns(self) -> int:
        return int(min(self.definition.ttl_s * NS_PER_SECOND, _MOST_TTL_NS))

    def _with_all_keys(self, batch: pa.RecordBatch) -> Numbers | None:
        """Return the rows that have a value in each key column, ``None`` = all."""
        missing = [name for name in self.definition.key_columns if name not in batch.schema.names]
        if missing:
            return np.empty(0, dtype=np.int64)
        columns = [batch.column(name) for name in self.definition.key_columns]
        partial = [column for column in columns if column.null_count]
        if not partial:
            return None
        whole = np.ones(batch.num_rows, dtype=bool)
        for column in partial:
            whole &= column.is_valid().to_numpy(zero_copy_only=False)
        return np.flatnonzero(whole)

    def _grow(self) -> None:
        room = len(self._newest)
        if len(self._keys) <= room:
            return
        more = max(2 * room, len(self._keys)) - room
        self._rows = np.concatenate([self._rows, np.full((more, self.definition.count), NO_ROW, dtype=np.int64)])
        self._newest = np.concatenate([self._newest, np.full(more, _NEVER, dtype=np.int64)])
        self._arrived = np.concatenate([self._arrived, np.full(more, _NEVER, dtype=np.int64)])

    def _enter(self, batch: pa.RecordBatch, came: Numbers, keys: Numbers, times: Numbers, candidates: Numbers) -> None:
        places = candidates[rising(keys[candidates], times[candidates])]
        ordered = keys[places]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        ends = np.append(starts[1:], len(ordered))
        group = np.repeat(np.arange(len(starts)), ends - starts)
        age = ends[group] - 1 - np.arange(len(ordered))  # 0 = the newest of its key
        stays = age < self.definition.count
        number = np.full(len(ordered), NO_ROW, dtype=np.int64)
        number[stays] = self._stored + np.arange(np.count_nonzero(stays))
        touched, entered = ordered[starts], ends - starts
        self._rows[touched] = self._pushed(self._rows[touched], entered)
        self._rows[ordered[stays], age[stays]] = number[stays]
        newest = places[ends - 1]
        self._newest[touched] = times[newest]
        self._arrived[touched] = came[newest]
        self._store(batch, places[stays], came)

    def _pushed(self, rows: Numbers, entered: Numbers) -> Numbers:
        """Return the rows of some keys, moved so that ``entered`` newer ones have room before them."""
        if self.definition.count == 1:
            return np.full_like(rows, NO_ROW)
        source = np.arange(self.definition.count)[None, :] - entered[:, None]
        moved: Numbers = np.where(source >= 0, np.take_along_axis(rows, np.maximum(source, 0), axis=1), NO_ROW)
        return moved

    def _store(self, batch: pa.RecordBatch, rows: Numbers, came: Numbers) -> None:
        names = self._value_names(batch.schema.names)
        if len(rows) < batch.num_rows or (rows != np.arange(len(rows))).any():
            batch = batch.select(names).take(pa.array(rows))
        columns = [_plain(batch.column(name)) for name in names]
        self._chunks.append(pa.table(columns, names=names))
        self._came.append(came[rows])
        self._stored += len(rows)
        self._table = None
        if self._stored > 2 * self._packed_at + _SPARE_ROWS:
            self._pack(None)
        while len(self._chunks) > 2 and len(self._chunks[-2]) <= 2 * len(self._chunks[-1]):
            self._chunks[-2:] = [_joined(self._chunks[-2:])]
            self._came[-2:] = [np.concatenate(self._came[-2:])]

    def _value_names(self, present: list[str]) -> list[str]:
        wanted = self.definition.value_columns
        if wanted is None:
            keys = set(self.definition.key_columns)
            return [name for name in present if name not in keys]
        return [name for name in dict.fromkeys((*wanted, TIME_COLUMN)) if name in present]

    def _is_alive(self, rows: Numbers, now_ns: int | None) -> Flags:
        alive: Flags = rows != NO_ROW
        if now_ns is not None and self._came:
            came = np.concatenate(self._came) if len(self._came) > 1 else self._came[0]
            alive &= came[np.maximum(rows, 0)] > now_ns - self._ttl_ns if len(came) else False
        return alive

    def _pack(self, now_ns: int | None) -> None:
        """Leave of all chunks one with the rows that are held, in the order of keys; ``now_ns``: without expired ones."""
        rows = self._rows[: len(self._keys)]
        alive = self._is_alive(rows, now_ns)
        came = np.concatenate(self._came) if self._came else np.empty(0, dtype=np.int64)
        held = rows[alive]
        if len(held) > self._config.most_rows:
            over = len(held) - self._config.most_rows * 9 // 10
            self._config.on_overflow(over)
            by_age = len(held) - 1 - np.argsort(came[held][::-1], kind="stable")  # of a key the oldest first
            stays = np.ones(len(held), dtype=bool)
            stays[by_age[:over]] = False
            alive[alive] = stays
            held = rows[alive]
        rows[~alive] = NO_ROW
        rows[alive] = np.arange(len(held))
        if self._chunks:
            self._chunks = [_joined(self._chunks).take(pa.array(held))]
            self._came = [came[held]]
        self._stored = self._packed_at = len(held)

    def _made_table(self, schema: TableSchema) -> "_Table":
        """Return the rows of the one chunk that there is."""
        keys, _ = np.nonzero(self._rows[: len(self._keys)] != NO_ROW)
        columns = {name: self._keys.column(i, keys) for i, name in enumerate(self.definition.key_columns)}
        values = self._chunks[0] if self._chunks else pa.table({})
        names = [column.name for column in schema.columns]
        if self.definition.value_columns is None:
            names.sort(key=str.encode)
        for name in self._value_names(names):
            present = name in values.column_names
            columns[name] = values.column(name) if present else pa.nulls(len(keys), _type_of(schema, name))
        expires_ns = int(self._came[0].min()) + self._ttl_ns if self._stored else 2**63 - 1
        return _Table(expires_ns, schema.version, pa.table(columns))


@dataclass(frozen=True, slots=True)
class _Table:
    """What was read last, good until ``expires_ns`` or the table has more columns."""

    expires_ns: int
    version: int
    rows: pa.Table


def rising(keys: Numbers, times: Numbers) -> Numbers:
    """Return the rows whose time is above that of all earlier rows of their key; by key, then in their order.

    Where each key occurs once that is all of them, and they stand in their order.
    """
    if len(keys) and int(np.bincount(keys).max()) == 1:
        return np.arange(len(keys))
    order = np.argsort(keys, kind="stable")
    ordered, passing = keys[order], times[order]
    begins = ordered[1:] != ordered[:-1]
    rises = np.ones(len(order), dtype=bool)
    rises[1:] = begins | (passing[1:] > passing[:-1])
    if not (begins | (passing[1:] >= passing[:-1])).all():
        # Rows are late. Heights put each key above the one before, so that one running maximum serves all of them.
        _, rank = np.unique(passing, return_inverse=True)
        height = np.cumsum(np.concatenate(([0], begins))) * len(order) + rank
        rises[1:] = height[1:] > np.maximum.accumulate(height)[:-1]
    found: Numbers = order[rises]
    return found


def _joined(chunks: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(chunks, promote_options="default").combine_chunks()


def _type_of(schema: TableSchema, name: str) -> pa.DataType:
    kind = schema.type_of(name)
    return pa.string() if kind in (None, ColumnType.TAG) else ARROW[kind]


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
