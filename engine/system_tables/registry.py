"""Which system tables there are, and in which databases."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from engine.catalog.state import Database
from engine.system_tables import (
    backfills,
    dead_letters,
    node,
    processing_engine,
    queries,
    storage,
    tokens,
    trigger_state,
)
from engine.system_tables.ports import SystemSources


@dataclass(frozen=True, slots=True)
class SystemTable:
    """One system table; ``only_internal`` ones are seen from the database ``_internal`` alone."""

    name: str
    schema: pa.Schema
    read: Callable[[SystemSources, Database], pa.Table]
    only_internal: bool = False


SYSTEM_TABLES = (
    SystemTable("databases", storage.DATABASES, storage.databases, only_internal=True),
    SystemTable("distinct_caches", storage.DISTINCT_CACHES, storage.distinct_caches),
    SystemTable("generation_durations", node.GENERATION_DURATIONS, node.generation_durations, only_internal=True),
    SystemTable("influxdb_schema", storage.INFLUXDB_SCHEMA, storage.influxdb_schema),
    SystemTable("last_caches", storage.LAST_CACHES, storage.last_caches),
    SystemTable("nodes", node.NODES, node.nodes, only_internal=True),
    SystemTable("parquet_files", storage.PARQUET_FILES, storage.parquet_files),
    SystemTable("plugin_files", processing_engine.PLUGIN_FILES, processing_engine.plugin_files, only_internal=True),
    SystemTable("processing_engine_cache_state", processing_engine.CACHE_STATE, processing_engine.cache_state),
    SystemTable("processing_engine_backfills", backfills.BACKFILLS, backfills.backfills),
    SystemTable("processing_engine_dead_letters", dead_letters.DEAD_LETTERS, dead_letters.dead_letters),
    SystemTable("processing_engine_logs", processing_engine.LOGS, processing_engine.logs),
    SystemTable("processing_engine_runs", processing_engine.RUNS, processing_engine.runs),
    SystemTable("processing_engine_trigger_arguments", processing_engine.ARGUMENTS, processing_engine.arguments),
    SystemTable("processing_engine_trigger_state", trigger_state.TRIGGER_STATE, trigger_state.trigger_state),
    SystemTable("processing_engine_triggers", processing_engine.TRIGGERS, processing_engine.triggers),
    SystemTable("queries", queries.QUERIES, queries.queries),
    SystemTable("tables", storage.TABLES, storage.tables, only_internal=True),
    SystemTable("tokens", tokens.TOKENS, tokens.tokens, only_internal=True),
)


_OF_INTERNAL = {table.name: table for table in SYSTEM_TABLES}
_OF_OTHERS = {table.name: table for table in SYSTEM_TABLES if not table.only_internal}


class DatabaseSystemTables:
    """The system tables that queries of one database see."""

    def __init__(self, sources: SystemSources, database: Database) -> None:
        self._sources = sources
        self._database = database
        self._tables = _OF_INTERNAL if database.is_internal else _OF_OTHERS

    def names(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return sorted(self._tables)

    def schema(self, name: str) -> pa.Schema:
        """Return the columns of the table ``name``, which is one of ``names``."""
        return self._tables[name].schema

    def read(self, name: str) -> pa.Table:
        """Return the rows of the table ``name``, which is one of ``names``."""
        return self._tables[name].read(self._sources, self._database)
