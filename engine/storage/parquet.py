"""Rows of one chunk ⇄ the bytes of a Parquet file."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from engine.columns.types import storage_schema
from engine.model.schema import TIME_COLUMN, TableSchema


def encode_parquet(batch: pa.RecordBatch) -> bytes:
    """Return ``batch`` as a Parquet file with statistics and page checksums."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_batches([batch]),
        sink,
        compression="zstd",
        write_statistics=True,
        write_page_checksum=True,
        store_schema=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode_parquet(data: bytes, schema: TableSchema, columns: list[str] | None = None) -> pa.RecordBatch:
    """Return the rows of a file with the columns of ``schema`` – those of them that ``columns`` names, if it is given.

    Columns that the file does not have, because they came later, are null.
    """
    with pq.ParquetFile(io.BytesIO(data)) as file:
        names = file.schema_arrow.names
        table = file.read(columns=None if columns is None else [c for c in columns if c in names])
    wanted = _wanted(schema, columns)
    arrays = [
        _one_array(table.column(f.name), f.type) if f.name in names else pa.nulls(len(table), f.type) for f in wanted
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def no_rows(schema: TableSchema, columns: list[str] | None = None) -> pa.RecordBatch:
    """Return a batch without rows, with the columns that ``decode_parquet`` gives."""
    wanted = _wanted(schema, columns)
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in wanted], schema=wanted)


def _wanted(schema: TableSchema, columns: list[str] | None) -> pa.Schema:
    whole = storage_schema(schema)
    return whole if columns is None else pa.schema([whole.field(c) for c in columns])


def _one_array(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    column = column.cast(kind)
    if pa.types.is_dictionary(kind):
        column = column.unify_dictionaries()
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def key_columns(schema: TableSchema) -> list[str]:
    """Return the names of the columns that make up a key."""
    return [*schema.tags, TIME_COLUMN]
