"""A store that is fed without a log: records get their positions here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.clock import SystemClock
from engine.columns.payload import encode_rows
from engine.disk import Disk, RealDisk
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.storage.compaction import Compaction, CompactionLimits
from engine.storage.objects import Objects, each_file
from engine.storage.ranges import Ranges, outside
from engine.storage.slices import SliceLimits
from engine.storage.store import Store, StoreConfig
from engine.wal.format import Record, RowsPayload, RowsRecord, SchemaRecord
from engine.wal.ports import DurableRecord
from tests.support.batches import batch_of, rows_of

WINDOW_NS = 100

SMALL = SliceLimits(file_rows=40, group_rows=8, gap_ns=WINDOW_NS, worth_rows=1, small_rows=6, most_holes=3)
"""So that a few rows make several files, row groups and holes."""


SMALL_STEPS = CompactionLimits(
    periods_ns=(2 * WINDOW_NS, 10 * WINDOW_NS, None), most_rows=40, most_bytes=1 << 20, most_files=3
)


class FedStore:
    """A store on a folder; ``write`` stands for what the log would hand it."""

    def __init__(self, folder: Path, disk: Disk | None = None, objects: Objects | None = None) -> None:
        self.folder = folder
        self.disk = disk or RealDisk()
        config = StoreConfig(WINDOW_NS, limits=SMALL)
        self.paths = NodePaths(folder, "node")
        self.store = Store(self.disk, self.paths, config, SystemClock(), objects)
        self.records: list[DurableRecord] = []
        self.store.open()

    def apply(self, record: Record) -> None:
        """Hand over the next record."""
        durable = DurableRecord(len(self.records) + 1, record, ())
        self.records.append(durable)
        self.store.apply([durable])

    def create(self, schema: TableSchema) -> None:
        """Make a table with all columns of ``schema``."""
        columns = tuple((c.name, c.type.short) for c in schema.columns)
        self.apply(SchemaRecord(schema.database_id, schema.table_id, schema.name, 0, columns, deleted=False))

    def delete(self, schema: TableSchema) -> None:
        """Delete a table."""
        self.apply(SchemaRecord(schema.database_id, schema.table_id, schema.name, 0, (), deleted=True))

    def write(self, schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write ``rows`` as one record."""
        encoding, data = encode_rows(batch_of(schema, rows))
        self.apply(RowsRecord(RowsPayload(schema.table_id, schema.version, len(rows), encoding, (), data)))

    def snapshot(self) -> None:
        """Move the buffer to Parquet."""
        self.store.snapshot(lambda trigger_id: None)

    def compact(self, steps: int = 1000) -> int:
        """Put files together, until nothing is to be done or so many steps were; return how many."""
        compaction = Compaction(self.store, SystemClock(), limits=SMALL_STEPS)
        return next((done for done in range(steps) if not compaction.step()), steps)

    def reopened(self, folder: Path | None = None) -> "FedStore":
        """Return a new store on the same folder (or a copy of it), fed with the records again, as a replay does."""
        again = FedStore(folder or self.folder)
        again.records = self.records
        again.store.apply(self.records)
        return again

    def rows(self, schema: TableSchema) -> list[dict[str, Any]]:
        """Return what a query of the table would read."""
        newest = self.store.schemas.by_id(schema.table_id)
        if newest is None:
            return []
        view = self.store.view(newest)
        try:
            files = [_read(path, excluded) for path, excluded in each_file(view.folders, view.partly, view.absent)]
            batches = [pa.Table.from_batches([b]) for b in view.batches]
            return [row for table in [*files, *batches] for row in rows_of(_plain(table))]
        finally:
            view.release()


def _read(path: Path, excluded: Ranges) -> pa.Table:
    return pq.read_table(path, filters=outside(excluded) if excluded else None)


def _plain(table: pa.Table) -> pa.Table:
    arrays = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    return pa.Table.from_arrays(arrays, names=table.column_names)
