"""Keeps the input of work that was given up: rows as JSON, a schedule's call time."""

import json
from typing import Any

import pyarrow as pa

from engine.columns.payload import decode_rows
from engine.host.batches import PayloadFiles
from engine.host.protocol import TableBatch
from engine.model.schema import Column, ColumnType, TableSchema
from engine.triggers.work import Work


def input_of(work: Work) -> list[tuple[str, str]]:
    """Return (table, JSON) for each table of a batch; ("", JSON) with the call time of a schedule."""
    if work.kind == "schedule":
        return [("", json.dumps({"call_time_ns": work.due_ns}))]
    files = PayloadFiles()
    return [(batch.table, json.dumps(_batch(batch, files), ensure_ascii=False)) for batch in work.batches]


def _batch(batch: TableBatch, files: PayloadFiles) -> dict[str, Any]:
    """Return column types and rows; the time is integer nanoseconds, unwritten columns are left out."""
    schema = TableSchema(0, 0, batch.table, tuple(Column(n, ColumnType.from_short(t)) for n, t in batch.columns))
    rows: list[dict[str, Any]] = []
    for ref in batch.payloads:
        decoded = decode_rows(ref.encoding, files.payload(ref), schema)
        columns = {c.name: _values(decoded.column(c.name)) for c in schema.columns}
        rows += [{n: v[i] for n, v in columns.items() if v[i] is not None} for i in range(decoded.num_rows)]
    return {"table": batch.table, "columns": dict(batch.columns), "rows": rows}


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
