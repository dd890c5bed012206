"""Makes one row of all rows with the same tags and time: the later one wins, field by field."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.types import storage_schema
from engine.model.schema import TIME_COLUMN, ColumnType, TableSchema

Indices = npt.NDArray[np.int64]


def conform(batch: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
    """Return ``batch``, whose columns are the first ones of ``schema``, with all columns of ``schema``."""
    wanted = storage_schema(schema)
    missing = range(batch.num_columns, len(wanted))
    if not missing:
        return batch
    nulls = [pa.nulls(batch.num_rows, type=wanted.field(i).type) for i in missing]
    return pa.RecordBatch.from_arrays([*batch.columns, *nulls], schema=wanted)


def merge_rows(batches: Sequence[pa.RecordBatch], schema: TableSchema) -> pa.RecordBatch:
    """Return the rows of ``batches`` (older first), one per key, sorted by tags and time.

    Rows with equal tags – nulls included – and equal time become one: each field has the last value that is not null
    (server-api §2.10). The result has all columns of ``schema``, in its order.
    """
    whole = pa.Table.from_batches([conform(b, schema) for b in batches], schema=storage_schema(schema))
    columns = {name: _one_array(whole.column(name)) for name in whole.column_names}
    order, starts = _sorted_keys(columns, schema)
    first_of_key = order[starts]
    merged = [
        columns[c.name].take(pa.array(first_of_key))
        if c.type in (ColumnType.TAG, ColumnType.TIME)
        else _last_values(columns[c.name], order, starts)
        for c in schema.columns
    ]
    return pa.RecordBatch.from_arrays(merged, schema=storage_schema(schema))


def time_order(rows: pa.RecordBatch | pa.Table, tags: Sequence[str]) -> Indices:
    """Return the order of ``rows`` by time, and by tags (nulls first) where the time is the same."""
    times = _one_array_of(rows.column(TIME_COLUMN)).cast(pa.int64()).to_numpy(zero_copy_only=False)
    keys = [times, *(_tag_ranks(_one_array_of(rows.column(name))) for name in tags)]
    order: Indices = np.lexsort(keys[::-1])
    return order


def _one_array_of(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return _one_array(column) if isinstance(column, pa.ChunkedArray) else column


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _sorted_keys(columns: dict[str, pa.Array], schema: TableSchema) -> tuple[Indices, Indices]:
    """Return the order of rows by key (stable), and where in that order each key starts."""
    keys = [_tag_ranks(columns[name]) for name in schema.tags]
    keys.append(columns[TIME_COLUMN].cast(pa.int64()).to_numpy(zero_copy_only=False))
    order = np.lexsort(keys[::-1])
    if len(order) == 0:
        return order, order
    differs = np.zeros(len(order), dtype=bool)
    differs[0] = True
    for key in keys:
        ordered = key[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(differs)


def _tag_ranks(column: pa.DictionaryArray) -> Indices:
    """Return for each row the rank of its tag's text among the texts of the column, nulls first as -1."""
    by_text = pc.array_sort_indices(column.dictionary).to_numpy()
    rank = np.empty(len(by_text) + 1, dtype=np.int64)
    rank[by_text] = np.arange(len(by_text))
    rank[-1] = -1  # the null
    codes: Indices = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    ranks: Indices = rank[codes]
    return ranks


def _last_values(column: pa.Array, order: Indices, starts: Indices) -> pa.Array:
    """Return for each key its last value that is not null."""
    if len(starts) == len(order):
        return column.take(pa.array(order))
    valid = column.is_valid().to_numpy(zero_copy_only=False)[order]
    last = np.maximum.reduceat(np.where(valid, np.arange(len(order)), -1), starts)
    return column.take(pa.array(order[last], mask=last < 0))
