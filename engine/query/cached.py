"""The caches of a database as queries read them."""

from collections.abc import Callable

import pyarrow as pa

from engine.caches.caches import Caches, TableFinder, find_cache
from engine.catalog.state import Database
from engine.errors import QueryError
from engine.model.caches import DistinctCache, LastCache
from engine.model.schema import TableSchema

PLANNING = "Error during planning: "


class CachedRows:
    """The caches of one database (port ``CacheSource``); for ``oldest_kept`` see ``StoreConfig``."""

    def __init__(
        self,
        caches: Caches,
        tables: TableFinder,
        database: Database,
        oldest_kept: Callable[[TableSchema], int | None] = lambda schema: None,
    ) -> None:
        self._oldest_kept = oldest_kept
        self._caches = caches
        self._tables = tables
        self._database = database

    def last(self, table: str, name: str | None) -> pa.Table:
        """See ``CacheSource``."""
        schema = self._tables.find(self._database.database_id, table)
        if schema is None:
            raise QueryError(f"{PLANNING}provided table name is invalid")
        cache = find_cache(self._database, LastCache, table, name)
        rows = None if cache is None else self._caches.read(cache, self._oldest_kept(schema))
        if rows is None:
            raise QueryError(f"{PLANNING}could not find cache for the given arguments")
        return rows

    def distinct(self, table: str, name: str | None) -> pa.Table:
        """See ``CacheSource``."""
        schema = self._tables.find(self._database.database_id, table)
        if schema is None:
            raise QueryError(f"{PLANNING}provided table name ({table}) is invalid")
        cache = find_cache(self._database, DistinctCache, table, name)
        rows = None if cache is None else self._caches.read(cache, self._oldest_kept(schema))
        if rows is None:
            raise QueryError(f"{PLANNING}could not find distinct value cache for the given arguments")
        return rows
