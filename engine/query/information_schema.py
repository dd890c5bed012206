"""The tables of ``information_schema``, in the product's order and with its types."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa

from engine.query.namespaces import CATALOG, INFORMATION_SCHEMA, SYSTEM_SCHEMA, USER_SCHEMA
from engine.query.ports import SystemTables, TableSource

VIEWS = ("tables", "views", "columns", "df_settings", "schemata", "routines", "parameters")
"""All of them, in the order in which ``SHOW TABLES`` lists them."""

NATIVE_VIEWS = frozenset({"df_settings", "routines", "parameters"})
"""Those that tell of DataFusion, not of the database; DataFusion makes them."""

_SHOWN_FROM = {
    "TABLES": {"tables"},
    "COLUMNS": {"columns"},
    "FIELDS": {"columns"},
    "FULL": {"columns"},
    "EXTENDED": {"columns"},
    "CREATE": {"tables", "views"},
    "FUNCTIONS": {"routines", "parameters"},
}


def _schema(*required: str, **optional: pa.DataType) -> pa.Schema:
    fields = [pa.field(name, pa.string(), nullable=False) for name in required]
    return pa.schema([*fields, *(pa.field(name, type_) for name, type_ in optional.items())])


_TABLE = ("table_catalog", "table_schema", "table_name")
TABLES = _schema(*_TABLE, "table_type")
VIEW_DEFINITIONS = _schema(*_TABLE, definition=pa.string())
SCHEMATA = _schema(
    "catalog_name",
    "schema_name",
    schema_owner=pa.string(),
    default_character_set_catalog=pa.string(),
    default_character_set_schema=pa.string(),
    default_character_set_name=pa.string(),
    sql_path=pa.string(),
)
COLUMNS = pa.schema(
    [
        *_schema(*_TABLE, "column_name"),
        pa.field("ordinal_position", pa.uint64(), nullable=False),
        pa.field("column_default", pa.string()),
        pa.field("is_nullable", pa.string(), nullable=False),
        pa.field("data_type", pa.string(), nullable=False),
        *(
            pa.field(name, pa.uint64())
            for name in (
                "character_maximum_length",
                "character_octet_length",
                "numeric_precision",
                "numeric_precision_radix",
                "numeric_scale",
                "datetime_precision",
            )
        ),
        pa.field("interval_type", pa.string()),
    ]
)


def views_of_show(target: str) -> set[str]:
    """Return the views that ``SHOW <target>`` reads; DataFusion asks for all of them."""
    return _SHOWN_FROM.get(target, {"df_settings"})


class InformationSchema:
    """What ``information_schema`` says of one database."""

    def __init__(self, tables: TableSource, system: SystemTables, type_text: Callable[[pa.DataType], str]) -> None:
        self._tables = tables
        self._system = system
        self._type_text = type_text

    def read(self, view: str) -> pa.Table:
        """Return the rows of ``view``, one of ``VIEWS`` that is not native."""
        makers = {"tables": self._table_rows, "views": self._views, "columns": self._columns, "schemata": _schemata}
        return makers[view]()

    def _names(self) -> list[tuple[str, str]]:
        user, system = sorted(self._tables.table_names()), sorted(self._system.names())
        return [(USER_SCHEMA, name) for name in user] + [(SYSTEM_SCHEMA, name) for name in system]

    def _table_rows(self) -> pa.Table:
        rows = [(CATALOG, schema, name, "BASE TABLE") for schema, name in self._names()]
        return _table_of(TABLES, [*rows, *((CATALOG, INFORMATION_SCHEMA, name, "VIEW") for name in VIEWS)])

    def _views(self) -> pa.Table:
        return _table_of(VIEW_DEFINITIONS, [(CATALOG, schema, name, None) for schema, name in self._names()])

    def _columns(self) -> pa.Table:
        return _table_of(COLUMNS, [row for schema, name in self._names() for row in self._columns_of(schema, name)])

    def _columns_of(self, schema: str, name: str) -> Iterator[tuple[object, ...]]:
        fields = self._tables.table_schema(name) if schema == USER_SCHEMA else self._system.schema(name)
        for position, field in enumerate(fields or ()):
            nullable, type_text = "YES" if field.nullable else "NO", self._type_text(field.type)
            precision, radix, scale = _numeric(field.type)
            place = (CATALOG, schema, name, field.name, position, None, nullable, type_text)
            yield (*place, None, _octets(field.type), precision, radix, scale, None, None)


def _schemata() -> pa.Table:
    return _table_of(SCHEMATA, [(CATALOG, schema, *[None] * 5) for schema in (USER_SCHEMA, SYSTEM_SCHEMA)])


def _octets(type_: pa.DataType) -> int | None:
    return 2**31 - 1 if pa.types.is_string(type_) or pa.types.is_binary(type_) else None


def _numeric(type_: pa.DataType) -> tuple[int | None, int | None, int | None]:
    """Return precision, radix and scale as DataFusion tells them: nothing of 64-bit integers, 24 bits of any float."""
    if pa.types.is_integer(type_) and type_.bit_width < 64:
        return type_.bit_width, 2, None
    if pa.types.is_floating(type_):
        return 24, 2, None
    if pa.types.is_decimal(type_):
        return type_.precision, 10, type_.scale
    return None, None, None


def _table_of(schema: pa.Schema, rows: Sequence[Iterable[object]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
