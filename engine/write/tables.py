"""Databases and tables as commands make, change and delete them; writes make theirs themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.catalog.catalog import Catalog
from engine.catalog.changes import CreateDatabase, DeleteDatabase
from engine.catalog.state import Database
from engine.catalog.tables import DeleteTable, SetRetention
from engine.clock import Clock
from engine.errors import (
    AlreadyDeleted,
    AlreadyExists,
    DatabaseNotFound,
    InternalDatabase,
    InvalidRequest,
    LimitExceeded,
    TableNotFound,
)
from engine.model.retention import HardDelete
from engine.model.schema import TIME_COLUMN, Column, ColumnType
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


@dataclass(frozen=True, slots=True)
class TableRules:
    """What holds for all tables and databases; ``hard_delete_default_ns``: so long after its deletion the data of one goes."""

    ceilings: Ceilings
    hard_delete_default_ns: int


class Tables:
    """Tables and databases as commands change them; each call returns when the change is durable."""

    def __init__(self, catalog: Catalog, schemas: Schemas, wal: Wal, clock: Clock, rules: TableRules) -> None:
        self._rules = rules
        self._room = room_of(rules.ceilings, catalog, schemas)
        self._catalog = catalog
        self._schemas = schemas
        self._wal = wal
        self._clock = clock

    def databases(self, show_deleted: bool) -> list[tuple[str, bool]]:
        """Return (name, deleted) of all databases, live ones first, by name."""
        found = [(d.name, d.is_deleted) for d in self._catalog.state.databases if show_deleted or not d.is_deleted]
        return sorted(found, key=lambda entry: (entry[1], entry[0]))

    def create_database(self, name: str, retention_s: int | None = None) -> None:
        """Make a database whose rows are kept for ``retention_s`` seconds, ``None`` = for ever."""
        self._catalog.apply(CreateDatabase(name, self._rules.ceilings.databases, retention_s))

    def set_retention(self, database: str, retention_s: int | None, table: str | None = None) -> None:
        """Keep the rows of a database, or of one table in it, for ``retention_s`` seconds; ``None``: see ``SetRetention``.

        Raises:
            NotFound: there is no such thing.
            AlreadyDeleted: it was deleted.
        """
        if table is not None:
            owner = self._owner(database)
            if self._schemas.find(owner.database_id, table) is None:
                raise TableNotFound(f"Table {table} not in DB schema for {database}")
        self._catalog.apply(SetRetention(database, retention_s, table))

    def create(
        self,
        database: str,
        table: str,
        tags: Sequence[str],
        fields: Sequence[tuple[str, str]],
        retention_s: int | None = None,
    ) -> None:
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
        _check_changeable(owner)
        if self._schemas.find(owner.database_id, table) is None:
            refusal = self._room.refuses_table() or self._room.refuses_columns(len(columns) - 1)
            if refusal is not None:
                raise LimitExceeded(refusal)
            if retention_s is not None:
                self._catalog.apply(SetRetention(database, retention_s, table))
        try:
            schema = self._schemas.reserve(None, owner.database_id, table, columns)
        except SchemaMoved as there:
            raise AlreadyExists("attempted to create a resource that already exists") from there
        described = tuple((c.name, c.type.short) for c in schema.columns)
        record = SchemaRecord(owner.database_id, schema.table_id, table, 0, described, deleted=False)
        self._wal.append(Entry([record])).result()

    def delete(self, database: str, table: str, hard_delete: HardDelete | int | None = None) -> None:
        """Give a table a name with the time; its rows can be read under it until ``hard_delete`` (``None``: by default).

        For a table that is deleted already: change when its rows go.

        Raises:
            DatabaseNotFound, TableNotFound: there is no such thing.
            AlreadyDeleted: its database was deleted, or it goes at that time anyway.
        """
        owner = self._owner(database)
        schema = self._schemas.find(owner.database_id, table)
        if schema is None:
            raise TableNotFound(f"Table {table} not in DB schema for {database}")
        if schema.is_deleted and hard_delete is None:
            raise AlreadyDeleted(f"attempted to modify resource that was already deleted: {table}")
        taken = frozenset(t.name for t in self._schemas.tables_of(owner.database_id))
        hard_delete_ns = self._hard_delete_ns(hard_delete)
        self._catalog.apply(DeleteTable(database, table, schema.table_id, hard_delete_ns, taken))

    def delete_database(self, database: str, hard_delete: HardDelete | int | None = None) -> None:
        """Give a database a name with the time; it can be read under it until ``hard_delete`` (``None``: by default).

        For a database that is deleted already: change when its data goes.

        Raises:
            NotFound: there is no such database.
            AlreadyDeleted: it goes at that time anyway.
        """
        owner = self._catalog.state.database(database)
        if owner is not None and owner.is_deleted and hard_delete is None:
            raise AlreadyDeleted(f"attempted to modify resource that was already deleted: {database}")
        self._catalog.apply(DeleteDatabase(database, self._hard_delete_ns(hard_delete)))

    def _made_database(self, name: str) -> Database | None:
        return self._catalog.apply(CreateDatabase(name, self._rules.ceilings.databases)).database(name)

    def _hard_delete_ns(self, wanted: HardDelete | int | None) -> int | None:
        now_ns = self._clock.now_ns()
        match wanted:
            case HardDelete.NEVER:
                return None
            case HardDelete.NOW:
                return now_ns
            case HardDelete.DEFAULT | None:
                return now_ns + self._rules.hard_delete_default_ns
            case time_ns:
                return max(time_ns, now_ns)

    def _owner(self, database: str) -> Database:
        owner = self._catalog.state.database(database)
        if owner is None:
            raise DatabaseNotFound(f"Database not found {database}")
        _check_changeable(owner)
        return owner


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


def _check_changeable(database: Database) -> None:
    if database.is_internal:
        raise InternalDatabase("cannot modify internal db")
    if database.is_deleted:
        raise AlreadyDeleted(f"attempted to modify resource that was already deleted: {database.name}")
