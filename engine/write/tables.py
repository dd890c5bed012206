"""Makes and drops tables by command; writes make theirs themselves."""

from collections.abc import Sequence

from engine.catalog.catalog import Catalog
from engine.catalog.changes import CreateDatabase, DeleteDatabase, DropCaches
from engine.catalog.state import Database
from engine.errors import (
    AlreadyExists,
    DatabaseNotFound,
    EngineError,
    InternalDatabase,
    InvalidRequest,
    LimitExceeded,
    TableNotFound,
)
from engine.model.schema import TIME_COLUMN, Column, ColumnType, TableSchema
from engine.storage.schemas import SchemaMoved, Schemas
from engine.wal.format import SchemaRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal
from engine.write.ceilings import Ceilings, room_of
from engine.write.validator import RESERVED

FIELD_TYPES = {
    "utf8": ColumnType.STRING,
    "int64": ColumnType.INTEGER,
    "uint64": ColumnType.UINTEGER,
    "float64": ColumnType.FLOAT,
    "bool": ColumnType.BOOLEAN,
}
"""The words of requests for types of fields."""


class Tables:
    """Tables and databases as commands change them; each call returns when the change is durable."""

    def __init__(self, catalog: Catalog, schemas: Schemas, wal: Wal, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._room = room_of(ceilings, catalog, schemas)
        self._catalog = catalog
        self._schemas = schemas
        self._wal = wal

    def databases(self, show_deleted: bool) -> list[tuple[str, bool]]:
        """Return (name, deleted) of all databases, live ones first, by name."""
        found = [(d.name, d.is_deleted) for d in self._catalog.state.databases if show_deleted or not d.is_deleted]
        return sorted(found, key=lambda entry: (entry[1], entry[0]))

    def create_database(self, name: str) -> None:
        """Make a database."""
        self._catalog.apply(CreateDatabase(name, self._ceilings.databases))

    def create(self, database: str, table: str, tags: Sequence[str], fields: Sequence[tuple[str, str]]) -> None:
        """Make an empty table; the database too, if it is missing (server-api §3.4).

        Raises:
            AlreadyExists: the table is there.
            InvalidRequest: a column is reserved or named twice, or its type is unknown.
            LimitExceeded: there are as many databases, tables or columns as there may be.
        """
        if not table:
            raise InvalidRequest("table name cannot be empty")
        columns = table_columns(tags, fields)
        owner = self._catalog.state.database(database) or self._made_database(database)
        if owner is None:
            raise DatabaseNotFound(f"Database not found {database}")
        _check_own(owner)
        if self._schemas.find(owner.database_id, table) is None:
            refusal = self._room.refuses_table() or self._room.refuses_columns(len(columns) - 1)
            if refusal is not None:
                raise LimitExceeded(refusal)
        try:
            schema = self._schemas.reserve(None, owner.database_id, table, columns)
        except SchemaMoved as there:
            raise AlreadyExists("attempted to create a resource that already exists") from there
        described = tuple((c.name, c.type.short) for c in schema.columns)
        record = SchemaRecord(owner.database_id, schema.table_id, table, 0, described, deleted=False)
        self._wal.append(Entry([record])).result()

    def delete(self, database: str, table: str) -> None:
        """Drop a table and its rows.

        Raises:
            DatabaseNotFound, TableNotFound: there is no such thing.
        """
        owner = self._catalog.state.database(database)
        if owner is None:
            raise DatabaseNotFound(f"Database not found {database}")
        _check_own(owner)
        schema = self._schemas.find(owner.database_id, table)
        if schema is None:
            raise TableNotFound(f"Table {table} not in DB schema for {database}")
        self._catalog.apply(DropCaches(database, table))
        self._drop(schema)

    def delete_database(self, database: str) -> None:
        """Mark a database deleted, and drop its tables.

        Raises:
            NotFound: there is no such database.
        """
        owner = self._catalog.state.database(database)
        self._catalog.apply(DeleteDatabase(database))
        for schema in self._schemas.tables_of(owner.database_id) if owner else []:
            self._drop(schema)

    def _made_database(self, name: str) -> Database | None:
        return self._catalog.apply(CreateDatabase(name, self._ceilings.databases)).database(name)

    def _drop(self, schema: TableSchema) -> None:
        self._schemas.hide(schema)
        record = SchemaRecord(schema.database_id, schema.table_id, schema.name, schema.version, (), deleted=True)
        try:
            self._wal.append(Entry([record])).result()
        except EngineError:
            self._schemas.show_again(schema)
            raise


def table_columns(tags: Sequence[str], fields: Sequence[tuple[str, str]]) -> list[Column]:
    """Return the columns of a new table, the time last.

    Raises:
        InvalidRequest: a column is reserved or named twice, or its type is unknown.
    """
    unknown = [word for _, word in fields if word not in FIELD_TYPES]
    if unknown:
        raise InvalidRequest(f"{unknown[0]} is not a valid data type, values are {', '.join(FIELD_TYPES)}")
    columns: dict[str, Column] = {}
    for name, kind in [*((tag, ColumnType.TAG) for tag in tags), *((name, FIELD_TYPES[word]) for name, word in fields)]:
        if name in RESERVED:
            raise InvalidRequest(f"'{name}' is a reserved column")
        if name in columns:
            known = columns[name].type.value
            raise InvalidRequest(f"cannot add column {name} because it already exists with type {known}")
        columns[name] = Column(name, kind)
    return [*columns.values(), Column(TIME_COLUMN, ColumnType.TIME)]


def _check_own(database: Database) -> None:
    if database.is_internal:
        raise InternalDatabase("cannot modify internal db")
