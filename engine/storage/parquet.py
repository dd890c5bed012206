"""Rows of one table ⇄ the bytes of a Parquet file."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from engine.columns import compute as pc
from engine.columns.types import storage_schema
from engine.model.schema import TIME_COLUMN, ColumnType, TableSchema
from engine.storage.ranges import EVERYTHING, Range, Ranges, inside, touches

DICTIONARY_SHARE = 4
"""A column is written as a dictionary if at most one in so many values is distinct: to read one row of a row group, all
of its dictionary is decoded."""

_SAMPLE_ROWS = 65_536
_ENCODINGS = {
    ColumnType.TIME: "DELTA_BINARY_PACKED",
    ColumnType.INTEGER: "DELTA_BINARY_PACKED",
    ColumnType.UINTEGER: "DELTA_BINARY_PACKED",
    ColumnType.FLOAT: "BYTE_STREAM_SPLIT",
    ColumnType.STRING: "PLAIN",
}
"""How values are written that are not tags and not a dictionary; see docs/adr/0026."""


class ParquetBuilder:
    """Makes a Parquet file, with statistics and page checksums, in memory; each addition is a row group."""

    def __init__(self, schema: TableSchema) -> None:
        self._sink = pa.BufferOutputStream()
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows that have all columns of the schema."""
        self._open(batch).write_table(pa.Table.from_batches([batch]), row_group_size=max(1, batch.num_rows))

    def finish(self) -> memoryview:
        """Return the file."""
        self._open(no_rows(self._schema)).close()
        return memoryview(self._sink.getvalue())

    def _open(self, rows: pa.RecordBatch) -> pq.ParquetWriter:
        """Return the writer; ``rows`` tell it how to write each column if they are the first."""
        if self._writer is None:
            plain = _encodings(self._schema, rows.slice(0, _SAMPLE_ROWS))
            self._writer = pq.ParquetWriter(
                self._sink,
                storage_schema(self._schema),
                compression="zstd",
                use_dictionary=[name for name in rows.schema.names if name not in plain],
                column_encoding=plain,
                write_statistics=True,
                write_page_checksum=True,
                write_page_index=True,
                store_schema=True,
            )
        return self._writer


def _encodings(schema: TableSchema, rows: pa.RecordBatch) -> dict[str, str]:
    """Return the encodings of the columns in whose values no dictionary pays."""
    return {
        column.name: _ENCODINGS[column.type]
        for column in schema.columns
        if column.type in _ENCODINGS and not _pays_dictionary(rows.column(column.name))
    }


def _pays_dictionary(values: pa.Array) -> bool:
    known = len(values) - values.null_count
    return bool(pc.count_distinct(values, mode="only_valid").as_py() * DICTIONARY_SHARE <= known)


def group_times(data: memoryview | bytes) -> list[Range]:
    """Return from when to when the rows of each row group of a file are."""
    with _open(data) as file:
        return _group_times(file)


def decode_parquet(
    data: memoryview | bytes,
    schema: TableSchema,
    columns: Sequence[str] | None = None,
    times: Ranges = EVERYTHING,
) -> pa.RecordBatch:
    """Return the rows of a file at ``times`` with the columns of ``schema`` – those of them that ``columns`` names.

    Columns that the file does not have, because they came later, are null. Only row groups that hold such times are read.
    """
    with _open(data) as file:
        names = file.schema_arrow.names
        groups = [i for i, span in enumerate(_group_times(file)) if touches(times, *span)]
        wanted_names = None if columns is None else [c for c in columns if c in names]
        if wanted_names is not None and times is not EVERYTHING and TIME_COLUMN not in wanted_names:
            wanted_names.append(TIME_COLUMN)
        table = file.read_row_groups(groups, columns=wanted_names, use_threads=False)
    if times is not EVERYTHING:
        mask = inside(table.column(TIME_COLUMN).cast(pa.int64()).to_numpy(), times)
        table = table if mask.all() else table.filter(pa.array(mask))
    wanted = _wanted(schema, columns)
    arrays = [
        _one_array(table.column(f.name), f.type) if f.name in names else pa.nulls(len(table), f.type) for f in wanted
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def no_rows(schema: TableSchema, columns: Sequence[str] | None = None) -> pa.RecordBatch:
    """Return a batch without rows, with the columns that ``decode_parquet`` gives."""
    wanted = _wanted(schema, columns)
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in wanted], schema=wanted)


def _open(data: memoryview | bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)))


def _group_times(file: pq.ParquetFile) -> list[Range]:
    at = file.schema_arrow.names.index(TIME_COLUMN)
    found = []
    for i in range(file.num_row_groups):
        column = file.metadata.row_group(i).column(at)
        found.append((column.statistics.min_raw, column.statistics.max_raw))
    return found


def _wanted(schema: TableSchema, columns: Sequence[str] | None) -> pa.Schema:
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
