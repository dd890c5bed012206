"""Columns → row dicts with plain Python values, as plugins get them."""

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyarrow import lib

from engine.columns import compute as pc

FEW_ROWS = 256
"""From this many rows on it pays to compile a builder for the column names (which takes about 0.1 ms)."""

NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def row_dicts(names: Sequence[str], columns: Sequence[Sequence[Any]], count: int) -> list[dict[str, Any]]:
    """Return ``count`` rows from the values of their columns; of equal names the last one holds."""
    if not columns:
        return [{} for _ in range(count)]
    if count < FEW_ROWS:
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return _builder(tuple(names))(columns)


def table_rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of ``table`` as dicts, see ``column_values``."""
    columns = [column_values(column) for column in table.columns]
    return row_dicts(table.schema.names, columns, table.num_rows)


def column_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return the values of ``column`` as plain Python objects, null as ``None``; no type is refused.

    Dictionaries give their values; timestamps and durations of any unit give ``int`` nanoseconds; dates and times of
    day give ISO text; decimals give ``float``; lists give ``list``, structs and maps ``dict``; all else what pyarrow gives.
    """
    if isinstance(column, pa.ChunkedArray):
        return list(itertools.chain.from_iterable(map(column_values, column.chunks)))
    convert = _CONVERSIONS.get(column.type.id)
    if convert:
        return convert(column)
    values: list[Any] = column.to_pylist()
    return values


@lru_cache(maxsize=256)
def _builder(names: tuple[str, ...]) -> Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]]:
    """Return a function that makes the rows of columns called ``names``.

    A dict display with constant keys takes half the time of ``dict(zip(names, values))``.
    """
    variables = [f"v{i}" for i in range(len(names))]
    items = ", ".join(f"{name!r}: {variable}" for name, variable in zip(names, variables, strict=True))
    source = f"lambda columns: [{{{items}}} for ({', '.join(variables)},) in zip(*columns, strict=True)]"
    built: Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]] = eval(source)
    return built


def _dictionary(column: pa.DictionaryArray) -> list[Any]:
    if len(column) < len(column.dictionary):
        return column_values(column.dictionary_decode())
    texts = column_values(column.dictionary)
    indices = column.indices.to_pylist()
    if column.null_count:
        return [None if i is None else texts[i] for i in indices]
    return list(map(texts.__getitem__, indices))


def _nanoseconds(column: pa.Array) -> list[Any]:
    factor = NS_PER_UNIT[column.type.unit]
    counts: list[Any] = column.view(pa.int64()).to_pylist()
    if factor == 1:
        return counts
    return [None if count is None else count * factor for count in counts]


def _iso_text(column: pa.Array) -> list[Any]:
    texts: list[Any] = column.cast(pa.string()).to_pylist()
    return texts


def _float(column: pa.Array) -> list[Any]:
    return [None if value is None else float(value) for value in column.to_pylist()]


def _struct(column: pa.StructArray) -> list[Any]:
    fields = [column.type.field(i).name for i in range(column.type.num_fields)]
    rows = row_dicts(fields, [column_values(child) for child in column.flatten()], len(column))
    return _with_nulls(column, rows)


def _list(column: pa.ListArray) -> list[Any]:
    flat = iter(column_values(column.flatten()))
    lengths = pc.list_value_length(column).to_pylist()
    return [None if length is None else list(itertools.islice(flat, length)) for length in lengths]


def _map(column: pa.MapArray) -> list[Any]:
    pair = pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])
    pairs = column_values(column.cast(pa.list_(pair)))
    return [None if row is None else {pair["key"]: pair["value"] for pair in row} for row in pairs]


def _extension(column: pa.ExtensionArray) -> list[Any]:
    return column_values(column.storage)


def _run_ends(column: pa.RunEndEncodedArray) -> list[Any]:
    return column_values(pc.run_end_decode(column))


def _with_nulls(column: pa.Array, values: list[Any]) -> list[Any]:
    if not column.null_count:
        return values
    return [value if valid else None for value, valid in zip(values, column.is_valid().to_pylist(), strict=True)]


_CONVERSIONS: dict[int, Callable[[Any], list[Any]]] = {
    lib.Type_DICTIONARY: _dictionary,
    lib.Type_TIMESTAMP: _nanoseconds,
    lib.Type_DURATION: _nanoseconds,
    **dict.fromkeys((lib.Type_DATE32, lib.Type_DATE64, lib.Type_TIME32, lib.Type_TIME64), _iso_text),
    lib.Type_HALF_FLOAT: _float,
    **dict.fromkeys((lib.Type_DECIMAL32, lib.Type_DECIMAL64, lib.Type_DECIMAL128, lib.Type_DECIMAL256), _float),
    **dict.fromkeys((lib.Type_LIST, lib.Type_LARGE_LIST, lib.Type_FIXED_SIZE_LIST), _list),
    **dict.fromkeys((lib.Type_LIST_VIEW, lib.Type_LARGE_LIST_VIEW), _list),
    lib.Type_MAP: _map,
    lib.Type_STRUCT: _struct,
    pa.uuid().id: _extension,
    lib.Type_RUN_END_ENCODED: _run_ends,
}
