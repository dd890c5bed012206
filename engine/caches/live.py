"""One cache while the engine runs: what the log brings waits until somebody looks, or enough of it has come."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.caches.distinct import DistinctValues
from engine.caches.files import CacheHead, SavedCache
from engine.caches.keys import Numbers
from engine.caches.last import LastConfig, LastRows
from engine.columns.payload import decode_payloads
from engine.disk import Bytes
from engine.model.caches import CacheDefinition, LastCache
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.wal.format import RowsPayload
from engine.wal.ports import RowsBlock

logger = logging.getLogger(__name__)

MOST_WAITING_ROWS = 500_000
"""More than this does not wait: whoever brings it sorts it in."""

_COMPANY_NS = 100_000_000
"""What came within so short a time is sorted in together, as if it had come with the last of it."""

FindSchema = Callable[[int], TableSchema | None]
Fill = Callable[[TableSchema, int], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class CachePorts:
    """What a cache needs of others.

    Attributes:
        schema_of: the newest schema of a table, ``None`` if it was deleted.
        stored_rows: the rows of a table that are stored, those above a time, in the order of their windows.
        most_rows: so many rows a last-value cache may hold.
    """

    schema_of: FindSchema
    stored_rows: Fill
    most_rows: int


class LiveCache:
    """The content of one cache, and what waits to become part of it. May be used from any thread.

    Attributes:
        is_complete: ``False`` = its file is lost, so it begins with what is stored.
    """

    def __init__(self, definition: CacheDefinition, schema: TableSchema, ports: CachePorts) -> None:
        self.definition = definition
        self.table_id = schema.table_id
        self.is_complete = True
        self._ports = ports
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, RowsPayload]] = []
        self._pushed_rows = 0
        self._settled_rows = 0
        self._content = self._new_content(schema)

    def push(self, rows: RowsPayload, came_ns: int) -> None:
        """Take over rows of the log, in its order; does next to nothing. One thread calls this."""
        self._waiting.append((came_ns, rows))
        self._pushed_rows += rows.row_count
        if self._pushed_rows - self._settled_rows > MOST_WAITING_ROWS:
            with self._lock:
                self._settle()

    def settle(self, now_ns: int) -> None:
        """Sort in what waits."""
        with self._lock:
            self._catch_up(now_ns)

    def restore(self, saved: SavedCache, later: list[RowsBlock], now_ns: int) -> None:
        """Begin with ``saved``, and what the log holds since then; nobody knows exactly when that came."""
        with self._lock:
            for batch, came in _pieces(saved):
                self._content.add(batch, came)
            for batch in self._decoded([part for block in later for part in block.parts()]):
                self._content.add(batch, came_about(batch, saved.head.saved_ns, now_ns))

    def adopt(self, definition: CacheDefinition) -> None:
        """Change limits; the columns stay."""
        with self._lock:
            self._settle()
            self._content = self._content.adopt(definition)  # type: ignore[arg-type]  # the owner compares the kinds
            self.definition = definition

    def read(self, now_ns: int, oldest_ns: int | None = None) -> pa.Table | None:
        """Return what the cache says now, of rows from ``oldest_ns`` on; ``None`` if its table was deleted."""
        with self._lock:
            schema = self._catch_up(now_ns)
            return None if schema is None else self._content.read(now_ns, schema, oldest_ns)

    def evict(self, now_ns: int) -> None:
        """Let go of what has expired."""
        with self._lock:
            self._catch_up(now_ns)
            self._content.evict(now_ns)

    def save(self, position: int, now_ns: int) -> SavedCache | None:
        """Return the content, in which all records up to ``position`` are; ``None`` if the table was deleted."""
        with self._lock:
            schema = self._catch_up(now_ns)
            if schema is None:
                return None
            rows, came = self._content.dump(now_ns, schema)
        keys, values = self.definition.columns
        head = CacheHead(self.definition.cache_id, self.table_id, position, now_ns, keys, values)
        return SavedCache(head, rows, came)

    @property
    def row_count(self) -> int:
        """Return how many rows it holds."""
        return self._content.row_count

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        with self._lock:
            return self._content.size_bytes + sum(len(rows.data) for _, rows in self._waiting)

    def _new_content(self, schema: TableSchema) -> LastRows | DistinctValues:
        if isinstance(self.definition, LastCache):
            return LastRows(self.definition, schema, LastConfig(self._ports.most_rows, self._tell_overflow))
        return DistinctValues(self.definition)

    def _tell_overflow(self, rows: int) -> None:
        logger.warning(
            "cache is full, what came first goes table=%s cache=%s rows=%d most=%d",
            self.definition.table,
            self.definition.name,
            rows,
            self._ports.most_rows,
        )

    def _catch_up(self, now_ns: int) -> TableSchema | None:
        schema = self._ports.schema_of(self.table_id)
        if schema is not None and not self.is_complete:
            self._fill(schema, now_ns)
        self._settle()
        return schema

    def _settle(self) -> None:
        # What is appended meanwhile stays for the next time.
        taken = len(self._waiting)
        waiting, self._waiting[:taken] = self._waiting[:taken], []
        self._settled_rows += sum([rows.row_count for _, rows in waiting])
        for _, together in itertools.groupby(waiting, key=lambda entry: entry[0] // _COMPANY_NS):
            members = list(together)
            for batch in self._decoded([(rows.encoding, rows.data, rows.version) for _, rows in members]):
                self._content.add(batch, np.full(batch.num_rows, members[-1][0], dtype=np.int64))

    def _decoded(self, payloads: list[tuple[int, Bytes, int]]) -> Iterator[pa.RecordBatch]:
        schema = self._ports.schema_of(self.table_id)
        if schema is not None:
            yield from decode_payloads(payloads, schema)

    def _fill(self, schema: TableSchema, now_ns: int) -> None:
        cache = self.definition
        age_s = cache.ttl_s if isinstance(cache, LastCache) else cache.max_age_s
        since_ns = now_ns - min(age_s * NS_PER_SECOND, now_ns)
        for batch in self._ports.stored_rows(schema, since_ns):
            self._content.add(batch, came_about(batch, since_ns, now_ns))
        self.is_complete = True
        logger.info("cache filled from stored rows table=%s cache=%s", cache.table, cache.name)


def came_about(batch: pa.RecordBatch, since_ns: int, now_ns: int) -> Numbers:
    """Return when rows came that came at some time in between: at their own time, or now if that cannot be."""
    times = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
    came: Numbers = np.where((times >= since_ns) & (times <= now_ns), times, now_ns)
    return came


def _pieces(saved: SavedCache) -> Iterator[tuple[pa.RecordBatch, Numbers]]:
    at = 0
    for batch in saved.rows.to_batches():
        yield batch, saved.came_ns[at : at + batch.num_rows]
        at += batch.num_rows
