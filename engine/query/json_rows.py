"""Few rows as JSON objects, written by msgspec from plain Python values.

Whole columns cost a millisecond before the first row; these do not. Values that InfluxDB writes in another way than
msgspec keep the texts of ``cell_text``.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from engine.query.cell_text import MOST_NAMES_KEPT, json_cells, json_escaped
from engine.query.number_text import is_plain_json
from engine.query.temporal_text import temporal_text
from engine.query.text_arrays import repeated

MOST_ROWS, MOST_VALUES = 1_024, 2**18
"""More at once cost as much as whole columns do (``cell_text.json_objects``), and msgspec keeps other threads waiting."""

RowType = type[msgspec.Struct]


def are_few(batch: pa.RecordBatch) -> bool:
    """Return whether the rows of ``batch`` are cheaper to write one by one than as whole columns."""
    return bool(batch.num_rows <= MOST_ROWS and batch.num_rows * batch.num_columns <= MOST_VALUES)


@lru_cache(MOST_NAMES_KEPT)
def row_type(names: tuple[str, ...]) -> RowType | None:
    """Return what holds the values of a row with these columns; ``None`` if msgspec cannot write their names."""
    escaped = json_escaped(pa.array(names, pa.string())).to_pylist()
    if not names or len(set(names)) < len(names) or tuple(escaped) != names:
        return None
    fields = [f"c{number}" for number in range(len(names))]
    return msgspec.defstruct("Row", fields, rename=dict(zip(fields, names, strict=True)), gc=False)


def rows_of(row: RowType, columns: Sequence[pa.Array]) -> list[msgspec.Struct]:
    """Return the rows of ``columns`` for msgspec's JSON encoder, which leaves out what is null."""
    return list(map(row, *[plain_values(column) for column in columns]))


def plain_values(column: pa.Array) -> list[Any]:
    """Return what msgspec writes as the JSON of ``json_cells``; ``UNSET`` stands for null."""
    type_ = column.type
    if pa.types.is_dictionary(type_) and _is_text(type_.value_type):
        few = len(column.dictionary) <= len(column)
        return _coded(column, column.dictionary) if few else plain_values(column.dictionary_decode())
    if pa.types.is_temporal(type_):
        coded = repeated(column)
        return _objects(temporal_text(column)) if coded is None else _coded(coded, temporal_text(coded.dictionary))
    if _is_text(type_) or pa.types.is_boolean(type_):
        return _objects(column)
    if is_plain_json(column):
        return _objects(column, 0)
    texts = json_cells(column).quoted().to_pylist()
    return [msgspec.UNSET if text is None else msgspec.Raw(text.encode()) for text in texts]


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _coded(column: pa.DictionaryArray, texts: pa.Array) -> list[Any]:
    """Return for each value of ``column`` the one of ``texts`` with its code."""
    known = [*_objects(texts), msgspec.UNSET]
    codes = column.indices.cast(pa.int64())
    numbers = codes.fill_null(len(texts)) if codes.null_count else codes
    return [known[number] for number in numbers.to_numpy().tolist()]


def _objects(column: pa.Array, instead: float | None = None) -> list[Any]:
    """Return the values; ``instead`` is a value of a type whose arrays cannot hold null in numpy."""
    if not column.null_count:
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    filled = column if instead is None else column.fill_null(instead)
    objects = filled.to_numpy(zero_copy_only=False).astype(object)
    objects[column.is_null().to_numpy(zero_copy_only=False)] = msgspec.UNSET
    return list(objects)
