"""The system tables about plugins: triggers, arguments, logs, runs, files."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.columns import compute as pc
from engine.model.durations import format_duration
from engine.model.trigger_spec import spec_as_json
from engine.system_tables.ports import SystemSources

TEXT = pa.string()
TIMESTAMP = pa.timestamp("ns")

TRIGGERS = pa.schema(
    [
        ("trigger_name", TEXT),
        ("plugin_filename", TEXT),
        ("trigger_specification", TEXT),
        ("disabled", pa.bool_()),
        ("error_behavior", TEXT),
    ]
)
ARGUMENTS = pa.schema([("trigger_name", TEXT), ("argument_key", TEXT), ("argument_value", TEXT)])
CACHE_STATE = pa.schema(
    [
        ("trigger_name", TEXT),
        ("scope", TEXT),
        ("key", TEXT),
        ("size_bytes", pa.int64()),
        ("is_kept", pa.bool_()),
        ("expires", TIMESTAMP),
    ]
)
LOGS = pa.schema(
    [
        ("event_time", TIMESTAMP),
        ("trigger_name", TEXT),
        ("log_level", TEXT),
        ("log_text", TEXT),
        ("database_name", TEXT),
        ("error_details", TEXT),
        ("node_id", TEXT),
        ("plugin_filename", TEXT),
        ("run_id", TEXT),
        ("time", TIMESTAMP),
    ]
)
RUNS = pa.schema(
    [
        ("run_id", TEXT),
        ("trigger_name", TEXT),
        ("kind", TEXT),
        ("started", TIMESTAMP),
        ("queue_delay", pa.duration("ns")),
        ("duration", pa.duration("ns")),
        ("rows_in", pa.int64()),
        ("lines_out", pa.int64()),
        ("attempt", pa.int64()),
        ("outcome", TEXT),
        ("error", TEXT),
        ("traceback", TEXT),
        ("due", TIMESTAMP),
        ("cpu_time", pa.duration("ns")),
        ("peak_memory", pa.int64()),
        ("plugin_filename", TEXT),
        ("database_name", TEXT),
        ("time", TIMESTAMP),
    ]
)
PLUGIN_FILES = pa.schema(
    [
        ("plugin_name", TEXT),
        ("file_name", TEXT),
        ("file_path", TEXT),
        ("size_bytes", pa.int64()),
        ("last_modified", pa.int64()),
        # up to here as in InfluxDB 3
        ("database_name", TEXT),
        ("plugin_filename", TEXT),
        ("content_hash", TEXT),
        ("plugin_hash", TEXT),
        ("loaded", TIMESTAMP),
        ("entry_points", TEXT),
        ("problem", TEXT),
    ]
)


def triggers(sources: SystemSources, database: Database) -> pa.Table:
    """Return the triggers of ``database`` (processing-engine §6.1)."""
    rows = [
        {
            "trigger_name": t.name,
            "plugin_filename": t.plugin_filename,
            "trigger_specification": spec_as_json(t.spec),
            "disabled": not t.enabled,
            "error_behavior": t.error_behavior.value,
        }
        for t in database.triggers
    ]
    return pa.Table.from_pylist(rows, schema=TRIGGERS)


def cache_state(sources: SystemSources, database: Database) -> pa.Table:
    """Return what plugins keep in their caches, as last committed; ``is_kept`` = it survives a restart."""
    rows = [
        {
            "trigger_name": value.trigger_name,
            "scope": "global" if value.trigger_name is None else "trigger",
            "key": value.key,
            "size_bytes": value.size_bytes,
            "is_kept": value.size_bytes is not None,
            "expires": value.expires_ns,
        }
        for value in sources.cache_values(database)
    ]
    return pa.Table.from_pylist(rows, schema=CACHE_STATE)


def arguments(sources: SystemSources, database: Database) -> pa.Table:
    """Return the arguments of the triggers of ``database`` (processing-engine §6.2)."""
    rows = [
        {"trigger_name": t.name, "argument_key": key, "argument_value": value}
        for t in database.triggers
        for key, value in (t.arguments or {}).items()
    ]
    return pa.Table.from_pylist(rows, schema=ARGUMENTS)


def logs(sources: SystemSources, database: Database) -> pa.Table:
    """Return what plugins logged, and the lines that frame each run, which are made from the runs here."""
    about = None if database.is_internal else database.name
    stored = sources.internal_rows("processing_engine_logs", about)
    parts = [] if stored is None else [_shaped(stored, LOGS, {"event_time": stored["time"]})]
    kept_runs = sources.internal_rows("processing_engine_runs", about)
    if kept_runs is not None:
        parts += _frames(kept_runs)
    whole = pa.concat_tables(parts) if parts else LOGS.empty_table()
    return whole.sort_by([("event_time", "ascending")])


def runs(sources: SystemSources, database: Database) -> pa.Table:
    """Return the runs, one row per attempt."""
    stored = sources.internal_rows("processing_engine_runs", None if database.is_internal else database.name)
    return RUNS.empty_table() if stored is None else _shaped(stored, RUNS, {}).sort_by([("started", "ascending")])


def plugin_files(sources: SystemSources, database: Database) -> pa.Table:
    """Return a row per trigger of any live database and file of its plugin (processing-engine §6.4)."""
    rows = [
        {
            "plugin_name": t.name,
            "file_name": f.file_name,
            "file_path": f.file_path,
            "size_bytes": f.size_bytes,
            "last_modified": f.last_modified_ms,
            "database_name": d.name,
            "plugin_filename": t.plugin_filename,
            "content_hash": f.content_hash,
            "plugin_hash": f.plugin_hash,
            "loaded": f.loaded_ns,
            "entry_points": ", ".join(f.entry_points),
            "problem": f.problem,
        }
        for d in sources.catalog().databases
        if not d.is_deleted
        for t in d.triggers
        for f in sources.plugin_files(t.plugin_filename)
    ]
    return pa.Table.from_pylist(rows, schema=PLUGIN_FILES)


def _shaped(stored: pa.Table, schema: pa.Schema, more: dict[str, pa.ChunkedArray]) -> pa.Table:
    """Return ``stored`` with exactly the columns of ``schema``; what it lacks is null."""
    columns = {name: stored[name] for name in stored.column_names} | more
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(len(stored), f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _frames(kept_runs: pa.Table) -> list[pa.Table]:
    """Return the lines ``starting execution …`` and ``finished execution …`` (or the error) of each run."""
    started = kept_runs["started"].cast(TIMESTAMP)
    ended = pc.add(kept_runs["started"], kept_runs["duration"]).cast(TIMESTAMP)
    rows = kept_runs.select(["kind", "duration", "outcome", "error", "traceback"]).to_pylist()
    dues = _times(kept_runs)
    first = {
        "event_time": started,
        "time": started,
        "log_level": pa.array(["INFO"] * len(rows)),
        "log_text": pa.array([_starting(r["kind"], due) for r, due in zip(rows, dues, strict=True)]),
    }
    last = {
        "event_time": ended,
        "time": ended,
        "log_level": pa.array(["INFO" if r["outcome"] == "success" else "ERROR" for r in rows]),
        "log_text": pa.array([_ending(r) for r in rows]),
        "error_details": pa.array(["" if r["outcome"] == "success" else r["traceback"] or r["error"] for r in rows]),
    }
    return [_shaped(kept_runs, LOGS, first), _shaped(kept_runs, LOGS, last)]


def _times(kept_runs: pa.Table) -> list[str | None]:
    if "due" not in kept_runs.column_names:
        return [None] * len(kept_runs)
    seconds = kept_runs["due"].cast(TIMESTAMP).cast(pa.timestamp("s"), safe=False)
    texts: list[str | None] = pc.strftime(seconds, "%Y-%m-%d %H:%M:%S").to_pylist()
    return texts


def _starting(kind: str, due: str | None) -> str:
    if kind == "schedule":
        return f"starting execution with scheduled time {due} UTC"
    return f"starting execution of {kind} plugin."


def _ending(run: dict[str, str | int]) -> str:
    if run["outcome"] == "success":
        return f"finished execution in {format_duration(int(run['duration']))}"
    return f"error executing {run['kind']} plugin: {run['error']}"
