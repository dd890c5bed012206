"""Plugins for tests: runs of them, rows for them, and a database that answers them."""

import itertools
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.columns.payload import encode_rows
from engine.errors import QueryError
from engine.host.protocol import (
    Done,
    NamespaceSync,
    PayloadRef,
    PluginSource,
    Response,
    Run,
    RunKind,
    StateValue,
    TableBatch,
)
from engine.plugins.ports import Executor, RunLimits
from tests.support.batches import batch_of, table_schema

WAIT_S = 20.0
_numbers = itertools.count(1)


class FakeDatabase:
    """The services of runs, and the state that they commit.

    Attributes:
        answers: tables by SQL text; what is not among them cannot be planned.
        wants_parts: whether the client of an answer in parts wants more.
        refused: what an immediate write is refused with, ``None`` = it is taken.
    """

    def __init__(self) -> None:
        self.answers: dict[str, pa.Table] = {}
        self.refused: QueryError | None = None
        self.asked: list[tuple[str | None, str, dict[str, Any]]] = []
        self.written: list[tuple[str | None, str, bool]] = []
        self.logs: list[str] = []
        self.entries = 0
        self.parts: list[tuple[Response | None, bytes]] = []
        self.wants_parts = True
        self.version = 0
        self.values: dict[str, dict[str, tuple[int, StateValue]]] = {}
        self._logged = threading.Condition()

    def log(self, level: str, text: str) -> None:
        with self._logged:
            self.logs.append(f"{level}: {text}")
            self._logged.notify_all()

    def wait_for_log(self, line: str) -> None:
        with self._logged:
            assert self._logged.wait_for(lambda: line in self.logs, WAIT_S), self.logs

    def entered(self) -> None:
        self.entries += 1

    def query(self, database: str | None, sql: str, params: dict[str, Any]) -> bytes:
        self.asked.append((database, sql, params))
        if sql not in self.answers:
            raise QueryError(f"error: no plan executing query on {database or 'foo'}: {sql}")
        return ipc_stream(self.answers[sql])

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        if self.refused is not None:
            raise self.refused
        self.written.append((database, lines, no_sync))

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        values = self.values.get(namespace, {})
        lacking = [value for version, value in values.values() if version > since]
        if not values or (since and not lacking):
            return None
        return NamespaceSync(namespace, self.version, whole=since == 0, values=lacking)

    def part(self, head: Response | None, data: bytes, taken: Callable[[bool], None] | None = None) -> "Future[bool]":
        """Take a part of an answer; the first one is kept with its head. Serves both sides of the connection."""
        self.parts.append((head, data))
        future: Future[bool] = Future()
        future.set_result(self.wants_parts)
        if taken is not None:
            taken(self.wants_parts)
        return future

    def commit(self, done: Done) -> dict[str, int]:
        """Make the state changes of ``done`` durable; return the versions for ``settle``."""
        self.version += 1
        for change in done.changes:
            if change.clear:
                self.values[change.namespace] = {}
            values = self.values.setdefault(change.namespace, {})
            values.update({value.key: (self.version, value) for value in change.values})
        return {change.namespace: self.version for change in done.changes}

    def stored(self, namespace: str) -> dict[str, StateValue]:
        """Return what is committed, by key."""
        return {key: value for key, (_, value) in self.values.get(namespace, {}).items()}


def ipc_stream(table: pa.Table) -> bytes:
    """Return ``table`` as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def plugin_file(folder: Path, code: str, name: str = "plugin.py") -> PluginSource:
    """Write a single-file plugin."""
    path = folder / name
    path.write_text(textwrap.dedent(code))
    return PluginSource(name, str(path))


def plugin_folder(folder: Path, files: Mapping[str, str], name: str = "pack") -> PluginSource:
    """Write a plugin that is a folder."""
    for relative, code in files.items():
        path = folder / name / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
    return PluginSource(name, str(folder / name))


def table_batch(
    folder: Path, columns: Mapping[str, str], *payloads: Sequence[Mapping[str, Any]], table: str = "cpu"
) -> TableBatch:
    """Store each of ``payloads`` in a file of its own, with those first columns that its rows need."""
    refs = []
    names = list(columns)
    for rows in payloads:
        version = max(names.index(name) for row in rows for name in row) + 1
        schema = table_schema(dict(list(columns.items())[:version]), name=table)
        encoding, data = encode_rows(batch_of(schema, rows))
        path = folder / f"payload-{next(_numbers)}"
        path.write_bytes(b"before" + data + b"after")
        refs.append(PayloadRef(str(path), len(b"before"), len(data), encoding, version, len(rows)))
    return TableBatch(table, list(columns.items()), refs)


def plugin_run(plugin: PluginSource, kind: RunKind = "schedule", **content: Any) -> Run:
    """Return a run of ``plugin`` in a thread of its own; ``content`` are further fields of ``Run``."""
    given = {"call_time_s": 0 if kind == "schedule" else None, "namespace": "trigger", "args": None, "thread": ""}
    return Run(
        run_id=f"run-{next(_numbers)}",
        kind=kind,
        trigger_name="t",
        database="foo",
        plugin=plugin,
        **(given | content),
    )


class Ends:
    """Collects the ends of runs; the first of each comes as a future."""

    def __init__(self) -> None:
        self.all: list[Done] = []
        self._futures: dict[str, Future[Done]] = {}

    def expect(self, run: Run) -> "Future[Done]":
        return self._futures.setdefault(run.run_id, Future())

    def __call__(self, done: Done) -> None:
        self.all.append(done)
        future = self._futures[done.run_id]
        if not future.done():
            future.set_result(done)


def start(executor: Executor, run: Run, database: FakeDatabase, timeout_s: float | None = None) -> "Future[Done]":
    """Start ``run`` and return its end; its plugin's path answers for it."""
    ends = Ends()
    future = ends.expect(run)
    executor.run(run, RunLimits(run.plugin.path, timeout_s), database, ends)
    return future


def finish(executor: Executor, run: Run, database: FakeDatabase, timeout_s: float | None = None) -> Done:
    """Return how ``run`` ended."""
    return start(executor, run, database, timeout_s).result(WAIT_S)
