"""Rows of one table ⇄ bytes of a log record: Arrow IPC for batches, MessagePack for a few rows."""

from enum import IntEnum

import msgspec
import pyarrow as pa

from engine.columns.types import storage_schema
from engine.model.schema import TableSchema

MOST_COMPACT_ROWS = 32
"""Up to this many rows the compact form is smaller and faster than Arrow IPC."""


class Encoding(IntEnum):
    """How a payload holds its rows."""

    COMPACT = 1
    IPC = 2


def encode_rows(batch: pa.RecordBatch) -> tuple[Encoding, bytes]:
    """Return ``batch``, whose columns are in the table's own order, as bytes, and how they are encoded.

    The time travels as integers, a tag as its text; trailing columns may be missing and read as null.
    """
    if batch.num_rows <= MOST_COMPACT_ROWS:
        return Encoding.COMPACT, msgspec.msgpack.encode([_values(column) for column in batch.columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
        writer.write_batch(batch)
    return Encoding.IPC, sink.getvalue().to_pybytes()


def decode_rows(encoding: int, payload: bytes | memoryview | pa.Buffer, schema: TableSchema) -> pa.RecordBatch:
    """Return the rows of ``payload`` with exactly the columns of ``schema``, which may be newer than the payload.

    IPC columns point into ``payload`` without a copy.
    """
    wanted = storage_schema(schema)
    if encoding == Encoding.COMPACT:
        values = msgspec.msgpack.decode(payload)
        rows = len(values[0]) if values else 0
        columns = [pa.array(v, type=f.type) for v, f in zip(values, wanted, strict=False)]
    else:
        with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
            batch = reader.read_next_batch()
        rows, columns = batch.num_rows, batch.columns
    columns += [pa.nulls(rows, type=wanted.field(i).type) for i in range(len(columns), len(wanted))]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[object] = column.to_pylist()
    return values
