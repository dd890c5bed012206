"""Lets the data of what was deleted go when its time has come, and later what the catalog says of it."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.catalog.catalog import Catalog
from engine.catalog.changes import ForgetDatabase
from engine.catalog.state import CatalogState, Database, TableEntry
from engine.catalog.tables import ForgetTable
from engine.clock import Clock
from engine.errors import EngineError
from engine.model.schema import TableSchema
from engine.storage.store import Store
from engine.wal.format import SchemaRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """What has to go: the data of tables, and entries of the catalog of which no data is left."""

    tables: tuple[TableSchema, ...] = ()
    entries: tuple[ForgetDatabase | ForgetTable, ...] = ()


def decide(state: CatalogState, tables: Iterable[TableSchema], now_ns: int, grace_ns: int) -> Due:
    """Return what is due at ``now_ns``; ``tables`` are those that have data, entries stay ``grace_ns`` longer."""
    gone = {d.database_id for d in state.databases if _is_due(d, now_ns)}
    gone_tables = {t.table_id for d in state.databases for t in d.tables if _is_due(t, now_ns)}
    present = list(tables)
    with_data = {s.database_id for s in present}
    there = {s.table_id for s in present}
    databases = [
        ForgetDatabase(d.database_id)
        for d in state.databases
        if _is_due(d, now_ns - grace_ns) and d.database_id not in with_data
    ]
    entries = [
        ForgetTable(d.database_id, t.table_id)
        for d in state.databases
        for t in d.tables
        if _is_due(t, now_ns - grace_ns) and t.table_id not in there
    ]
    due = tuple(s for s in present if s.database_id in gone or s.table_id in gone_tables)
    return Due(due, (*entries, *databases))


class HardDeletions:
    """Hard deletion: ``tick`` looks for what is due, also after a time in which no server ran.

    First the log says that a table is gone, then a snapshot names its files no more, then they are removed; the entry
    of the catalog goes last, when log and files hold none of its data.

    Args:
        store_away: makes a snapshot.
        grace_ns: so much later than the data its entry goes.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        wal: Wal,
        clock: Clock,
        store_away: Callable[[], None],
        *,
        grace_ns: int,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._schemas = store.schemas
        self._wal = wal
        self._clock = clock
        self._grace_ns = grace_ns
        self._store_away = store_away
        self._is_stored: bool | None = None

    def tick(self) -> None:
        """Let go of what is due; what fails is tried again with the next call.

        Raises:
            EngineError, OSError: the disk does not take it.
        """
        state, now_ns = self._catalog.state, self._clock.now_ns()
        if self._is_stored is None:
            self._is_stored = not self._store.has_orphaned_files()
        if self._is_stored and not any(_is_due(d, now_ns) or _has_due(d, now_ns) for d in state.databases):
            return
        due = decide(state, self._schemas.all_tables(), now_ns, self._grace_ns)
        for schema in due.tables:
            self._is_stored = False
            self._drop(schema)
        if not self._is_stored:
            self._store_away()
            self._is_stored = True
        for change in due.entries:
            self._catalog.apply(change)

    def _drop(self, schema: TableSchema) -> None:
        self._schemas.hide(schema)
        record = SchemaRecord(schema.database_id, schema.table_id, schema.name, schema.version, (), deleted=True)
        try:
            self._wal.append(Entry([record])).result()
        except EngineError:
            self._schemas.show_again(schema)
            raise
        logger.info("data of a deleted table goes: table=%s id=%d", schema.name, schema.table_id)


def _has_due(database: Database, now_ns: int) -> bool:
    return any(_is_due(table, now_ns) for table in database.tables)


def _is_due(entry: Database | TableEntry, now_ns: int) -> bool:
    return entry.is_deleted and entry.hard_delete_ns is not None and entry.hard_delete_ns <= now_ns
