"""Columns → lines, for people to read; the reverse of ``columnar``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from engine.columns.rows import column_values
from engine.lineprotocol.escape import escape_measurement, escape_name, quote_string
from engine.model.schema import ColumnType

VALUE_TEXTS: dict[ColumnType, Callable[[Any], str]] = {
    ColumnType.TAG: escape_name,
    ColumnType.INTEGER: "{}i".format,
    ColumnType.UINTEGER: "{}u".format,
    ColumnType.FLOAT: repr,
    ColumnType.STRING: quote_string,
    ColumnType.BOOLEAN: lambda value: "t" if value else "f",
}


def lines_of(table: str, kinds: Mapping[str, ColumnType], batch: pa.RecordBatch) -> Iterator[str]:
    """Yield a line for each row, without what is null; ``kinds`` says what each column of ``batch`` holds."""
    start = escape_measurement(table)
    values = {name: column_values(column) for name, column in zip(kinds, batch.columns, strict=True)}
    texts = {name: _texts(name, kind, values[name]) for name, kind in kinds.items() if kind is not ColumnType.TIME}
    tags = [texts[name] for name, kind in kinds.items() if kind is ColumnType.TAG]
    fields = [texts[name] for name, kind in kinds.items() if kind not in (ColumnType.TAG, ColumnType.TIME)]
    times = next((values[name] for name, kind in kinds.items() if kind is ColumnType.TIME), None)
    for number in range(batch.num_rows):
        series = ",".join([start, *(column[number] for column in tags if column[number])])
        set_fields = ",".join(column[number] for column in fields if column[number])
        yield f"{series} {set_fields}" if times is None else f"{series} {set_fields} {times[number]}"


def _texts(name: str, kind: ColumnType, values: list[Any]) -> list[str]:
    """Return ``key=value`` for each of ``values``, nothing for nulls."""
    key, text = escape_name(name), VALUE_TEXTS[kind]
    return ["" if value is None else f"{key}={text(value)}" for value in values]
