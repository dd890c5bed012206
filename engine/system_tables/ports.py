"""What system tables are made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from engine.catalog.state import CatalogState, Database
from engine.model.backfill import BackfillStatus
from engine.model.progress import Lag
from engine.model.queries import QueryRecord
from engine.storage.state import CacheValue


@dataclass(frozen=True, slots=True)
class PluginFile:
    """One file of a plugin on disk; ``last_modified_ms`` since the epoch.

    Attributes:
        content_hash: SHA-256 of the file, ``plugin_hash`` that of the plugin as a whole.
        loaded_ns: when the plugin, as it is now, was first run since the start; ``None`` = not yet.
        problem: why the file does not compile; ``None`` if it does.
    """

    file_name: str
    file_path: str
    size_bytes: int
    last_modified_ms: int
    content_hash: str
    plugin_hash: str
    loaded_ns: int | None
    entry_points: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One Parquet file of a table; times are of its rows, in ns."""

    path: str
    size_bytes: int
    row_count: int
    min_time: int
    max_time: int


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table, its columns as (name, InfluxDB's type word) and its Parquet files; whether it or its database was deleted."""

    name: str
    columns: tuple[tuple[str, str], ...]
    files: tuple[StoredFile, ...]
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What this server was started as.

    Attributes:
        started_ns: when, since the epoch.
        settings_json: its settings by the names of their options, as a JSON object without what is secret.
    """

    node_id: str
    core_count: int
    started_ns: int
    gen1_duration_ns: int
    settings_json: str


class SystemSources(Protocol):
    """Where the rows of system tables come from."""

    def catalog(self) -> CatalogState:
        """Return the catalog's state."""

    def internal_rows(self, table: str, database: str | None, columns: Sequence[str] | None = None) -> pa.Table | None:
        """Return the rows of a table of ``_internal`` about ``database`` (``None``: any), with ``columns`` (``None``: all).

        ``None`` if there is no such table.
        """

    def plugin_files(self, plugin_filename: str) -> Sequence[PluginFile]:
        """Return the files of a plugin, none if it is not there."""

    def plugin_problem(self, plugin_filename: str) -> str | None:
        """Return why a plugin cannot be run, ``None`` if it can or nothing runs here."""

    def next_due(self, trigger_id: int) -> int | None:
        """Return when a schedule trigger is due next, in ns; ``None`` for one that is off or over, and for other kinds."""

    def lag(self, trigger_id: int) -> Lag | None:
        """Return how far a write trigger is behind; ``None`` for one that is off, and for other kinds."""

    def cache_values(self, database: Database) -> Iterable[CacheValue]:
        """Return what the caches of the triggers of ``database``, and the global one, hold."""

    def backfills(self, database: Database) -> Sequence[BackfillStatus]:
        """Return the backfills of a database that go on."""

    def internal_retention_ns(self) -> int:
        """Return how long what happened is kept, in ``_internal``."""

    def stored_tables(self, database_id: int) -> Sequence[StoredTable]:
        """Return the tables of a database."""

    def queries(self, database_id: int) -> Sequence[QueryRecord]:
        """Return the last queries of a database, the oldest first."""

    def node(self) -> NodeFacts:
        """Return what this server was started as."""
