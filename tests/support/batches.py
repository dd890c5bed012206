"""Builders of table schemas and record batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from engine.columns.types import storage_schema
from engine.model.schema import Column, ColumnType, TableSchema

TYPES = {t.short: t for t in ColumnType}


def table_schema(
    columns: Mapping[str, str], *, name: str = "cpu", table_id: int = 7, database_id: int = 3
) -> TableSchema:
    """Return a schema from column names and short types (``tag``, ``float``, ``time`` …)."""
    return TableSchema(database_id, table_id, name, tuple(Column(n, TYPES[t]) for n, t in columns.items()))


def batch_of(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return ``rows`` (missing keys are null) as a batch with all columns of ``schema``."""
    arrow = storage_schema(schema)
    arrays = [pa.array([row.get(f.name) for row in rows], type=f.type) for f in arrow]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)


def rows_of(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Return the rows as dicts, the time as integer nanoseconds, without the columns that are null."""
    columns = {
        name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    count = batch.num_rows
    return [{n: v[i] for n, v in columns.items() if v[i] is not None} for i in range(count)]
