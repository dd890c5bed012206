"""Stored rows from some time on, as caches are filled from them."""

from collections.abc import Iterator

import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.types import storage_schema
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.storage.objects import each_file
from engine.storage.store import Store


def rows_since(store: Store, schema: TableSchema, since_ns: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table whose time is at least ``since_ns``, window by window, then what no file holds yet.

    The rows of one tag set come in the order of time, as far as they are in files.
    """
    import pyarrow.dataset as ds  # 4 MB that a server whose caches are whole does without

    arrow = storage_schema(schema)
    wanted = pc.field(TIME_COLUMN) >= pa.scalar(since_ns, pa.timestamp("ns"))
    view = store.view(schema)
    try:
        absent = [file for file in view.absent if file.max_time >= since_ns]
        for path in each_file(view.folders, absent):
            yield from ds.dataset(path, schema=arrow, format="parquet").to_table(filter=wanted).to_batches()
        if view.batches:
            rows = pa.Table.from_batches(view.batches, schema=arrow).filter(wanted).sort_by(TIME_COLUMN)
            yield from rows.unify_dictionaries().to_batches()
    finally:
        view.release()
