"""The schemas of all tables: what writers have reserved, and how much of it the log holds."""

import threading
from collections.abc import Callable, Container, Iterable, Sequence

from engine.model.ids import draw_id
from engine.model.schema import Column, ColumnType, TableSchema
from engine.storage.deleted import DeletedTables
from engine.wal.format import SchemaRecord


class SchemaMoved(Exception):
    """Somebody else has extended, created or deleted the table meanwhile: validate again."""


class Schemas:
    """Knows each table by name and by id.

    A writer that needs a table or columns reserves them here, by compare-and-swap, before its rows go to the log. The log's
    writer asks before each group which reserved columns the log lacks, so rows never stand in the log before their schema
    – whoever reserved it, and however often a sync failed in between.
    """

    def __init__(self, draw: Callable[[Container[int]], int] = draw_id) -> None:
        self._lock = threading.Lock()
        self._draw = draw
        self._by_name: dict[tuple[int, str], TableSchema] = {}
        self._by_id: dict[int, TableSchema] = {}
        self._logged: dict[int, int] = {}
        self._unlogged: set[int] = set()
        self._planned: dict[int, int] = {}
        self._hidden: set[int] = set()
        self._deleted = DeletedTables()

    def find(self, database_id: int, name: str) -> TableSchema | None:
        """Return the newest schema of a table, a deleted one too, ``None`` where the database has no such table."""
        return self._by_name.get((database_id, name))

    def by_id(self, table_id: int) -> TableSchema | None:
        """Return the newest schema of a table, ``None`` where its data is gone or never was."""
        return self._by_id.get(table_id)

    def tables_of(self, database_id: int) -> list[TableSchema]:
        """Return the tables of a database in the order of their names."""
        with self._lock:
            found = [schema for (owner, _), schema in self._by_name.items() if owner == database_id]
        return sorted(found, key=lambda schema: schema.name)

    def all_tables(self) -> list[TableSchema]:
        """Return every table of every database, also those that are being deleted."""
        with self._lock:
            return list(self._by_id.values())

    def reserve(self, base: TableSchema | None, database_id: int, name: str, added: Sequence[Column]) -> TableSchema:
        """Add ``added`` to the table that the caller knows as ``base`` (``None``: no such table yet); return the new schema.

        Raises:
            SchemaMoved: the table is not ``base`` any more.
        """
        with self._lock:
            if self._by_name.get((database_id, name)) is not base:
                raise SchemaMoved(name)
            if base is None:
                base = TableSchema(database_id, self._draw(self._by_id), name, ())
            schema = self._put(base.with_columns(added))
            self._unlogged.add(schema.table_id)
            return schema

    def hide(self, schema: TableSchema) -> None:
        """Free the name of a table whose data goes; its rows go when the log's record is durable."""
        with self._lock:
            self._hidden.add(schema.table_id)
            self._free_name(schema.table_id)

    def show_again(self, schema: TableSchema) -> None:
        """Undo ``hide`` after a failed sync, unless the name was taken meanwhile."""
        with self._lock:
            self._hidden.discard(schema.table_id)
            if schema.table_id in self._by_id:
                self._by_name.setdefault((schema.database_id, schema.name), self._by_id[schema.table_id])

    def mark(self, deleted: DeletedTables) -> None:
        """Give deleted tables the names that they have since then; their old names are free."""
        with self._lock:
            if deleted == self._deleted:
                return
            self._deleted = deleted
            self._by_id = {table_id: deleted.marked(schema) for table_id, schema in self._by_id.items()}
            shown = [schema for table_id, schema in self._by_id.items() if table_id not in self._hidden]
            # While the log is replayed a deleted table may still have the name that another has now.
            shown.sort(key=lambda schema: not schema.is_deleted)
            self._by_name = {(schema.database_id, schema.name): schema for schema in shown}

    def before_group(self, entries: Sequence[object]) -> list[SchemaRecord]:
        """Return the schema records that the log lacks (port ``FramePlanner``)."""
        with self._lock:
            self._planned = {table_id: self._by_id[table_id].version for table_id in self._unlogged}
            return [self._record(table_id, version) for table_id, version in self._planned.items()]

    def group_done(self, ok: bool) -> None:
        """Note whether the planned records are durable (port ``FramePlanner``)."""
        with self._lock:
            planned, self._planned = self._planned, {}
            if ok:
                for table_id, version in planned.items():
                    self._note_logged(table_id, version)

    def apply(self, record: SchemaRecord) -> None:
        """Take over a record of the log, when it is replayed or has become durable."""
        with self._lock:
            if record.deleted:
                self._remove(record.table_id)
                return
            known = self._by_id.get(record.table_id)
            if known is None:
                known = TableSchema(record.database_id, record.table_id, record.table_name, ())
            if known.version == record.first_version:
                added = [Column(name, ColumnType.from_short(short)) for name, short in record.columns]
                self._put(known.with_columns(added))
            self._note_logged(record.table_id, record.first_version + len(record.columns))

    def load(self, schemas: Iterable[TableSchema]) -> None:
        """Take over the schemas of a manifest."""
        with self._lock:
            for schema in schemas:
                self._put(schema)
                self._logged[schema.table_id] = schema.version

    def _put(self, schema: TableSchema) -> TableSchema:
        marked = self._deleted.marked(schema)
        self._by_name[marked.database_id, marked.name] = marked
        self._by_id[marked.table_id] = marked
        return marked

    def _free_name(self, table_id: int) -> None:
        schema = self._by_id.get(table_id)
        if schema is not None and self._by_name.get((schema.database_id, schema.name)) is schema:
            del self._by_name[schema.database_id, schema.name]

    def _remove(self, table_id: int) -> None:
        self._free_name(table_id)
        self._by_id.pop(table_id, None)
        self._logged.pop(table_id, None)
        self._unlogged.discard(table_id)
        self._hidden.discard(table_id)

    def _note_logged(self, table_id: int, version: int) -> None:
        self._logged[table_id] = max(version, self._logged.get(table_id, 0))
        schema = self._by_id.get(table_id)
        if schema is not None and schema.version == self._logged[table_id]:
            self._unlogged.discard(table_id)

    def _record(self, table_id: int, version: int) -> SchemaRecord:
        schema = self._by_id[table_id]
        first = self._logged.get(table_id, 0)
        added = tuple((c.name, c.type.short) for c in schema.columns[first:version])
        return SchemaRecord(schema.database_id, table_id, schema.name, first, added, deleted=False)
