"""The system tables about what is stored: schemas, files, databases, tables, caches."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.model.caches import DistinctCache, LastCache
from engine.model.durations import NS_PER_SECOND
from engine.system_tables.ports import SystemSources

TEXT = pa.string_view()
"""What the product has in these tables; in those of files, queries and plugins it has plain strings."""

COUNT = pa.uint64()
IDS = pa.list_(pa.uint16())
NAMES = pa.list_(pa.string())

INFLUXDB_SCHEMA = pa.schema([("measurement", TEXT), ("key", TEXT), ("data_type", TEXT)])
PARQUET_FILES = pa.schema(
    [
        ("table_name", pa.string()),
        ("path", pa.string()),
        ("size_bytes", COUNT),
        ("row_count", COUNT),
        ("min_time", pa.int64()),
        ("max_time", pa.int64()),
    ]
)
MOMENT = pa.timestamp("s", "UTC")
DATABASES = pa.schema(
    [
        ("database_name", TEXT),
        ("retention_period_ns", COUNT),
        ("deleted", pa.bool_()),
        ("hard_deletion_time", MOMENT),
    ]
)
TABLES = pa.schema(
    [
        ("database_name", TEXT),
        ("table_name", TEXT),
        ("column_count", COUNT),
        ("series_key_columns", TEXT),
        ("last_cache_count", COUNT),
        ("distinct_cache_count", COUNT),
        ("deleted", pa.bool_()),
        ("hard_deletion_time", MOMENT),
        ("retention_period_ns", COUNT),
    ]
)
LAST_CACHES = pa.schema(
    [
        ("table", TEXT),
        ("name", TEXT),
        ("key_column_ids", IDS),
        ("key_column_names", NAMES),
        ("value_column_ids", IDS),
        ("value_column_names", NAMES),
        ("count", COUNT),
        ("ttl", COUNT),
    ]
)
DISTINCT_CACHES = pa.schema(
    [
        ("table", TEXT),
        ("name", TEXT),
        ("column_ids", IDS),
        ("column_names", NAMES),
        ("max_cardinality", COUNT),
        ("max_age_seconds", COUNT),
    ]
)


def influxdb_schema(sources: SystemSources, database: Database) -> pa.Table:
    """Return each column of each table of ``database``."""
    rows = [
        {"measurement": table.name, "key": name, "data_type": kind}
        for table in sources.stored_tables(database.database_id)
        for name, kind in table.columns
    ]
    return pa.Table.from_pylist(rows, schema=INFLUXDB_SCHEMA)


def parquet_files(sources: SystemSources, database: Database) -> pa.Table:
    """Return the Parquet files of ``database``."""
    rows = [
        {
            "table_name": table.name,
            "path": f.path,
            "size_bytes": f.size_bytes,
            "row_count": f.row_count,
            "min_time": f.min_time,
            "max_time": f.max_time,
        }
        for table in sources.stored_tables(database.database_id)
        for f in table.files
    ]
    return pa.Table.from_pylist(rows, schema=PARQUET_FILES)


def databases(sources: SystemSources, database: Database) -> pa.Table:
    """Return all databases."""
    rows = [
        {
            "database_name": d.name,
            "retention_period_ns": _retention_ns(sources, d),
            "deleted": d.is_deleted,
            "hard_deletion_time": _seconds(d.hard_delete_ns),
        }
        for d in sources.catalog().databases
    ]
    return pa.Table.from_pylist(rows, schema=DATABASES)


def tables(sources: SystemSources, database: Database) -> pa.Table:
    """Return all tables of all databases."""
    rows = [
        {
            "database_name": d.name,
            "table_name": table.name,
            "column_count": len(table.columns),
            "series_key_columns": ", ".join(name for name, kind in table.columns if kind == "tag"),
            "last_cache_count": len(d.caches_of(table.name, LastCache)),
            "distinct_cache_count": len(d.caches_of(table.name, DistinctCache)),
            "deleted": table.is_deleted,
            "hard_deletion_time": _seconds(_hard_delete_ns(d, table.name)),
            "retention_period_ns": _retention_ns(sources, d, table.name),
        }
        for d in sources.catalog().databases
        for table in sources.stored_tables(d.database_id)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES)


def _retention_ns(sources: SystemSources, database: Database, table: str | None = None) -> int | None:
    """Return how long rows are kept, ``None`` = for ever."""
    if database.is_internal:
        return sources.internal_retention_ns()
    seconds = database.retention_s if table is None else database.retention_of(table)
    return None if seconds is None else seconds * NS_PER_SECOND


def _hard_delete_ns(database: Database, table: str) -> int | None:
    """Return when the data of a deleted table goes: with its own time or that of its database, whichever comes first."""
    entry = database.table(table)
    times = [e.hard_delete_ns for e in (database, entry) if e is not None and e.hard_delete_ns is not None]
    return min(times, default=None)


def _seconds(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // NS_PER_SECOND


def last_caches(sources: SystemSources, database: Database) -> pa.Table:
    """Return the last-value caches of ``database``; no value columns = all but the keys."""
    ids = _column_ids(sources, database)
    rows = [
        {
            "table": c.table,
            "name": c.name,
            "key_column_ids": [ids.get((c.table, name)) for name in c.key_columns],
            "key_column_names": c.key_columns,
            "value_column_ids": c.value_columns and [ids.get((c.table, name)) for name in c.value_columns],
            "value_column_names": c.value_columns,
            "count": c.count,
            "ttl": c.ttl_s,
        }
        for c in database.caches
        if isinstance(c, LastCache)
    ]
    return pa.Table.from_pylist(rows, schema=LAST_CACHES)


def distinct_caches(sources: SystemSources, database: Database) -> pa.Table:
    """Return the distinct-value caches of ``database``."""
    ids = _column_ids(sources, database)
    rows = [
        {
            "table": c.table,
            "name": c.name,
            "column_ids": [ids.get((c.table, name)) for name in c.key_columns],
            "column_names": c.key_columns,
            "max_cardinality": c.max_cardinality,
            "max_age_seconds": c.max_age_s,
        }
        for c in database.caches
        if isinstance(c, DistinctCache)
    ]
    return pa.Table.from_pylist(rows, schema=DISTINCT_CACHES)


def _column_ids(sources: SystemSources, database: Database) -> dict[tuple[str, str], int]:
    """Return the number of each column in its table, from 0 in the order of first appearance."""
    tables = sources.stored_tables(database.database_id) if database.caches else ()
    return {(table.name, name): number for table in tables for number, (name, _) in enumerate(table.columns)}
