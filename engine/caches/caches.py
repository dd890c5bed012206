"""All caches of a node: fed by the log, defined by the catalog, kept on disk between snapshots."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from engine.caches.files import SavedCache, decode_cache, encode_cache
from engine.caches.live import CachePorts, Fill, LiveCache
from engine.catalog.state import CatalogState, Database
from engine.clock import Clock
from engine.disk import Disk, make_durable_folder, replace_file
from engine.errors import ManifestCorrupt
from engine.model.caches import CacheDefinition, CacheKind, LastCache
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.wal.format import SchemaRecord, payloads_of
from engine.wal.ports import DurableRecord, RowsBlock
from engine.wal.replay import LogPart
from engine.wal.segments import is_whole

logger = logging.getLogger(__name__)

_GATHER_S = 0.05
"""So long what came is left to wait for company, unless somebody looks."""


class TableFinder(Protocol):
    """Knows the tables."""

    def find(self, database_id: int, name: str) -> TableSchema | None:
        """Return the newest schema of a table, ``None`` where the database has no such table."""

    def by_id(self, table_id: int) -> TableSchema | None:
        """Return the newest schema of a table, ``None`` where it was deleted or never was."""


@dataclass(frozen=True, slots=True)
class CachesConfig:
    """How caches are kept; ``…_evict_s``: how often what has expired is let go of."""

    last_evict_s: float
    distinct_evict_s: float
    most_rows: int


@dataclass(frozen=True, slots=True)
class CacheSize:
    """How large a cache is."""

    database: str
    definition: CacheDefinition
    row_count: int
    size_bytes: int


class Caches:
    """Holds the content of all caches.

    ``on_replayed`` takes what the log held at the start, ``on_durable`` the records that have just become durable (port
    ``FlushObserver``), in their order.
    """

    def __init__(self, disk: Disk, paths: NodePaths, clock: Clock, tables: TableFinder, config: CachesConfig) -> None:
        self._disk = disk
        self._folder = paths.caches
        self._clock = clock
        self._tables = tables
        self._config = config
        self._stored_rows: Fill = lambda schema, since_ns: iter(())
        self._lock = threading.Lock()
        self._live: dict[int, tuple[Database, LiveCache]] = {}
        self._of_table: dict[int, tuple[LiveCache, ...]] = {}
        self._found: dict[int, SavedCache] = {}
        self._replayed: dict[int, list[RowsBlock]] = {}
        self._position = 0
        self._next_evict_ns: dict[bool, int] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # ---- start

    def recover(self, log: Path, stored_until: int) -> int:
        """Read the files; return behind which position the log in the folder ``log`` is to be replayed.

        All else needs it behind ``stored_until``.
        """
        if not self._disk.exists(self._folder):
            return stored_until
        self._read_files()
        after = min([stored_until, *(saved.head.position for saved in self._found.values())])
        if after < stored_until and not is_whole(self._disk, log, after):
            after = stored_until
            for cache_id in [c for c, saved in self._found.items() if saved.head.position < after]:
                logger.warning("log gone before it was in a cache, which is filled from stored rows id=%d", cache_id)
                del self._found[cache_id]
        self._replayed = {saved.head.table_id: [] for saved in self._found.values()}
        return after

    def start(self, state: CatalogState, stored_rows: Fill, next_position: int) -> None:
        """Begin with the caches of ``state``, of which the log was replayed up to before ``next_position``."""
        self._stored_rows = stored_rows
        self._position = next_position - 1
        now_ns = self._clock.now_ns()
        for database, definition in _definitions(state):
            live = self._opened(database, definition)
            if live is not None:
                self._restore(live, now_ns)
        for cache_id in self._found.keys() - self._live.keys():
            self._remove_file(cache_id)
        self._found, self._replayed = {}, {}
        self._next_evict_ns = {}

    def run(self) -> None:
        """Sort in and evict in the background from now on."""
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="caches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when nothing happens in the background any more."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    # ---- what happens

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """Take over records of the log in their order (port ``FlushObserver``)."""
        if self._of_table:
            self._push(records)
        if records:
            self._position = records[-1].position

    def on_replayed(self, part: LogPart) -> None:
        """Take over what a replay found, for the caches that ``recover`` found files of."""
        for block in part.rows:
            noted = self._replayed.get(block.table_id)
            if noted is not None:
                noted.append(block)
        self._position = part.last_position

    def on_catalog(self, old: CatalogState, new: CatalogState) -> None:
        """Follow a change of the definitions."""
        if all(not d.caches for d in (*old.databases, *new.databases)):
            return
        wanted = {definition.cache_id: (d, definition) for d, definition in _definitions(new)}
        for cache_id in self._live.keys() - wanted.keys():
            self._close(cache_id)
        for cache_id, (database, definition) in wanted.items():
            known = self._live.get(cache_id)
            if known is not None and known[1].definition.columns != definition.columns:
                self._close(cache_id)
                known = None
            if known is None:
                live = self._opened(database, definition)
                if live is not None:
                    self._save(live)
            elif known[1].definition != definition:
                known[1].adopt(definition)
                self._live[cache_id] = (database, known[1])

    def read(self, cache: CacheDefinition, oldest_ns: int | None = None) -> pa.Table | None:
        """Return what ``cache`` says now, of rows from ``oldest_ns`` on; ``None`` if its table is not there."""
        known = self._live.get(cache.cache_id)
        return None if known is None else known[1].read(self._clock.now_ns(), oldest_ns)

    def tick(self) -> None:
        """Sort in what waits; let go of what has expired, when it is time for that."""
        now_ns = self._clock.monotonic_ns()
        for _, live in list(self._live.values()):
            is_last = isinstance(live.definition, LastCache)
            due_ns = self._next_evict_ns.get(is_last)
            if due_ns is None or now_ns < due_ns:
                live.settle(self._clock.now_ns())
            else:
                live.evict(self._clock.now_ns())
        for is_last, every_s in ((True, self._config.last_evict_s), (False, self._config.distinct_evict_s)):
            if now_ns >= self._next_evict_ns.get(is_last, now_ns):
                self._next_evict_ns[is_last] = now_ns + int(every_s * NS_PER_SECOND)

    def save(self) -> None:
        """Write all content to the disk, so that the log need not hold it; what fails is tried again next time."""
        for _, live in list(self._live.values()):
            self._save(live)

    def sizes(self) -> list[CacheSize]:
        """Return how large each cache is."""
        return [CacheSize(d.name, c.definition, c.row_count, c.size_bytes) for d, c in list(self._live.values())]

    @property
    def position(self) -> int:
        """Return the position of the last record that was taken over."""
        return self._position

    # ---- inside

    def _read_files(self) -> None:
        for name in self._disk.list_folder(self._folder):
            path = self._folder / name
            if not name.isdigit():
                self._disk.remove(path)  # written aside, and not finished
                continue
            try:
                saved = decode_cache(self._disk.read(path), str(path))
            except ManifestCorrupt as damage:
                logger.warning("cache content lost, it is filled from stored rows: %s", damage)
                continue
            self._found[saved.head.cache_id] = saved

    def _push(self, records: Sequence[DurableRecord]) -> None:
        now_ns = self._clock.now_ns()
        came = False
        for durable in records:
            record = durable.record
            if isinstance(record, SchemaRecord):
                if record.deleted and record.table_id in self._of_table:
                    self._drop_table(record.table_id)
                continue
            for rows in payloads_of(record):
                for live in self._of_table.get(rows.table_id, ()):
                    live.push(rows, now_ns)
                    came = True
        if came and not self._wake.is_set():
            self._wake.set()

    def _opened(self, database: Database, definition: CacheDefinition) -> LiveCache | None:
        schema = self._tables.find(database.database_id, definition.table)
        if schema is None or any(schema.type_of(name) is None for name in definition.key_columns):
            logger.warning("cache has no table or column table=%s cache=%s", definition.table, definition.name)
            return None
        ports = CachePorts(self._tables.by_id, self._stored_rows, self._config.most_rows)
        live = LiveCache(definition, schema, ports)
        with self._lock:
            self._live[definition.cache_id] = (database, live)
            of_table = (*self._of_table.get(schema.table_id, ()), live)
            self._of_table = {**self._of_table, schema.table_id: of_table}
        return live

    def _restore(self, live: LiveCache, now_ns: int) -> None:
        saved = self._found.get(live.definition.cache_id)
        fits = saved is not None and saved.head.table_id == live.table_id
        if saved is None or not fits or (saved.head.key_columns, saved.head.value_columns) != live.definition.columns:
            live.is_complete = False
            return
        later = [block.behind(saved.head.position) for block in self._replayed[live.table_id]]
        live.restore(saved, later, now_ns)

    def _close(self, cache_id: int) -> None:
        with self._lock:
            left = {
                t: tuple(c for c in of_table if c.definition.cache_id != cache_id)
                for t, of_table in self._of_table.items()
            }
            self._of_table = {table_id: of_table for table_id, of_table in left.items() if of_table}
            self._live.pop(cache_id, None)
        self._remove_file(cache_id)

    def _drop_table(self, table_id: int) -> None:
        """Forget the caches of a table that was deleted; the catalog takes their definitions out itself."""
        with self._lock:
            gone = {live.definition.cache_id for live in self._of_table[table_id]}
            self._of_table = {t: caches for t, caches in self._of_table.items() if t != table_id}
            self._live = {cache_id: known for cache_id, known in self._live.items() if cache_id not in gone}

    def _save(self, live: LiveCache) -> None:
        saved = live.save(self._position, self._clock.now_ns())
        if saved is None:
            return
        try:
            make_durable_folder(self._disk, self._folder)
            replace_file(self._disk, self._folder / str(live.definition.cache_id), encode_cache(saved))
        except OSError:
            logger.exception("cache content not saved; if it is needed it is filled from stored rows")

    def _remove_file(self, cache_id: int) -> None:
        path = self._folder / str(cache_id)
        try:
            if self._disk.exists(path):
                self._disk.remove(path)
        except OSError:
            logger.exception("file of a deleted cache not removed file=%s", path)

    def _run(self) -> None:
        longest_s = min(self._config.last_evict_s, self._config.distinct_evict_s)
        while not self._stopping.is_set():
            self._wake.wait(longest_s)
            self._stopping.wait(_GATHER_S)
            self._wake.clear()
            try:
                self.tick()
            except Exception:
                logger.exception("caches are not up to date; it is tried again")


def _definitions(state: CatalogState) -> Iterable[tuple[Database, CacheDefinition]]:
    return ((d, c) for d in state.databases if not d.is_deleted for c in d.caches)


def find_cache(database: Database, kind: CacheKind, table: str, name: str | None) -> CacheDefinition | None:
    """Return the cache of a table called ``name``, or (``None``) the only one of the kind that the table has."""
    of_table = database.caches_of(table, kind)
    if name is None:
        return of_table[0] if len(of_table) == 1 else None
    return next((cache for cache in of_table if cache.name == name), None)
