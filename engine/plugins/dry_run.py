"""Runs a plugin as a trigger would, with input that was never written and output that is only shown."""

import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow as pa

from engine.clock import Clock
from engine.columns.payload import encode_rows
from engine.errors import DatabaseNameError, EngineError
from engine.host.arrow_message import decode_columns
from engine.host.protocol import (
    Done,
    PayloadRef,
    PluginSource,
    RequestData,
    Response,
    Run,
    RunKind,
    TableBatch,
    Written,
)
from engine.lineprotocol.from_columns import lines_of
from engine.model.cron import parse_cron
from engine.model.durations import NS_PER_SECOND, format_duration
from engine.model.schema import TableSchema
from engine.model.trigger_spec import EverySpec, parse_trigger_spec
from engine.plugins.collected import Collected, DryRunQueries
from engine.plugins.environments import FOR_ALL, Failed, Ready, Tell
from engine.plugins.ports import Executor, HostPlan, RunLimits

DEFAULT_CACHE_NAME = "_shared_test"
CACHE_TTL_S = 30 * 60.0
EVERY_SECOND = "* * * * * *"


class Rehearsal(Protocol):
    """Knows what line protocol would write."""

    def rehearse(self, database: str, lines: str) -> list[tuple[TableSchema, pa.RecordBatch]]:
        """Return what ``lines`` would write, by table; raises ``InvalidRequest`` if any of them is refused."""


class DryRunSources(Protocol):
    """Finds the code of plugins."""

    def refresh(self, plugin_filename: str) -> PluginSource:
        """Return where a plugin is, fetched anew if it comes from elsewhere; raises ``PluginError`` if it is not there."""

    def content_hash(self, source: PluginSource) -> str:
        """Return a hash of what the plugin's files hold now."""


class DryRunEnvironments(Protocol):
    """Knows with which packages plugins run."""

    def wait(self, source: PluginSource, version: str, tell: Tell | None = None) -> Ready | Failed:
        """Return the environment of a plugin when it is built; ``tell`` hears how that goes on."""


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


@dataclass(frozen=True, slots=True)
class DryRunPorts:
    """The parts of the engine that dry runs work with; a run ends after ``timeout_s`` seconds."""

    executor: Executor
    sources: DryRunSources
    environments: DryRunEnvironments
    rehearsal: Rehearsal
    queries: DryRunQueries
    timeout_s: float


class DryRuns:
    """Carries out dry runs (processing-engine §7)."""

    def __init__(self, ports: DryRunPorts, clock: Clock) -> None:
        self._executor = ports.executor
        self._sources = ports.sources
        self._environments = ports.environments
        self._rehearsal = ports.rehearsal
        self._queries = ports.queries
        self._timeout_s = ports.timeout_s
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
        except DatabaseNameError:
            return _answer([], {}, [f"invalid database {request.database}"])
        except EngineError as refused:
            return _answer([], {}, [str(refused)])
        with TemporaryDirectory(prefix="influxdb3-dry-run-") as folder:
            batches = [_stored(Path(folder), schema, batch) for schema, batch in rows]
            return self._run(request, source, "wal", "starting execution of wal plugin.", batches=batches)[0]

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
        except EngineError as bad:
            return {"trigger_time": None} | _answer([], {}, [f"invalid schedule: {bad}"])
        except ValueError as bad:
            return {"trigger_time": None} | _answer([], {}, [f"invalid cron syntax: {bad}"])
        if due_ns is None:
            return {"trigger_time": None} | _answer([], {}, [f"cron schedule never triggers: {schedule}"])
        due = pa.scalar(due_ns // NS_PER_SECOND, pa.timestamp("s")).as_py()
        starting = f"starting execution with scheduled time {due:%Y-%m-%d %H:%M:%S} UTC"
        answer, done = self._run(request, source, "schedule", starting, call_time_s=due_ns // NS_PER_SECOND)
        return {"trigger_time": None if done.error else f"{due:%Y-%m-%dT%H:%M:%S}Z"} | answer

    def request(self, request: DryRunRequest, data: RequestData, *, database_exists: bool) -> dict[str, Any]:
        """Run ``process_request`` on ``data``; the answer also holds the ``response``, ``None`` if there is none.

        Raises:
            PluginError: the plugin is not there.
        """
        source = self._sources.refresh(request.filename)
        if not database_exists:
            return {"response": None} | _answer([], {}, ["couldn't find db"])
        answer, done = self._run(request, source, "request", "starting execution of request plugin.", request=data)
        return {"response": None if done.response is None else _shown(done.response)} | answer

    def _run(
        self, asked: DryRunRequest, source: PluginSource, kind: RunKind, starting: str, **given: Any
    ) -> tuple[dict[str, Any], Done]:
        """Return what is told of a run, and its end, with the whole response."""
        services = Collected(asked.database, self._queries)
        services.log("INFO", starting)
        version = self._sources.content_hash(source)
        environment = self._environments.wait(source, version, services.log)
        if isinstance(environment, Failed):
            source, environment = PluginSource(source.filename, "", environment.text), FOR_ALL
        run = self._run_message(asked, source, kind, given)
        ended: Future[Done] = Future()
        began_ns = self._clock.monotonic_ns()
        plan = HostPlan(environment.key, virtual_env=environment.virtual_env)
        limits = RunLimits(f"dry-run:{asked.filename}:{version}", self._timeout_s, plan)
        self._executor.run(run, limits, services, ended.set_result)
        done = services.completed(ended.result())
        buffered = done.writes or done.unwritten
        lines = ((database or asked.database, line) for database, part in buffered for line in _lines_of(part))
        writes = _by_database([*services.written_now, *lines])
        if done.error is not None:
            errors = [f"error executing plugin: {done.error.text}"]
            return _answer(services.log_lines, writes, errors, done.error.details), done
        services.log("INFO", f"finished execution in {format_duration(self._clock.monotonic_ns() - began_ns)}")
        return _answer(services.log_lines, writes, self._findings(writes)), done

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
            except DatabaseNameError as refused:
                findings.append(f"database name {database} is invalid: {refused}")
            except EngineError as refused:
                findings.append(f"line protocol parse error on write to db {database}: {refused}")
        return findings


def _next_due(schedule: str, now_ns: int) -> int | None:
    text = schedule.strip()
    if text.startswith("every:"):
        spec = parse_trigger_spec(text)
        if isinstance(spec, EverySpec):
            return (now_ns // spec.period_ns + 1) * spec.period_ns
    return parse_cron(text.removeprefix("cron:").strip()).next_after(now_ns)


def _stored(folder: Path, schema: TableSchema, batch: pa.RecordBatch) -> TableBatch:
    """Put rows into a file of their own, where a host can map them."""
    encoding, data = encode_rows(batch)
    path = folder / f"{schema.name.encode().hex()[:64]}-{id(batch)}"
    path.write_bytes(data)
    columns = [(c.name, c.type.short) for c in schema.columns]
    ref = PayloadRef(str(path), 0, len(data), int(encoding), schema.version, batch.num_rows)
    return TableBatch(schema.name, columns, [ref])


def _lines_of(written: Written) -> Iterator[str]:
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


def _shown(response: Response) -> dict[str, Any]:
    """Return a response as JSON can hold it; a body that is no text is shown in base64."""
    shown: dict[str, Any] = {"status": response.status, "headers": dict(response.headers)}
    try:
        return shown | {"body": response.body.decode(), "body_is_base64": False}
    except UnicodeDecodeError:
        return shown | {"body": base64.b64encode(response.body).decode(), "body_is_base64": True}


def _answer(log_lines: list[str], writes: dict[str, list[str]], errors: list[str], details: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {"log_lines": log_lines, "database_writes": writes, "errors": errors}
    return answer | {"error_details": details} if details else answer
