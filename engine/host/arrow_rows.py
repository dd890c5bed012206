"""Columns that a plugin writes: from any Arrow table to the types that are stored, or an error that says what is wrong."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.types import TAG_TYPE
from engine.host.arrow_message import encode_columns
from engine.host.protocol import ArrowRows
from engine.lineprotocol.lines import MOST_STRING_BYTES
from engine.model.schema import TIME_COLUMN

UNWRITABLE_WORD = r"^\z|\n|\\\z"
WORD_RULE = "it must not be empty, hold a line feed, or end with a backslash"
HINTS = (
    (pa.types.is_temporal, "; cast it to int64 or to text"),
    (pa.types.is_decimal, "; cast it to float64 or to text"),
    (pa.types.is_nested, "; write its parts as columns of their own"),
)

Column: TypeAlias = pa.Array | pa.ChunkedArray


def arrow_rows(table_name: str, data: Any, tags: Sequence[str] | None, time_column: str | None) -> ArrowRows | None:
    """Return the rows of ``data`` with their columns as they are stored; ``None`` if there are none.

    See ``InfluxDB3Local.write_arrow`` in ``influxdb3_plugin`` for the arguments. Columns without any value are left out.

    Raises:
        TypeError: ``data`` is no Arrow table, or ``tags`` is no sequence of names.
        ValueError: the columns cannot be written; the text names the column.
    """
    _check_word("table name", table_name)
    table = _as_table(data)
    columns = _by_name(table)
    tag_names = _tag_names(columns, tags)
    time = None if time_column is None else _time(time_column, columns)
    fields = {name: column for name, column in columns.items() if name not in tag_names and name != time_column}
    if TIME_COLUMN in fields or TIME_COLUMN in tag_names:
        raise ValueError(f"write_arrow: a column called {TIME_COLUMN!r} holds the times, so it is no tag and no field")
    if table.num_rows == 0:
        return None
    made = {name: _tag(name, columns[name]) for name in tag_names}
    made |= (written := {name: _field(name, column) for name, column in fields.items()})
    _check_rows([column for column in written.values() if column is not None], table.num_rows)
    if time is not None:
        made[TIME_COLUMN] = time
    batch = _one_batch({name: column for name, column in made.items() if column is not None})
    return encode_columns(table_name, batch)


def _as_table(data: Any) -> pa.Table:
    if isinstance(data, pa.Table | pa.RecordBatch) or hasattr(data, "__arrow_c_stream__"):
        table = pa.table(data)
        try:
            table.validate(full=True)  # what was put together from buffers by hand could read anything
        except pa.ArrowInvalid as error:
            raise ValueError(f"write_arrow: the data is damaged: {error}") from None
        return table
    raise TypeError(
        f"argument 'data': {type(data).__name__!r} object is no table; give a pyarrow.Table, a pyarrow.RecordBatch, or"
        " anything with __arrow_c_stream__, such as a data frame of pandas 2.2 or polars"
    )


def _by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    names = table.schema.names
    for name in names:
        _check_word("column", name)
        if names.count(name) > 1:
            raise ValueError(f"write_arrow: there are {names.count(name)} columns called {name!r}")
    return dict(zip(names, map(_plain, table.columns), strict=True))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ``column`` without an extension type or run ends around its values."""
    if isinstance(column.type, pa.BaseExtensionType):
        return _plain(column.cast(column.type.storage_type))
    if pa.types.is_run_end_encoded(column.type):
        return pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], column.type.value_type)
    return column


def _tag_names(columns: dict[str, pa.ChunkedArray], tags: Any) -> list[str]:
    """Return the names of the tags: those in ``tags``, or those of the dictionaries of texts."""
    if tags is None:
        return [name for name, column in columns.items() if _is_dictionary_of_text(column.type)]
    if isinstance(tags, str) or not isinstance(tags, Iterable) or not all(isinstance(name, str) for name in tags):
        raise TypeError(f"argument 'tags': {tags!r} is no sequence of column names")
    for name in tags:
        if name not in columns:
            raise ValueError(f"write_arrow: there is no column {name!r} to be a tag; there are {_listed(columns)}")
    return list(dict.fromkeys(tags))


def _is_dictionary_of_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind)) and _is_text(kind.value_type)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _time(name: str, columns: dict[str, pa.ChunkedArray]) -> Column:
    """Return the times as ``timestamp[ns]``."""
    if name not in columns:
        raise ValueError(
            f"write_arrow: there is no column {name!r} with the times; there are {_listed(columns)}."
            " Name it by time_column=…, or give time_column=None for the time of the write"
        )
    column = columns[name]
    if column.null_count:
        raise ValueError(f"write_arrow: column {name!r} has {column.null_count} nulls, but each row needs a time")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _cast(name, column, pa.timestamp("ns"))
    if pa.types.is_integer(column.type):
        return _cast(name, _cast(name, column, pa.int64()), pa.timestamp("ns"))
    raise ValueError(
        f"write_arrow: column {name!r} holds {column.type}; times are timestamps, dates or integers (nanoseconds)"
    )


def _tag(name: str, column: Column) -> Column | None:
    """Return the values of a tag, ``None`` if there are none."""
    if column.null_count == len(column):
        return None
    if not (_is_text(column.type) or _is_dictionary_of_text(column.type)):
        raise ValueError(f"write_arrow: column {name!r} holds {column.type}; a tag is text, so cast it to string")
    coded = column.unify_dictionaries().combine_chunks() if column.type == TAG_TYPE else None
    if coded is None or not _is_tidy(coded):
        coded = _cast(name, column, pa.string()).combine_chunks().dictionary_encode()
    bad = coded.dictionary.filter(pc.match_substring_regex(coded.dictionary, UNWRITABLE_WORD))
    if len(bad):
        hint = "; null stands for no value" if bad[0].as_py() == "" else ""
        raise ValueError(f"write_arrow: column {name!r} has {bad[0].as_py()!r} as value of a tag; {WORD_RULE}{hint}")
    _check_length(name, coded.dictionary)
    return coded if coded.null_count < len(coded) else None


def _is_tidy(column: pa.DictionaryArray) -> bool:
    """Return whether the dictionary holds each text once, no null, and not much more than is used."""
    texts = column.dictionary
    is_lean = len(texts) <= len(column) and not texts.null_count
    return is_lean and bool(pc.count_distinct(texts).as_py() == len(texts))


def _field(name: str, column: Column) -> Column | None:
    """Return the values of a field, ``None`` if there are none."""
    kind = column.type
    if column.null_count == len(column):
        return None
    if pa.types.is_dictionary(kind):
        return _field(name, _cast(name, column, kind.value_type))
    if pa.types.is_floating(kind):
        column = _cast(name, column, pa.float64())
        if not pc.all(pc.is_finite(column)).as_py():
            count = pc.sum(pc.invert(pc.is_finite(column))).as_py()
            raise ValueError(
                f"write_arrow: column {name!r} has {count} values that are NaN or infinite; make them null"
            )
        return column
    if _is_text(kind):
        column = _cast(name, column, pa.string())
        _check_length(name, column)
        return column
    for is_kind, stored in (
        (pa.types.is_signed_integer, pa.int64()),
        (pa.types.is_unsigned_integer, pa.uint64()),
        (pa.types.is_boolean, pa.bool_()),
    ):
        if is_kind(kind):
            return _cast(name, column, stored)
    hint = next((hint for is_kind, hint in HINTS if is_kind(kind)), "")
    raise ValueError(
        f"write_arrow: column {name!r} holds {kind}; a field holds integers, floats, booleans or text{hint}"
    )


def _check_rows(fields: Sequence[Column], count: int) -> None:
    """Refuse rows without any field."""
    if all(column.null_count for column in fields):
        nulls = [column.is_null() for column in fields]
        empty = reduce(pc.and_, nulls) if nulls else pa.array([True] * count)
        found = pc.sum(empty).as_py()
        if found:
            first = pc.index(empty, True).as_py()
            raise ValueError(f"write_arrow: {found} rows have no value in any field; the first is row {first}")


def _check_word(what: str, word: str) -> None:
    if not word or "\n" in word or word.endswith("\\"):
        raise ValueError(f"write_arrow: {word!r} is no {what}; {WORD_RULE}")


def _check_length(name: str, texts: Column) -> None:
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > MOST_STRING_BYTES:
        raise ValueError(f"write_arrow: column {name!r} has a text of {longest} bytes; {MOST_STRING_BYTES} are allowed")


def _cast(name: str, column: Column, kind: pa.DataType) -> Column:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        raise ValueError(f"write_arrow: column {name!r}: {error}") from None


def _one_batch(columns: dict[str, Column]) -> pa.RecordBatch:
    arrays = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(repr, columns)) or "none"
