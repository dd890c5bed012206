"""Data of years: how many files there are, and how long a query of one hour takes, written live and all at once.

One table, 10 series, 20 fields, a row each 15 s. ``BENCH_DAYS=365`` measures a whole year (10 minutes on two cores).
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.clock import SystemClock
from engine.columns.payload import encode_rows
from engine.columns.types import storage_schema
from engine.disk import RealDisk
from engine.model.schema import Column, ColumnType, TableSchema
from engine.paths import NodePaths
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.stored import StoredTables
from engine.storage.compaction import Compaction
from engine.storage.store import Store, StoreConfig
from engine.wal.format import RowsPayload, RowsRecord, SchemaRecord
from engine.wal.ports import DurableRecord
from tests.bench.report import Figure
from tests.support.tables import MemorySystemTables

DAYS = int(os.environ.get("BENCH_DAYS", "28"))
START_NS = 1_672_531_200 * 10**9
STEP_NS = 15 * 10**9
SERIES = 10
SCHEMA = TableSchema(
    1,
    2,
    "cpu",
    (
        Column("host", ColumnType.TAG),
        *(Column(f"f{i}", ColumnType.FLOAT) for i in range(20)),
        Column("time", ColumnType.TIME),
    ),
)


class Feed:
    """A store that gets rows as the log would hand them over."""

    def __init__(self, folder: Path) -> None:
        self.paths = NodePaths(folder, "node")
        self.store = Store(RealDisk(), self.paths, StoreConfig(600 * 10**9), SystemClock())
        self.compaction = Compaction(self.store, SystemClock())
        self.position = 0
        self.store.open()
        columns = tuple((c.name, c.type.short) for c in SCHEMA.columns)
        self._apply(SchemaRecord(1, SCHEMA.table_id, SCHEMA.name, 0, columns, deleted=False))

    def write(self, first_step: int, steps: int) -> None:
        """Write the rows of so many steps of 15 s."""
        rows = steps * SERIES
        chance = np.random.default_rng(first_step)
        hosts = pa.DictionaryArray.from_arrays(
            pa.array(np.tile(np.arange(SERIES, dtype=np.int32), steps)), pa.array([f"host-{i}" for i in range(SERIES)])
        )
        times = START_NS + (first_step + np.repeat(np.arange(steps, dtype=np.int64), SERIES)) * STEP_NS
        fields = [pa.array(np.round(chance.normal(50, 10, rows), 2)) for _ in range(20)]
        batch = pa.RecordBatch.from_arrays(
            [hosts, *fields, pa.array(times).view(pa.timestamp("ns"))], schema=storage_schema(SCHEMA)
        )
        encoding, data = encode_rows(batch)
        self._apply(RowsRecord(RowsPayload(SCHEMA.table_id, SCHEMA.version, rows, encoding, (), data)))

    def snapshot(self) -> None:
        """Move the buffer to files."""
        self.store.snapshot(lambda trigger_id: None)

    def compact(self) -> None:
        """Put files together until that is done."""
        while self.compaction.step():
            pass

    def files(self) -> int:
        """Return how many files are under the folder of the node."""
        return sum(1 for path in self.paths.root.rglob("*") if path.is_file())

    def _apply(self, record: SchemaRecord | RowsRecord) -> None:
        self.position += 1
        self.store.apply([DurableRecord(self.position, record, ())])


def measure(rounds: int) -> list[Figure]:
    """Return figures for data that was written hour by hour, each with a snapshot, and for data of old times in bulk."""
    return [*_measured("written live", 240, rounds), *_measured("backfilled", 48_000, rounds)]


def _measured(how: str, steps_of_snapshot: int, rounds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="influxdb3-years-") as folder:
        feed = Feed(Path(folder))
        snapshot_ms = []
        cpu_s = time.process_time()
        for first in range(0, DAYS * 5760, steps_of_snapshot):
            steps = min(steps_of_snapshot, DAYS * 5760 - first)
            for part in range(first, first + steps, 4_000):
                feed.write(part, min(4_000, first + steps - part))
            began = time.perf_counter()
            feed.snapshot()
            snapshot_ms.append((time.perf_counter() - began) * 1000)
            feed.compact()
        cpu_s = time.process_time() - cpu_s
        rows = DAYS * 5760 * SERIES
        name = f"{DAYS} days {how}"
        yield Figure(f"{name}: files in all", feed.files(), "files", "< 1,000 a year")
        yield Figure(f"{name}: bytes per row", _size(feed.paths.parquet) / rows, "bytes")
        yield Figure(f"{name}: CPU per million rows", cpu_s / rows * 1e6, "s")
        yield Figure(f"{name}: snapshot", statistics.median(snapshot_ms), "ms")
        first_ms, next_ms = _hours(feed, rounds)
        yield Figure(f"{name}: first query of an hour", first_ms, "ms", "< 100")
        yield Figure(f"{name}: query of an hour", next_ms, "ms", "< 100")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _hours(feed: Feed, rounds: int) -> tuple[float, float]:
    """Return how long the first query took, and the median of others."""
    queries = QueryExecutor(QueryConfig(256 << 20))
    queries.warm_up()
    tables = StoredTables(feed.store, 1)
    took_ms = []
    for number in range(2 * rounds + 1):
        low = START_NS + (number * 7919 * 3600 * 10**9) % (DAYS * 86_400 * 10**9 - 3600 * 10**9)
        bounds = [f"arrow_cast({t}, 'Timestamp(Nanosecond, None)')" for t in (low, low + 3600 * 10**9)]
        text = f"SELECT host, avg(f0), max(f1) FROM cpu WHERE time >= {bounds[0]} AND time < {bounds[1]} GROUP BY host"
        began = time.perf_counter()
        with queries.sql(tables, MemorySystemTables(), text, {}) as result:
            assert sum(batch.num_rows for batch in result.batches) == SERIES
        took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms[0], statistics.median(took_ms[1:])
