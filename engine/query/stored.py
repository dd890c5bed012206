"""The tables of a database as queries read them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from engine.columns.types import query_schema
from engine.model.schema import TableSchema
from engine.query.executor import QueryExecutor
from engine.query.ports import TableSnapshot
from engine.storage.store import Store


class StoredTables:
    """The tables of one database in the store (port ``TableSource``)."""

    def __init__(self, store: Store, database_id: int) -> None:
        self._store = store
        self._database_id = database_id

    def table_names(self) -> Sequence[str]:
        """See ``TableSource``."""
        return [schema.name for schema in self._store.schemas.tables_of(self._database_id)]

    def table_schema(self, name: str) -> pa.Schema | None:
        """See ``TableSource``."""
        found = self._store.schemas.find(self._database_id, name)
        return query_schema(found) if found else None

    def open(self, name: str) -> TableSnapshot | None:
        """See ``TableSource``."""
        found = self._store.schemas.find(self._database_id, name)
        if found is None:
            return None
        view = self._store.view(found)
        read = (view.folders, view.batches, view.release, view.live, view.partly, view.oldest_ns, view.absent)
        return TableSnapshot(query_schema(view.schema), *read, lambda: [(f.min_time, f.max_time) for f in view.files])


class Warming:
    """Looks at Parquet files before queries do (port ``Warmer``)."""

    def __init__(self, queries: QueryExecutor) -> None:
        self._queries = queries

    @property
    def is_used(self) -> bool:
        """See ``Warmer``."""
        return self._queries.is_used

    def warm(self, folder: Path, schema: TableSchema) -> None:
        """See ``Warmer``."""
        self._queries.warm_folder(schema.name, folder, query_schema(schema))
