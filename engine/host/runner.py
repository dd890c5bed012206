"""Runs plugin functions in threads of this process, and reports how each run ended, whatever the plugin's code does."""

import datetime
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from engine.clock import Clock
from engine.host import output
from engine.host.answers import send_answer
from engine.host.api import PyPluginCallApi, RunState
from engine.host.batches import PayloadFiles, table_batches
from engine.host.cache import CacheStore
from engine.host.errors import RunInterrupted, as_run_error, encodable
from engine.host.lanes import Lanes
from engine.host.loader import PluginLoader
from engine.host.memory import PeakMemory
from engine.host.packages import Package
from engine.host.ports import Services
from engine.host.protocol import (
    CacheRules,
    Done,
    ErrorKind,
    Interrupt,
    NamespaceChange,
    RequestData,
    Response,
    Run,
    RunError,
    Settle,
)
from engine.host.request import RequestHeaders
from engine.host.response import to_answer
from engine.host.ticket import Ticket

LONGEST_CHAIN = 16
"""Of an exception's causes so many are looked at; plugins can build chains without end."""


class Runner:
    """Executes runs; every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._caches = CacheStore(clock)
        self._loader = PluginLoader(clock)
        self._files = PayloadFiles()
        self._lanes = Lanes()
        self._memory = PeakMemory()
        self._lock = threading.Lock()
        self._executions: dict[str, _Execution] = {}

    def start(self, run: Run, services: Services, on_done: Callable[[Done], None]) -> None:
        """Begin ``run`` in its thread and return; ``on_done`` is called exactly once, from any thread."""
        rules = {run.namespace: run.cache, run.global_namespace: CacheRules(most_bytes=run.cache.most_bytes)}
        emptied = [u.namespace for u in run.state if self._caches.sync(u, rules[u.namespace])]
        for passed in run.passed:
            emptied += self._caches.take_passed(passed, rules)
        for namespace in dict.fromkeys(emptied):
            whose = "the global cache" if namespace == run.global_namespace else "the cache of this trigger"
            services.log("WARN", f"{whose} held values that cannot survive a restart: it starts empty")
        cache = self._caches.open(run.run_id, rules, run.default_ttl_s, services.log)
        ticket = Ticket(run, RunState(services, self._caches, cache), on_done)
        execution = _Execution(ticket, self._loader, self._files, self._memory, self._forget_execution)
        with self._lock:
            self._executions[run.run_id] = execution
        self._lanes.submit(run.thread, execution.job)

    def interrupt(self, order: Interrupt) -> None:
        """End a run as well as that can be done from within: by an exception in its thread, or before it began."""
        execution = self._find(order.run_id)
        if execution:
            execution.ticket.order_end(order)

    def leave(self, run_id: str) -> None:
        """Report the end of a run that was interrupted and goes on all the same, and let nobody wait for its thread."""
        execution = self._find(run_id)
        if execution and execution.ticket.give_up():
            self._lanes.leave(execution.ticket.run.thread, execution.job)

    def settle(self, message: Settle) -> None:
        """Note what became of a finished run."""
        self._caches.settle(message)

    def forget(self, namespace: str) -> None:
        """Drop a cache namespace."""
        self._caches.forget(namespace)

    def version(self, namespace: str) -> int:
        """Return the newest version of a cache namespace that is known here, 0 for none."""
        return self._caches.version(namespace)

    def running(self) -> list[str]:
        """Return the ids of all runs that are not over."""
        with self._lock:
            return list(self._executions)

    def close(self) -> None:
        """Take plugin packages out of Python's tables, and let threads end; what runs goes on."""
        self._loader.close()
        self._lanes.close()

    def _find(self, run_id: str) -> "_Execution | None":
        with self._lock:
            return self._executions.get(run_id)

    def _forget_execution(self, execution: "_Execution") -> None:
        with self._lock:
            if self._executions.get(execution.ticket.run.run_id) is execution:
                del self._executions[execution.ticket.run.run_id]


class _Execution:
    """One run in its thread.

    Everything from ``ticket.begin`` to ``ticket.end`` may be cut off by an exception anywhere, at most once.
    """

    def __init__(
        self,
        ticket: Ticket,
        loader: PluginLoader,
        files: PayloadFiles,
        memory: PeakMemory,
        on_end: Callable[["_Execution"], None],
    ) -> None:
        self.ticket = ticket
        self._loader = loader
        self._files = files
        self._memory = memory
        self._on_end = on_end
        self._package: Package | None = None
        self._error: RunError | None = None
        self._response: Response | None = None
        self._changes: list[NamespaceChange] | None = None

    def job(self) -> None:
        """Do all of it."""
        self._memory.begin()
        if self.ticket.begin():
            started_ns = time.thread_time_ns()
            try:
                output.listen_to(self.ticket.state.services.log)
                self._attempt()
                self._collect()
                self.ticket.end()
            except RunInterrupted:
                self._collect()
                self.ticket.end()
            output.stop_listening()
            done = self._done(time.thread_time_ns() - started_ns, self._memory.end())
            if not self.ticket.finish(done):
                self.ticket.state.cache.abandon()
        else:
            self._memory.end()
        self._on_end(self)

    def _attempt(self) -> None:
        """Call the plugin's function; whatever its code raises becomes the run's error."""
        run, state = self.ticket.run, self.ticket.state
        kind: ErrorKind = "load"
        source: str | None = None
        try:
            loaded = self._loader.load(run.plugin, run.kind, state.services.log)
            source, self._package = loaded.source, loaded.package
            kind = "host"
            arguments = _arguments(run, self._files, rows_may_wait=loaded.rows_may_wait)
            kind = "call"
            state.services.entered()
            result = loaded.function(PyPluginCallApi(state), *arguments)
            kind = "response"
            self._take(result)
        except BaseException as error:  # noqa: BLE001 - SystemExit and its like end a run, not the thread; it is told
            self._error = as_run_error(kind, error, source)
            if _lacks_module(error):
                self._loader.note_import_error()

    def _take(self, result: Any) -> None:
        if inspect.iscoroutine(result):
            result.close()
            self.ticket.state.services.log("WARN", "the plugin's function is asynchronous: nobody awaits its result")
        if self.ticket.run.kind == "request":
            services = self.ticket.state.services
            answer = to_answer(result, lambda text: services.log("WARN", text))
            self._response = send_answer(answer, services)

    def _collect(self) -> None:
        """Note what the run changed in the cache, once."""
        if self._changes is None:
            try:
                self._changes = self.ticket.state.cache.changes()
            except BaseException as error:  # noqa: BLE001 - the code that pickles a value may raise anything; it is told
                self.ticket.state.cache.abandon()
                self._changes = []
                self._error = self._error or as_run_error("call", error)

    def _done(self, cpu_ns: int, peak_memory_bytes: int) -> Done:
        run_id, order = self.ticket.run.run_id, self.ticket.interrupt
        error, changes = self._error, self._changes or []
        if order is not None:
            error = RunError(order.reason, encodable(order.text), error.details if error else "")
        if error is None:
            return Done(
                run_id, None, list(self.ticket.state.writes), changes, self._response, cpu_ns, peak_memory_bytes
            )
        if self._package is not None:
            readable = self._package.readable
            error = RunError(error.kind, readable(error.text), readable(error.details))
        return Done(
            run_id,
            error,
            changes=changes,
            cpu_ns=cpu_ns,
            peak_memory_bytes=peak_memory_bytes,
            unwritten=list(self.ticket.state.writes),
        )


def _arguments(run: Run, files: PayloadFiles, *, rows_may_wait: bool) -> tuple[Any, ...]:
    """Return what the plugin's function gets after ``influxdb3_local``; all of it is the plugin's own to change."""
    args = None if run.args is None else dict(run.args)
    if run.kind == "wal":
        batches = table_batches(run.batches, files)
        if not rows_may_wait:
            for batch in batches:
                batch["rows"]
        return batches, args
    if run.kind == "schedule":
        call_time = datetime.datetime.fromtimestamp(run.call_time_s or 0, datetime.UTC).replace(tzinfo=None)
        return call_time, args
    request = run.request or RequestData({}, {}, b"")
    headers = RequestHeaders(
        request.headers, method=request.method, path=request.path, query_string=request.query_string
    )
    return dict(request.query_parameters), headers, request.body, args


def _lacks_module(error: BaseException | None) -> bool:
    for _ in range(LONGEST_CHAIN):
        if error is None or isinstance(error, ImportError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, ImportError)
