"""Column types as Arrow types, and table schemas as Arrow schemas."""

from functools import lru_cache

import pyarrow as pa

from engine.model.schema import Column, ColumnType, TableSchema

TAG_TYPE = pa.dictionary(pa.int32(), pa.string())

ARROW: dict[ColumnType, pa.DataType] = {
    ColumnType.TAG: TAG_TYPE,
    ColumnType.TIME: pa.timestamp("ns"),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.UINTEGER: pa.uint64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
}


TYPE_KEY = b"iox::column::type"
"""Under this the metadata of a field says what InfluxDB calls the type of its column."""


def arrow_field(column: Column) -> pa.Field:
    """Return the Arrow field of ``column``: nullable unless it is the time, with InfluxDB's type name as metadata."""
    return pa.field(
        column.name,
        ARROW[column.type],
        nullable=column.type is not ColumnType.TIME,
        metadata={TYPE_KEY: column.type.value},
    )


def with_true_type(field: pa.Field) -> pa.Field:
    """Return ``field`` without InfluxDB's name of a type which it has no more: the metadata of a column outlives a cast.

    Clients read values by that name. Of a time that became a number one of them makes a time once more.
    """
    metadata = field.metadata or {}
    name = metadata.get(TYPE_KEY)
    if name is None or _is_named_right(field.type, name.decode()):
        return field
    return field.with_metadata({key: value for key, value in metadata.items() if key != TYPE_KEY})


def _is_named_right(type_: pa.DataType, name: str) -> bool:
    if name == ColumnType.TAG.value:
        return type_ in (TAG_TYPE, pa.string())
    if name == ColumnType.TIME.value:
        return bool(pa.types.is_timestamp(type_)) and type_.unit == "ns"
    return any(type_ == ARROW[kind] for kind in ColumnType if kind.value == name)


@lru_cache(maxsize=4096)
def storage_schema(table: TableSchema) -> pa.Schema:
    """Return the Arrow schema of rows as they are stored: columns in the table's own order.

    It is made once: each write and each read of a small batch needs it.
    """
    return pa.schema([arrow_field(c) for c in table.columns])


@lru_cache(maxsize=4096)
def query_schema(table: TableSchema) -> pa.Schema:
    """Return the Arrow schema that queries see: columns in the order of their names' bytes. It is made once."""
    ordered = sorted(table.columns, key=lambda c: c.name.encode())
    return pa.schema([arrow_field(c) for c in ordered], metadata={"iox::measurement::name": table.name})
