"""Makes and deletes caches by command; judges those that somebody writes into the catalog's file."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.caches.caches import Caches, CacheSize, TableFinder
from engine.caches.rules import check_cache, default_name
from engine.catalog.catalog import Catalog
from engine.catalog.changes import CreateCache, DeleteCache
from engine.catalog.state import Database
from engine.clock import Clock
from engine.errors import AlreadyDeleted, DatabaseNotFound, InternalDatabase, InvalidRequest, TableNotFound
from engine.model.caches import (
    DEFAULT_MAX_AGE_S,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_S,
    MOST_COUNT,
    MOST_NUMBER,
    CacheDefinition,
    CacheKind,
    DistinctCache,
    LastCache,
)
from engine.model.schema import TableSchema


@dataclass(frozen=True, slots=True)
class LastRequest:
    """What is asked for; ``None`` = the default: a name from the columns, all tags, all other columns."""

    name: str | None = None
    key_columns: Sequence[str] | None = None
    value_columns: Sequence[str] | None = None
    count: int = 1
    ttl_s: int = DEFAULT_TTL_S


@dataclass(frozen=True, slots=True)
class DistinctRequest:
    """What is asked for; a ``name`` of ``None`` = one from the columns."""

    columns: Sequence[str]
    name: str | None = None
    max_cardinality: int = DEFAULT_MAX_CARDINALITY
    max_age_s: int = DEFAULT_MAX_AGE_S


@dataclass(frozen=True, slots=True)
class CreatedCache:
    """A cache that was made: with its table, at which time, and behind which position of the log it begins."""

    database: Database
    schema: TableSchema
    cache: CacheDefinition
    time_ns: int
    position: int


class CacheDefinitions:
    """Caches as commands change them; each call returns when the change is durable."""

    def __init__(self, catalog: Catalog, tables: TableFinder, caches: Caches, clock: Clock) -> None:
        self._catalog = catalog
        self._tables = tables
        self._caches = caches
        self._clock = clock

    def create_last(self, database: str, table: str, wanted: LastRequest) -> CreatedCache:
        """Make a last-value cache, which begins empty.

        Raises:
            DatabaseNotFound, TableNotFound, InternalDatabase: there is no such table, or none that may have caches.
            InvalidRequest: see ``check_cache``; or the count is not allowed.
            AlreadyExists: the table has a last-value cache of this name.
        """
        home, schema = self._table(database, table)
        if not 1 <= wanted.count <= MOST_COUNT:
            raise InvalidRequest(f"invalid configuration provided: count {wanted.count} is not in 1 to {MOST_COUNT}")
        keys = tuple(schema.tags if wanted.key_columns is None else wanted.key_columns)
        values = None if wanted.value_columns is None else tuple(wanted.value_columns)
        name = default_name(table, keys, "last") if wanted.name is None else wanted.name
        cache = LastCache(0, table, name, keys, values, wanted.count, min(wanted.ttl_s, MOST_NUMBER // 10**9))
        return self._create(home, schema, cache)

    def create_distinct(self, database: str, table: str, wanted: DistinctRequest) -> CreatedCache:
        """Make a distinct-value cache, which begins empty; raises as ``create_last`` does."""
        home, schema = self._table(database, table)
        columns = tuple(wanted.columns)
        name = default_name(table, columns, "distinct") if wanted.name is None else wanted.name
        most = min(wanted.max_cardinality, MOST_NUMBER)
        cache = DistinctCache(0, table, name, columns, most, min(wanted.max_age_s, MOST_NUMBER // 10**9))
        return self._create(home, schema, cache)

    def delete(self, database: str, kind: CacheKind, table: str, name: str) -> None:
        """Take a cache out.

        Raises:
            NotFound: there is no such cache, table or database.
        """
        self._table(database, table)
        self._catalog.apply(DeleteCache(database, kind, table, name))

    def sizes(self) -> list[CacheSize]:
        """Return how large each cache is."""
        return self._caches.sizes()

    def _create(self, home: Database, schema: TableSchema, cache: CacheDefinition) -> CreatedCache:
        check_cache(cache, schema)
        state = self._catalog.apply(CreateCache(home.name, cache))
        after = state.database_by_id(home.database_id) or home
        made = next((c for c in after.caches_of(cache.table, type(cache)) if c.name == cache.name), cache)
        return CreatedCache(home, schema, made, self._clock.now_ns(), self._caches.position)

    def _table(self, database: str, table: str) -> tuple[Database, TableSchema]:
        home = self._catalog.state.database(database)
        if home is None:
            raise DatabaseNotFound(f"Database not found {database}")
        if home.is_deleted:
            raise AlreadyDeleted(f"attempted to modify resource that was already deleted: {database}")
        if home.is_internal:
            raise InternalDatabase("cannot modify internal db")
        schema = self._tables.find(home.database_id, table)
        if schema is None:
            raise TableNotFound(f"Table {table} not in DB schema for {database}")
        if schema.is_deleted:
            raise AlreadyDeleted(f"attempted to modify resource that was already deleted: {table}")
        return home, schema


def cache_problem(schema: TableSchema | None, cache: CacheDefinition) -> str | None:
    """Return why ``cache`` cannot be of the table ``schema``, ``None`` if it can."""
    if schema is None:
        return "there is no such table"
    if schema.is_deleted:
        return "the table is deleted"
    try:
        check_cache(cache, schema)
    except InvalidRequest as refusal:
        return str(refusal)
    return None
