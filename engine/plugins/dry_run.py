"""Runs a plugin as a trigger would, with input that was never written and output that is only shown."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow as pa

from engine.clock import Clock
from engine.columns.payload import encode_rows
from engine.errors import EngineError
from engine.host.arrow_message import decode_columns
from engine.host.protocol import Done, NamespaceSync, PayloadRef, PluginSource, Run, RunKind, TableBatch, Written
from engine.lineprotocol.from_columns import lines_of
from engine.model.cron import parse_cron
from engine.model.durations import NS_PER_SECOND, format_duration
from engine.model.names import check_query_database_name
from engine.model.schema import TableSchema
from engine.model.trigger_spec import EverySpec, parse_trigger_spec
from engine.plugins.failures import query_failure
from engine.plugins.ports import Executor, RunLimits

DEFAULT_CACHE_NAME = "_shared_test"
CACHE_TTL_S = 30 * 60.0
EVERY_SECOND = "* * * * * *"

Params = dict[str, str | int | float | bool | None]


class Rehearsal(Protocol):
    """Knows what line protocol would write."""

    def rehearse(self, database: str, lines: str) -> list[tuple[TableSchema, pa.RecordBatch]]:
        """Return what ``lines`` would write, by table; raises ``InvalidRequest`` if any of them is refused."""


class DryRunQueries(Protocol):
    """Runs SQL on behalf of plugins."""

    def plugin_query(self, database: str, sql: str, params: Params) -> bytes:
        """Return the rows as an Arrow IPC stream."""


class DryRunSources(Protocol):
    """Finds the code of plugins."""

    def refresh(self, plugin_filename: str) -> PluginSource:
        """Return where a plugin is, fetched anew if it comes from elsewhere; raises ``PluginError`` if it is not there."""


@dataclass(frozen=True, slots=True)
class DryRunRequest:
    """What to run: a plugin file, as if its trigger were in ``database``.

    Attributes:
        cache_name: runs with the same name share their cache.
    """

    filename: str
    database: str
    cache_name: str | None = None
    arguments: dict[str, str] | None = None


@dataclass(slots=True)
class _Collected:
    """The services of a dry run: queries are real, log lines and writes are kept (port ``RunServices``)."""

    database: str
    queries: DryRunQueries
    log_lines: list[str] = field(default_factory=list)
    written_now: list[tuple[str, str]] = field(default_factory=list)

    def log(self, level: str, text: str) -> None:
        self.log_lines.append(f"{level}: {text}")

    def entered(self) -> None:
        """Nothing is measured from here."""

    def query(self, database: str | None, sql: str, params: Params) -> bytes:
        name = self.database if database is None else database
        check_query_database_name(name)
        try:
            return self.queries.plugin_query(name, sql, params)
        except EngineError as cause:
            raise query_failure(cause, name, sql) from cause

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        self.written_now.append((database or self.database, lines))

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        return None


class DryRuns:
    """Carries out dry runs (processing-engine §7)."""

    def __init__(
        self, executor: Executor, sources: DryRunSources, rehearsal: Rehearsal, queries: DryRunQueries, clock: Clock
    ) -> None:
        self._executor = executor
        self._sources = sources
        self._rehearsal = rehearsal
        self._queries = queries
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0

    def wal(self, request: DryRunRequest, input_lp: str) -> dict[str, Any]:
        """Run ``process_writes`` on ``input_lp``.

        Raises:
            PluginError: the plugin is not there.
        """
        source = self._sources.refresh(request.filename)
        try:
            rows = self._rehearsal.rehearse(request.database, input_lp)
        except EngineError as refused:
            return _answer([], {}, [str(refused)])
        with TemporaryDirectory(prefix="influxdb3-dry-run-") as folder:
            batches = [_stored(Path(folder), schema, batch) for schema, batch in rows]
            return self._run(request, source, "wal", "starting execution of wal plugin.", batches=batches)

    def schedule(self, request: DryRunRequest, schedule: str | None, *, database_exists: bool) -> dict[str, Any]:
        """Run ``process_scheduled_call`` with the next due time of ``schedule`` (cron text, ``cron:…`` or ``every:…``).

        Raises:
            PluginError: the plugin is not there.
        """
        source = self._sources.refresh(request.filename)
        if not database_exists:
            return {"trigger_time": None} | _answer([], {}, ["couldn't find db"])
        try:
            due_ns = _next_due(schedule or EVERY_SECOND, self._clock.now_ns())
        except (ValueError, EngineError) as bad:
            return {"trigger_time": None} | _answer([], {}, [f"invalid cron syntax: {bad}"])
        if due_ns is None:
            return {"trigger_time": None} | _answer([], {}, [f"cron schedule never triggers: {schedule}"])
        due = pa.scalar(due_ns // NS_PER_SECOND, pa.timestamp("s")).as_py()
        starting = f"starting execution with scheduled time {due:%Y-%m-%d %H:%M:%S} UTC"
        answer = self._run(request, source, "schedule", starting, call_time_s=due_ns // NS_PER_SECOND)
        failed = any(e.startswith("error executing plugin") for e in answer["errors"])
        return {"trigger_time": None if failed else f"{due:%Y-%m-%dT%H:%M:%S}Z"} | answer

    def _run(
        self, request: DryRunRequest, source: PluginSource, kind: RunKind, starting: str, **given: Any
    ) -> dict[str, Any]:
        services = _Collected(request.database, self._queries)
        services.log("INFO", starting)
        run = self._run_message(request, source, kind, given)
        ended: Future[Done] = Future()
        began_ns = self._clock.monotonic_ns()
        self._executor.run(run, RunLimits(owner=f"dry-run:{request.filename}"), services, ended.set_result)
        done = ended.result()
        errors: list[str] = []
        if done.error is not None:
            errors.append(f"error executing plugin: {done.error.text}")
        else:
            services.log("INFO", f"finished execution in {format_duration(self._clock.monotonic_ns() - began_ns)}")
        writes = _by_database(
            [
                *services.written_now,
                *((d or request.database, line) for d, part in done.writes for line in _shown(part)),
            ]
        )
        return _answer(services.log_lines, writes, errors + self._findings(writes))

    def _run_message(self, request: DryRunRequest, source: PluginSource, kind: RunKind, given: dict[str, Any]) -> Run:
        with self._lock:
            self._count += 1
            number = self._count
        cache = request.cache_name or DEFAULT_CACHE_NAME
        return Run(
            run_id=f"dry-run-{self._clock.now_ns()}-{number}",
            kind=kind,
            trigger_name="dry-run",
            database=request.database,
            plugin=source,
            args=request.arguments,
            thread="",
            namespace=f"dry-run:{cache}",
            global_namespace=f"dry-run-global:{cache}",
            default_ttl_s=CACHE_TTL_S,
            **given,
        )

    def _findings(self, writes: dict[str, list[str]]) -> list[str]:
        """Return what the database would say of the captured lines."""
        findings = []
        for database, lines in writes.items():
            try:
                self._rehearsal.rehearse(database, "\n".join(lines))
            except EngineError as refused:
                findings.append(f"line protocol parse error on write to db {database}: {refused}")
        return findings


def _next_due(schedule: str, now_ns: int) -> int | None:
    if schedule.startswith(("cron:", "every:")):
        spec = parse_trigger_spec(schedule)
        if isinstance(spec, EverySpec):
            return (now_ns // spec.period_ns + 1) * spec.period_ns
        schedule = schedule.removeprefix("cron:")
    return parse_cron(schedule).next_after(now_ns)


def _stored(folder: Path, schema: TableSchema, batch: pa.RecordBatch) -> TableBatch:
    """Put rows into a file of their own, where a host can map them."""
    encoding, data = encode_rows(batch)
    path = folder / f"{schema.name.encode().hex()[:64]}-{id(batch)}"
    path.write_bytes(data)
    columns = [(c.name, c.type.short) for c in schema.columns]
    ref = PayloadRef(str(path), 0, len(data), int(encoding), schema.version, batch.num_rows)
    return TableBatch(schema.name, columns, [ref])


def _shown(written: Written) -> Iterator[str]:
    """Yield what a plugin wrote as line protocol."""
    if isinstance(written, str):
        yield written
    else:
        kinds, batch = decode_columns(written)
        yield from lines_of(written.table, kinds, batch)


def _by_database(writes: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    by_database: dict[str, list[str]] = {}
    for database, text in writes:
        by_database.setdefault(database, []).append(text)
    return by_database


def _answer(log_lines: list[str], writes: dict[str, list[str]], errors: list[str]) -> dict[str, Any]:
    return {"log_lines": log_lines, "database_writes": writes, "errors": errors}
