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


def arrow_field(column: Column) -> pa.Field:
    """Return the Arrow field of ``column``: nullable unless it is the time, with InfluxDB's type name as metadata."""
    return pa.field(
        column.name,
        ARROW[column.type],
        nullable=column.type is not ColumnType.TIME,
        metadata={"iox::column::type": column.type.value},
    )


@lru_cache(maxsize=4096)
def _storage_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Make a schema once: each write and each read of a small batch needs it."""
    return pa.schema([arrow_field(c) for c in columns])


def storage_schema(table: TableSchema) -> pa.Schema:
    """Return the Arrow schema of rows as they are stored: columns in the table's own order."""
    return _storage_schema(table.columns)


def query_schema(table: TableSchema) -> pa.Schema:
    """Return the Arrow schema that queries see: columns in the order of their names' bytes."""
    ordered = sorted(table.columns, key=lambda c: c.name.encode())
    return pa.schema([arrow_field(c) for c in ordered], metadata={"iox::measurement::name": table.name})
