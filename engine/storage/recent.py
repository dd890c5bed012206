"""Stored rows from some time on, as caches are filled from them."""

from collections.abc import Iterator

import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.types import storage_schema
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.storage.objects import each_file, first_window
from engine.storage.ranges import outside
from engine.storage.store import Store
from engine.storage.table import TableView


def rows_since(store: Store, schema: TableSchema, since_ns: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table whose time is at least ``since_ns``: first those in files, then those that no file holds.

    The rows of one tag set come in the order of time, as far as they are in files.
    """
    arrow = storage_schema(schema)
    view = store.view(schema)
    oldest_ns = since_ns if view.oldest_ns is None else max(since_ns, view.oldest_ns)
    wanted = pc.field(TIME_COLUMN) >= pa.scalar(oldest_ns, pa.timestamp("ns"))
    try:
        yield from _in_files(view, arrow, since_ns)
        if view.batches:
            rows = pa.Table.from_batches(view.batches, schema=arrow).filter(wanted).sort_by(TIME_COLUMN)
            yield from rows.unify_dictionaries().to_batches()
    finally:
        view.release()


def _in_files(view: TableView, arrow: pa.Schema, since_ns: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds  # 4 MB that a server whose caches are whole does without

    wanted = pc.field(TIME_COLUMN) >= pa.scalar(since_ns, pa.timestamp("ns"))
    absent = [file for file in view.absent if file.max_time >= since_ns]
    together: list[pa.Table] = []
    until = 0
    for path, excluded in each_file(view.folders, view.partly, absent):
        condition = wanted & outside(excluded) if excluded else wanted
        rows = ds.dataset(path, schema=arrow, format="parquet").to_table(filter=condition)
        if not len(rows):
            continue
        if together and first_window(path) > until:
            yield from _by_time(together)
            together = []
        latest = pc.max(rows.column(TIME_COLUMN).cast(pa.int64())).as_py()
        until = max(until, latest) if together else latest
        together.append(rows)
    yield from _by_time(together)


def _by_time(tables: list[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of files that overlap; those of one file are in the order of time for each tag set."""
    if len(tables) > 1:
        yield from pa.concat_tables(tables).unify_dictionaries().sort_by(TIME_COLUMN).to_batches()
    elif tables:
        yield from tables[0].to_batches()
