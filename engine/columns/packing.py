"""Makes few large batches of many small ones, at a cost that stays in proportion to the rows."""

from collections.abc import Sequence

import pyarrow as pa

from engine.columns.merge import conform
from engine.columns.types import storage_schema
from engine.model.schema import TableSchema

FANOUT = 6
"""Batches become one when together they are so many times the first of them: a million rows that come by the thousand are
copied two and a half times and stand in a dozen batches; with two it would be ten times, and in three."""


def pack(batches: Sequence[pa.RecordBatch], schema: TableSchema) -> list[pa.RecordBatch]:
    """Return the rows of ``batches`` in their order, in batches as ``groups`` says.

    A batch that was made of several has all columns of ``schema``, and tags with one dictionary.
    """
    packed: list[pa.RecordBatch] = []
    start = 0
    for count in groups([batch.num_rows for batch in batches]):
        packed += _joined(batches[start : start + count], schema) if count > 1 else batches[start : start + count]
        start += count
    return packed


def groups(rows: Sequence[int]) -> list[int]:
    """Return how many neighbours become one batch each; ``rows``: how many rows each batch has.

    Behind each batch then are fewer than ``FANOUT - 1`` times its rows.
    """
    stack: list[tuple[int, int]] = []
    for alone in rows:
        stack.append((1, alone))
        behind, due = alone, len(stack)
        for place in range(len(stack) - 2, -1, -1):
            if behind >= (FANOUT - 1) * stack[place][1]:
                due = place
            behind += stack[place][1]
        if due < len(stack):
            joined = stack[due:]
            stack[due:] = [(sum(count for count, _ in joined), sum(total for _, total in joined))]
    return [count for count, _ in stack]


def _joined(batches: Sequence[pa.RecordBatch], schema: TableSchema) -> list[pa.RecordBatch]:
    whole = pa.Table.from_batches([conform(batch, schema) for batch in batches], schema=storage_schema(schema))
    joined: list[pa.RecordBatch] = whole.unify_dictionaries().combine_chunks().to_batches()
    return joined
