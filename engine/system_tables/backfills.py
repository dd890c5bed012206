"""The system table about backfills: those that go on, and those that have ended."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.model.backfill import BackfillStatus
from engine.system_tables.ports import SystemSources

TEXT = pa.string()
TIMESTAMP = pa.timestamp("ns")

BACKFILLS = pa.schema(
    [
        ("backfill_id", pa.int64()),
        ("trigger_name", TEXT),
        ("state", TEXT),
        ("rows_done", pa.int64()),
        ("rows_total", pa.int64()),
        ("start_time", TIMESTAMP),
        ("end_time", TIMESTAMP),
        ("batch_rows", pa.int64()),
        ("live_waits", pa.bool_()),
        ("began", TIMESTAMP),
        ("ended", TIMESTAMP),
        ("error", TEXT),
        ("database_name", TEXT),
    ]
)
"""A backfill ends as ``done``, ``cancelled``, ``failed`` or ``closed`` (its trigger was disabled or changed)."""


def backfills(sources: SystemSources, database: Database) -> pa.Table:
    """Return the backfills of the triggers of ``database``, the newest last."""
    shown = sources.catalog().databases if database.is_internal else (database,)
    going = [_row(d.name, status) for d in shown for status in sources.backfills(d)]
    # After that, so that one which ends just now is found here, if not there.
    stored = sources.internal_rows("processing_engine_backfills", None if database.is_internal else database.name)
    ended = BACKFILLS.empty_table() if stored is None else _ended(stored)
    known = set(ended["backfill_id"].to_pylist())
    running = pa.Table.from_pylist([row for row in going if row["backfill_id"] not in known], schema=BACKFILLS)
    return pa.concat_tables([running, ended]).sort_by([("began", "ascending")])


def _row(database: str, status: BackfillStatus) -> dict[str, object]:
    return {
        "backfill_id": status.backfill_id,
        "trigger_name": status.trigger_name,
        "state": "running",
        "rows_done": status.rows_done,
        "rows_total": status.rows_total,
        "start_time": status.span.start_ns,
        "end_time": status.span.end_ns,
        "batch_rows": status.batch_rows,
        "live_waits": status.live_waits,
        "began": status.began_ns,
        "error": "",
        "database_name": database,
    }


def _ended(stored: pa.Table) -> pa.Table:
    columns = {name: stored[name] for name in stored.column_names} | {"ended": stored["time"]}
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(len(stored), f.type) for f in BACKFILLS]
    return pa.Table.from_arrays(arrays, schema=BACKFILLS)
