"""How each trigger is doing: whether it runs, what its runs came to, how far it is, when it is due."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine.catalog.state import Database
from engine.columns import compute as pc
from engine.model.progress import Lag
from engine.model.times import utc_text
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import format_trigger_spec
from engine.system_tables.ports import SystemSources

TIMESTAMP = pa.timestamp("ns")

TRIGGER_STATE = pa.schema(
    [
        ("trigger_name", pa.string()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("runs", pa.int64()),
        ("failures", pa.int64()),
        ("last_run", TIMESTAMP),
        ("last_outcome", pa.string()),
        ("next_due", TIMESTAMP),
        ("lag_rows", pa.int64()),
        ("lag_records", pa.int64()),
        ("lag_seconds", pa.float64()),
        ("missed_rows", pa.int64()),
        ("position", pa.int64()),
        ("head", pa.int64()),
        ("finished_ranges", pa.int64()),
        ("trigger_spec", pa.string()),
    ]
)

_DISABLED_BY_ERROR = "due to error: "
_FAILED = "failed"
_NO_FAILURES = ("success", "cancelled")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The runs of one trigger that are kept, each attempt as one; ``last_run_ns`` is when the last one began."""

    runs: int
    failures: int
    last_run_ns: int
    last_outcome: str


def trigger_state(sources: SystemSources, database: Database) -> pa.Table:
    """Return a row for each trigger of ``database``; what only write triggers have is null for others and while off.

    ``state`` is ``enabled``, ``disabled``, or ``failed`` for one that its error behaviour switched off. ``reason`` says
    why, or what is wrong with the plugin of one that is on. ``runs`` and ``failures`` count the runs that are kept.
    """
    summaries = run_summaries(sources, database)
    reasons = _reasons(sources, database, summaries)
    rows = [_row(sources, t, summaries.get(t.name), reasons.get(t.name)) for t in database.triggers]
    return pa.Table.from_pylist(rows, schema=TRIGGER_STATE)


def run_summaries(sources: SystemSources, database: Database) -> dict[str, RunSummary]:
    """Return what is kept of the runs of each trigger that there is now, by name."""
    kept = _own_rows(sources, database, "processing_engine_runs", ("trigger_name", "started", "outcome"))
    if kept is None:
        return {}
    kept = kept.sort_by("started")
    failed = pc.cast(pc.invert(pc.is_in(kept["outcome"], pa.array(_NO_FAILURES))), pa.int64())
    groups = (
        kept.append_column("failed", failed)
        .group_by("trigger_name", use_threads=False)
        .aggregate([("outcome", "count"), ("failed", "sum"), ("started", "last"), ("outcome", "last")])
    )
    return {
        row["trigger_name"]: RunSummary(
            row["outcome_count"], row["failed_sum"], row["started_last"], row["outcome_last"]
        )
        for row in groups.to_pylist()
    }


def _row(
    sources: SystemSources, trigger: TriggerDefinition, summary: RunSummary | None, reason: str | None
) -> dict[str, Any]:
    state = "enabled" if trigger.enabled else _FAILED if reason else "disabled"
    row: dict[str, Any] = {
        "trigger_name": trigger.name,
        "trigger_spec": format_trigger_spec(trigger.spec),
        "state": state,
        "reason": sources.plugin_problem(trigger.plugin_filename) if trigger.enabled else reason,
        "runs": 0,
        "failures": 0,
        "next_due": sources.next_due(trigger.trigger_id),
    }
    if summary is not None:
        row |= {
            "runs": summary.runs,
            "failures": summary.failures,
            "last_run": summary.last_run_ns,
            "last_outcome": summary.last_outcome,
        }
    lag = sources.lag(trigger.trigger_id)
    return row | _lag_columns(lag) if lag else row


def _reasons(sources: SystemSources, database: Database, summaries: Mapping[str, RunSummary]) -> dict[str, str]:
    """Return why triggers that are off were switched off by their error behaviour, with the time.

    Who has run since then was enabled meanwhile, and is off for another reason.
    """
    off = [trigger.name for trigger in database.triggers if not trigger.enabled]
    columns = ("trigger_name", "time", "log_text", "run_id")
    kept = _own_rows(sources, database, "processing_engine_logs", columns) if off else None
    if kept is None:
        return {}
    own = pc.and_(pc.equal(kept["run_id"], ""), pc.match_substring(kept["log_text"], _DISABLED_BY_ERROR))
    found = kept.filter(pc.and_(own, pc.is_in(kept["trigger_name"], pa.array(off)))).sort_by("time")
    times = found["time"].cast(TIMESTAMP).cast(pa.int64()).to_pylist()
    rows = zip(found["trigger_name"].to_pylist(), times, found["log_text"].to_pylist(), strict=True)
    return {
        name: f"disabled at {utc_text(time_ns)} {_DISABLED_BY_ERROR}{_cause(text)}"
        for name, time_ns, text in rows
        if name not in summaries or summaries[name].last_run_ns <= time_ns
    }


def _own_rows(sources: SystemSources, database: Database, table: str, columns: tuple[str, ...]) -> pa.Table | None:
    """Return the rows of ``table`` about triggers that ``database`` has now, not about older ones of their names.

    Rows that do not tell the trigger's id were written by a version that did not know it yet: they count.
    """
    kept = sources.internal_rows(table, database.name, (*columns, "trigger_id"))
    if kept is not None and "trigger_id" in kept.column_names:
        ids = pa.array([trigger.trigger_id for trigger in database.triggers], pa.int64())
        kept = kept.filter(pc.or_(pc.is_null(kept["trigger_id"]), pc.is_in(kept["trigger_id"], ids)))
    return kept if kept is not None and len(kept) else None


def _cause(text: str) -> str:
    return text.partition(_DISABLED_BY_ERROR)[2]


def _lag_columns(lag: Lag) -> dict[str, int | float]:
    return {
        "position": lag.position,
        "head": lag.head,
        "lag_rows": lag.rows,
        "lag_records": lag.records,
        "lag_seconds": lag.oldest_age_ns / 1e9,
        "missed_rows": lag.missed_rows,
        "finished_ranges": lag.finished_ranges,
    }
