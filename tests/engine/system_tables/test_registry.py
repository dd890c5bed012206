"""Names and types of the columns of the system tables that InfluxDB 3 has too; ours may have more behind them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.catalog.state import INTERNAL_DATABASE
from engine.system_tables.registry import SYSTEM_TABLES
from tests.support.node import DATABASE, Node

VIEW, TEXT, COUNT, WHOLE, YES_NO = pa.string_view(), pa.string(), pa.uint64(), pa.int64(), pa.bool_()
IDS, NAMES = pa.list_(pa.uint16()), pa.list_(pa.string())
SECONDS, MILLISECONDS, NANOSECONDS = pa.timestamp("s", "UTC"), pa.timestamp("ms"), pa.timestamp("ns")
SPAN = pa.duration("ns")

IN_ALL = {
    "distinct_caches": {
        "table": VIEW,
        "name": VIEW,
        "column_ids": IDS,
        "column_names": NAMES,
        "max_cardinality": COUNT,
        "max_age_seconds": COUNT,
    },
    "influxdb_schema": {"measurement": VIEW, "key": VIEW, "data_type": VIEW},
    "last_caches": {
        "table": VIEW,
        "name": VIEW,
        "key_column_ids": IDS,
        "key_column_names": NAMES,
        "value_column_ids": IDS,
        "value_column_names": NAMES,
        "count": COUNT,
        "ttl": COUNT,
    },
    "parquet_files": {
        "table_name": TEXT,
        "path": TEXT,
        "size_bytes": COUNT,
        "row_count": COUNT,
        "min_time": WHOLE,
        "max_time": WHOLE,
    },
    "processing_engine_logs": {
        "event_time": NANOSECONDS,
        "trigger_name": TEXT,
        "log_level": TEXT,
        "log_text": TEXT,
    },
    "processing_engine_triggers": {
        "trigger_name": TEXT,
        "plugin_filename": TEXT,
        "trigger_specification": TEXT,
        "disabled": YES_NO,
        "error_behavior": TEXT,
    },
    "processing_engine_trigger_arguments": {"trigger_name": TEXT, "argument_key": TEXT, "argument_value": TEXT},
    "queries": {
        "id": TEXT,
        "phase": TEXT,
        "issue_time": NANOSECONDS,
        "query_type": TEXT,
        "query_text": TEXT,
        "partitions": WHOLE,
        "parquet_files": WHOLE,
        "plan_duration": SPAN,
        "permit_duration": SPAN,
        "execute_duration": SPAN,
        "end2end_duration": SPAN,
        "compute_duration": SPAN,
        "max_memory": WHOLE,
        "success": YES_NO,
        "running": YES_NO,
        "cancelled": YES_NO,
        "trace_id": TEXT,
    },
}
ONLY_INTERNAL = {
    "databases": {
        "database_name": VIEW,
        "retention_period_ns": COUNT,
        "deleted": YES_NO,
        "hard_deletion_time": SECONDS,
    },
    "tables": {
        "database_name": VIEW,
        "table_name": VIEW,
        "column_count": COUNT,
        "series_key_columns": VIEW,
        "last_cache_count": COUNT,
        "distinct_cache_count": COUNT,
        "deleted": YES_NO,
        "hard_deletion_time": SECONDS,
    },
    "nodes": {
        "node_id": VIEW,
        "node_catalog_id": pa.uint32(),
        "instance_id": VIEW,
        "mode": NAMES,
        "core_count": COUNT,
        "state": VIEW,
        "updated_at": MILLISECONDS,
        "cli_params": VIEW,
    },
    "plugin_files": {
        "plugin_name": TEXT,
        "file_name": TEXT,
        "file_path": TEXT,
        "size_bytes": WHOLE,
        "last_modified": WHOLE,
    },
    "tokens": {
        "token_id": COUNT,
        "name": VIEW,
        "hash": VIEW,
        "created_at": MILLISECONDS,
        "description": VIEW,
        "created_by_token_id": COUNT,
        "updated_at": MILLISECONDS,
        "updated_by_token_id": COUNT,
        "expiry": MILLISECONDS,
        "permissions": VIEW,
    },
    "generation_durations": {"level": pa.uint8(), "duration_seconds": COUNT},
}
OWN = {
    "processing_engine_backfills",
    "processing_engine_cache_state",
    "processing_engine_dead_letters",
    "processing_engine_runs",
    "processing_engine_trigger_state",
}
KNOWN = {table.name: table for table in SYSTEM_TABLES}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


@pytest.mark.parametrize(("name", "columns"), [*IN_ALL.items(), *ONLY_INTERNAL.items()])
def test_columns_are_those_of_the_product(name: str, columns: dict[str, pa.DataType]) -> None:
    schema = KNOWN[name].schema
    assert dict(zip(schema.names[: len(columns)], schema.types, strict=False)) == columns
    assert KNOWN[name].only_internal is (name in ONLY_INTERNAL)


def test_there_are_no_others_but_ours() -> None:
    assert KNOWN.keys() - IN_ALL.keys() - ONLY_INTERNAL.keys() == OWN


@pytest.mark.parametrize("database", [DATABASE, INTERNAL_DATABASE])
def test_a_query_of_each_table_gives_what_is_announced(node: Node, database: str) -> None:
    if database == DATABASE:
        node.engine.tables.create_database(DATABASE)
    for table in SYSTEM_TABLES:
        if database == INTERNAL_DATABASE or not table.only_internal:
            with node.engine.query(database, f"SELECT * FROM system.{table.name}", {}) as result:
                assert result.schema.equals(table.schema), table.name
