"""The caches of a database as queries read them."""

import pyarrow as pa

from engine.caches.caches import Caches, TableFinder, find_cache
from engine.catalog.state import Database
from engine.errors import QueryError
from engine.model.caches import DistinctCache, LastCache

PLANNING = "Error during planning: "


class CachedRows:
    """The caches of one database (port ``CacheSource``)."""

    def __init__(self, caches: Caches, tables: TableFinder, database: Database) -> None:
        self._caches = caches
        self._tables = tables
        self._database = database

    def last(self, table: str, name: str | None) -> pa.Table:
        """See ``CacheSource``."""
        if self._tables.find(self._database.database_id, table) is None:
            raise QueryError(f"{PLANNING}provided table name is invalid")
        cache = find_cache(self._database, LastCache, table, name)
        rows = None if cache is None else self._caches.read(cache)
        if rows is None:
            raise QueryError(f"{PLANNING}could not find cache for the given arguments")
        return rows

    def distinct(self, table: str, name: str | None) -> pa.Table:
        """See ``CacheSource``."""
        if self._tables.find(self._database.database_id, table) is None:
            raise QueryError(f"{PLANNING}provided table name ({table}) is invalid")
        cache = find_cache(self._database, DistinctCache, table, name)
        rows = None if cache is None else self._caches.read(cache)
        if rows is None:
            raise QueryError(f"{PLANNING}could not find distinct value cache for the given arguments")
        return rows
