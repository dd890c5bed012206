"""Reads what system tables show from catalog and storage."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import pyarrow as pa

from engine.catalog.catalog import Catalog
from engine.catalog.state import INTERNAL_DATABASE, CatalogState, Database
from engine.columns import compute as pc
from engine.columns.types import storage_schema
from engine.model.backfill import BackfillStatus
from engine.model.progress import Lag
from engine.model.queries import QueryRecord
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.storage.objects import each_file
from engine.storage.ranges import Ranges, outside
from engine.storage.state import CacheValue
from engine.storage.store import Store
from engine.system_tables.ports import NodeFacts, PluginFile, StoredFile, StoredTable


class RunningEngine(Protocol):
    """What only the engine as a whole knows; see the methods of ``SystemSources``."""

    def plugin_files(self, plugin_filename: str) -> Sequence[PluginFile]:
        """See ``SystemSources``."""

    def plugin_problem(self, plugin_filename: str) -> str | None:
        """See ``SystemSources``."""

    def trigger_lag(self, trigger_id: int) -> Lag | None:
        """See ``SystemSources.lag``."""

    def next_due(self, trigger_id: int) -> int | None:
        """See ``SystemSources``."""

    def backfills(self, database: Database) -> Sequence[BackfillStatus]:
        """See ``SystemSources``."""

    def cache_values(self, database: Database) -> Iterable[CacheValue]:
        """See ``SystemSources``."""


@dataclass(frozen=True, slots=True)
class NodeSide:
    """What else than catalog and storage is shown; ``queries`` gives those of a database."""

    engine: RunningEngine
    queries: Callable[[int], Sequence[QueryRecord]]
    facts: NodeFacts


class EngineSources:
    """The running engine as the source of system tables (port ``SystemSources``)."""

    def __init__(
        self, catalog: Catalog, store: Store, paths: NodePaths, node: NodeSide, internal_retention_ns: int
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._paths = paths
        self._engine = node.engine
        self._node = node
        self._internal_retention_ns = internal_retention_ns

    def catalog(self) -> CatalogState:
        """See ``SystemSources``."""
        return self._catalog.state

    def internal_rows(self, table: str, database: str | None, columns: Sequence[str] | None = None) -> pa.Table | None:
        """See ``SystemSources``."""
        internal = self._catalog.state.database(INTERNAL_DATABASE)
        schema = self._store.schemas.find(internal.database_id, table) if internal else None
        if schema is None:
            return None
        import pyarrow.dataset as ds  # 4 MB that a server whose system tables nobody reads does without

        wanted = None if database is None else pc.field("database_name") == database
        view = self._store.view(schema)
        try:
            arrow = storage_schema(view.schema)
            names = arrow.names if columns is None else [name for name in columns if name in arrow.names]
            tables = [
                ds.dataset(place, schema=arrow, format="parquet").to_table(
                    columns=names, filter=_apart(wanted, excluded)
                )
                for place, excluded in chain(
                    ((folder, ()) for folder in view.folders), each_file((), view.partly, view.absent)
                )
            ]
            in_memory = pa.Table.from_batches(view.batches, schema=arrow)
        finally:
            view.release()
        found = in_memory if wanted is None else in_memory.filter(wanted)
        return pa.concat_tables([*tables, found.select(names)])

    def plugin_files(self, plugin_filename: str) -> Sequence[PluginFile]:
        """See ``SystemSources``."""
        return self._engine.plugin_files(plugin_filename)

    def plugin_problem(self, plugin_filename: str) -> str | None:
        """See ``SystemSources``."""
        return self._engine.plugin_problem(plugin_filename)

    def next_due(self, trigger_id: int) -> int | None:
        """See ``SystemSources``."""
        return self._engine.next_due(trigger_id)

    def lag(self, trigger_id: int) -> Lag | None:
        """See ``SystemSources``."""
        return self._engine.trigger_lag(trigger_id)

    def backfills(self, database: Database) -> Sequence[BackfillStatus]:
        """See ``SystemSources``."""
        return self._engine.backfills(database)

    def cache_values(self, database: Database) -> Iterable[CacheValue]:
        """See ``SystemSources``."""
        return self._engine.cache_values(database)

    def internal_retention_ns(self) -> int:
        """See ``SystemSources``."""
        return self._internal_retention_ns

    def queries(self, database_id: int) -> Sequence[QueryRecord]:
        """See ``SystemSources``."""
        return self._node.queries(database_id)

    def node(self) -> NodeFacts:
        """See ``SystemSources``."""
        return self._node.facts

    def stored_tables(self, database_id: int) -> Sequence[StoredTable]:
        """See ``SystemSources``."""
        return [self._stored(schema) for schema in self._store.schemas.tables_of(database_id)]

    def _stored(self, schema: TableSchema) -> StoredTable:
        folder = self._paths.table_folder(schema.table_id)
        files = tuple(
            StoredFile(str(folder / f.name), f.size_bytes, f.live_rows, f.min_time, f.max_time)
            for f in self._store.files(schema.table_id)
        )
        columns = tuple((c.name, c.type.short) for c in schema.columns)
        return StoredTable(schema.name, columns, files, schema.is_deleted)


def _apart(wanted: "pc.Expression | None", excluded: Ranges) -> "pc.Expression | None":
    if not excluded:
        return wanted
    return outside(excluded) if wanted is None else wanted & outside(excluded)
