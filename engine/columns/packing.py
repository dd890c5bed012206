"""Makes few large batches of many small ones, at a cost that stays in proportion to the rows."""

from collections.abc import Sequence

import pyarrow as pa

from engine.columns.merge import conform
from engine.columns.types import storage_schema
from engine.model.schema import TableSchema

_SMALL_ROWS = 65_536
"""So many rows are copied without asking what that brings."""
_LEAST_SHARE = 16
"""More rows are copied if those behind the first batch are at least one in so many."""


def pack(batches: Sequence[pa.RecordBatch], schema: TableSchema, *, whole: bool) -> list[pa.RecordBatch]:
    """Return the rows of ``batches`` in their order, in batches of which each has more than twice the rows of the next.

    ``whole``: in one batch, unless that would be a large copy for a few rows. A batch that was made of several has all
    columns of ``schema``, and tags with one dictionary.
    """
    packed: list[pa.RecordBatch] = []
    start = 0
    for count in groups([batch.num_rows for batch in batches], whole=whole):
        packed += _joined(batches[start : start + count], schema) if count > 1 else batches[start : start + count]
        start += count
    return packed


def groups(rows: Sequence[int], *, whole: bool) -> list[int]:
    """Return how many neighbours become one batch each; ``rows``: how many rows each batch has. See ``pack``."""
    if whole and rows and (sum(rows) <= _SMALL_ROWS or sum(rows[1:]) * _LEAST_SHARE >= rows[0]):
        return [len(rows)]
    stack: list[tuple[int, int]] = []
    for alone in rows:
        count, total = 1, alone
        while stack and stack[-1][1] <= 2 * total:
            more, above = stack.pop()
            count, total = count + more, total + above
        stack.append((count, total))
    return [count for count, _ in stack]


def _joined(batches: Sequence[pa.RecordBatch], schema: TableSchema) -> list[pa.RecordBatch]:
    whole = pa.Table.from_batches([conform(batch, schema) for batch in batches], schema=storage_schema(schema))
    joined: list[pa.RecordBatch] = whole.unify_dictionaries().combine_chunks().to_batches()
    return joined
