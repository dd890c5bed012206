"""The rows that the engine writes about plugins into ``_internal``: log lines, runs, dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.lineprotocol.lines import Line
from engine.model.schema import ColumnType

LOGS = "processing_engine_logs"
RUNS = "processing_engine_runs"
DEAD_LETTERS = "processing_engine_dead_letters"
BACKFILLS = "processing_engine_backfills"

MOST_TEXT_BYTES = 256 * 1024
"""A longer text is cut."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What each such row says of where it comes from."""

    database: str
    trigger_id: int
    trigger_name: str
    plugin_filename: str
    run_id: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as it is kept.

    Attributes:
        started_ns: wall-clock time at which the plugin's function was called, of its end if it never was.
        queue_delay_ns: from the moment it could have begun until then.
        due_ns: the scheduled time of a schedule's run.
        attempt: counted from 1.
        peak_memory_bytes: the most memory that its plugin host had meanwhile, 0 = not known.
        outcome: ``success``, ``error``, ``timeout``, ``memory``, ``cpu``, ``processes``, ``crash``, ``cancelled``.
    """

    kind: str
    started_ns: int
    queue_delay_ns: int
    duration_ns: int
    cpu_ns: int
    rows_in: int
    lines_out: int
    attempt: int
    outcome: str
    error: str = ""
    details: str = ""
    due_ns: int | None = None
    peak_memory_bytes: int = 0


def log_line(origin: Origin, node_id: str, level: str, text: str, details: str, time_ns: int) -> Line:
    """Return a row of ``processing_engine_logs`` (processing-engine §6.3, the columns of 3.11)."""
    fields: dict[str, str | int] = {
        "database_name": origin.database,
        "trigger_name": origin.trigger_name,
        "plugin_filename": origin.plugin_filename,
        "run_id": origin.run_id,
        "node_id": node_id,
        "log_level": level,
        "log_text": text,
        "error_details": details,
        "trigger_id": origin.trigger_id,
    }
    return line(LOGS, fields, time_ns)


def run_line(origin: Origin, run: RunRecord, time_ns: int) -> Line:
    """Return a row of ``processing_engine_runs``."""
    fields: dict[str, str | int] = {
        "database_name": origin.database,
        "trigger_name": origin.trigger_name,
        "plugin_filename": origin.plugin_filename,
        "run_id": origin.run_id,
        "kind": run.kind,
        "started": run.started_ns,
        "queue_delay": run.queue_delay_ns,
        "duration": run.duration_ns,
        "cpu_time": run.cpu_ns,
        "peak_memory": run.peak_memory_bytes,
        "rows_in": run.rows_in,
        "lines_out": run.lines_out,
        "attempt": run.attempt,
        "outcome": run.outcome,
        "error": run.error,
        "traceback": run.details,
        "trigger_id": origin.trigger_id,
    }
    if run.due_ns is not None:
        fields["due"] = run.due_ns
    return line(RUNS, fields, time_ns)


def line(table: str, fields: Mapping[str, str | int], time_ns: int) -> Line:
    """Return a row without tags."""
    kinds = tuple((name, _KINDS[type(value)]) for name, value in fields.items())
    return Line(table, (), (), kinds, tuple(map(_cut, fields.values())), time_ns)


_KINDS = {str: ColumnType.STRING, int: ColumnType.INTEGER}


def _cut(value: str | int) -> str | int:
    if isinstance(value, str) and len(value) > MOST_TEXT_BYTES:
        return value[:MOST_TEXT_BYTES] + " … (cut)"
    return value
