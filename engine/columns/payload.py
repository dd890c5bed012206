"""Rows of one table ⇄ bytes of a log record: Arrow IPC for batches, MessagePack for a few rows."""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum

import msgspec
import numpy as np
import pyarrow as pa

from engine.columns.compact import decode_alike
from engine.columns.types import TAG_TYPE, storage_schema
from engine.model.schema import TableSchema

MOST_COMPACT_ROWS = 32
"""Up to this many rows of a batch the compact form is smaller and faster than Arrow IPC."""

MOST_VALUE_ROWS = 128
"""The same for rows that are plain values already: 64 of them take 13 µs to encode and 40 to read, by IPC 155 and 56."""

LEAST_ALIKE = 64
"""From so many payloads on it is worth the while to look for those that are alike."""

MOST_JOINED = 65_536
"""Most payloads that become one batch."""

_MOST_ROWS = 1 << 20
"""More than a payload in the compact form can have."""


class Encoding(IntEnum):
    """How a payload holds its rows."""

    COMPACT = 1
    IPC = 2


def encode_rows(batch: pa.RecordBatch) -> tuple[Encoding, bytes]:
    """Return ``batch``, whose columns are in the table's own order, as bytes, and how they are encoded.

    The time travels as integers, a tag as its text; trailing columns may be missing and read as null.
    """
    if batch.num_rows <= MOST_COMPACT_ROWS:
        return encode_values([_values(column) for column in batch.columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
        writer.write_batch(batch)
    return Encoding.IPC, sink.getvalue().to_pybytes()


def encode_values(columns: Sequence[Sequence[object]]) -> tuple[Encoding, bytes]:
    """Return a few rows in the compact form: the values of each column, in the table's own order, the time in ns."""
    return Encoding.COMPACT, msgspec.msgpack.encode(columns)


def decode_rows(
    encoding: int, payload: bytes | bytearray | memoryview | pa.Buffer, schema: TableSchema
) -> pa.RecordBatch:
    """Return the rows of ``payload`` with exactly the columns of ``schema``, which may be newer than the payload.

    IPC columns point into ``payload`` without a copy.
    """
    if encoding == Encoding.COMPACT:
        return _from_values([msgspec.msgpack.decode(payload)], schema)
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        batch = reader.read_next_batch()
    return _padded(batch.columns, batch.num_rows, schema)


def compact_values(payloads: Sequence[bytes | memoryview], width: int) -> list[list[list[object]]]:
    """Return the rows of each payload, all in the compact form, as ``width`` columns of plain values.

    For whoever wants Python values in the end: no way through Arrow is shorter. All are read in one call, as the elements
    of one MessagePack array.
    """
    parts: list[list[list[object]]] = msgspec.msgpack.decode(
        b"".join((_ARRAY.pack(_ARRAY_32, len(payloads)), *payloads))
    )
    for columns in parts:
        if len(columns) < width:
            rows = len(columns[0]) if columns else 0
            columns += [[None] * rows for _ in range(len(columns), width)]
    return parts


_ARRAY = struct.Struct(">BI")
_ARRAY_32 = 0xDD


def decode_payloads(
    payloads: Iterable[tuple[int, bytes | bytearray | memoryview, int]], schema: TableSchema
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of many (encoding, payload, schema version) in their order.

    Neighbours in the compact form become one batch (several if they are very many), with the columns of the newest version
    among them.
    """
    for encoding, group in itertools.groupby(payloads, key=lambda p: p[0]):
        if encoding == Encoding.COMPACT:
            while members := list(itertools.islice(group, MOST_JOINED)):
                version = max([version for _, _, version in members])
                yield _joined([data for _, data, _ in members], schema.at(version))
        else:
            for _, data, version in group:
                yield decode_rows(encoding, data, schema.at(version))


def _joined(payloads: Sequence[bytes | bytearray | memoryview], schema: TableSchema) -> pa.RecordBatch:
    """Return the rows of compact payloads in their order."""
    if len(payloads) < LEAST_ALIKE:
        return _from_values([msgspec.msgpack.decode(data) for data in payloads], schema)
    parts, left = decode_alike(payloads)
    batches = [_padded(_typed(part.columns, schema), len(part.payloads), schema) for part in parts]
    places = [part.payloads * _MOST_ROWS + part.row for part in parts]
    if left:
        values: list[list[list[object]]] = [msgspec.msgpack.decode(payloads[number]) for number in left]
        batches.append(_from_values(values, schema))
        rows = [len(columns[0]) if columns else 0 for columns in values]
        places += [np.arange(count) + number * _MOST_ROWS for number, count in zip(left, rows, strict=True)]
    if len(batches) == 1:
        return batches[0]
    order = np.concatenate(places)
    together = pa.Table.from_batches(batches).unify_dictionaries()
    if (order[1:] < order[:-1]).any():
        together = together.take(pa.array(np.argsort(order)))
    (batch,) = together.combine_chunks().to_batches()
    return batch


def _typed(columns: Sequence[pa.Array], schema: TableSchema) -> list[pa.Array]:
    """Return ``columns`` with the types that the table stores."""
    return [_cast(column, field.type) for column, field in zip(columns, storage_schema(schema), strict=False)]


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if wanted == TAG_TYPE and pa.types.is_string(column.type):
        return column.dictionary_encode()
    if pa.types.is_timestamp(wanted):
        return column.cast(pa.int64()).view(wanted)
    return column.cast(wanted)


def _from_values(payloads: Sequence[list[list[object]]], schema: TableSchema) -> pa.RecordBatch:
    rows = [len(columns[0]) if columns else 0 for columns in payloads]
    width = max(len(columns) for columns in payloads)
    joined: list[list[object]] = [[] for _ in range(width)]
    for columns, count in zip(payloads, rows, strict=True):
        for i, values in enumerate(joined):
            values.extend(columns[i] if i < len(columns) else [None] * count)
    arrays = [pa.array(v, type=f.type) for v, f in zip(joined, storage_schema(schema), strict=False)]
    return _padded(arrays, sum(rows), schema)


def _padded(arrays: list[pa.Array], rows: int, schema: TableSchema) -> pa.RecordBatch:
    wanted = storage_schema(schema)
    missing = [pa.nulls(rows, type=wanted.field(i).type) for i in range(len(arrays), len(wanted))]
    return pa.RecordBatch.from_arrays([*arrays, *missing], schema=wanted)


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    values: list[object] = column.to_pylist()
    return values
