"""The system table of queries: those that run, and the last ones that ended."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.model.queries import QueryRecord
from engine.system_tables.ports import SystemSources

TEXT = pa.string()
TIME_SPAN = pa.duration("ns")

QUERIES = pa.schema(
    [
        ("id", TEXT),
        ("phase", TEXT),
        ("issue_time", pa.timestamp("ns")),
        ("query_type", TEXT),
        ("query_text", TEXT),
        ("partitions", pa.int64()),
        ("parquet_files", pa.int64()),
        ("plan_duration", TIME_SPAN),
        ("permit_duration", TIME_SPAN),
        ("execute_duration", TIME_SPAN),
        ("end2end_duration", TIME_SPAN),
        ("compute_duration", TIME_SPAN),
        ("max_memory", pa.int64()),
        ("success", pa.bool_()),
        ("running", pa.bool_()),
        ("cancelled", pa.bool_()),
        ("trace_id", TEXT),
    ]
)
"""What is not measured here is null: ``partitions``, ``parquet_files``, ``permit_duration``, ``compute_duration``,
``max_memory``, ``trace_id``."""


def queries(sources: SystemSources, database: Database) -> pa.Table:
    """Return the queries of ``database`` that are kept, the oldest first; the last one is that which reads this."""
    rows = [_row(record) for record in sources.queries(database.database_id)]
    return pa.Table.from_pylist(rows, schema=QUERIES)


def _row(record: QueryRecord) -> dict[str, object]:
    return {
        "id": record.query_id,
        "phase": record.phase,
        "issue_time": record.issue_time_ns,
        "query_type": record.query_type,
        "query_text": record.query_text,
        "plan_duration": record.plan_ns,
        "execute_duration": record.execute_ns,
        "end2end_duration": record.end2end_ns,
        "success": record.phase == "success",
        "running": record.is_running,
        "cancelled": record.phase == "cancel",
    }
