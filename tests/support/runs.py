"""Runs for executors, and a record of what came of each."""

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from engine.errors import QueryError
from engine.host.protocol import Done, NamespaceSync, PluginSource, Response, Run
from engine.plugins.ports import SHARED_HOST, Executor, HostPlan, RunLimits

WAIT_S = 20.0
_numbers = itertools.count(1)


class RecordingServices:
    """The services of one run; ``state`` answers ``namespace``."""

    def __init__(self) -> None:
        self.logs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.has_entered = threading.Event()
        self.entries = 0
        self.asked: list[tuple[str, int]] = []
        self.written: list[tuple[str | None, str, bool]] = []
        self.parts: list[tuple[Response | None, bytes]] = []
        self.state: Callable[[str, int], NamespaceSync | None] = lambda namespace, since: None

    def log(self, level: str, text: str) -> None:
        self.logs.put(text)

    def entered(self) -> None:
        self.entries += 1
        self.has_entered.set()

    def query(self, database: str | None, sql: str, params: dict[str, str | int | float | bool | None]) -> bytes:
        if sql == "bad":
            raise QueryError("error while planning query")
        if sql == "bug":
            raise ZeroDivisionError("division by zero")
        return f"{database} {sql} {params}".encode()

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        self.written.append((database, lines, no_sync))

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        self.asked.append((namespace, since))
        return self.state(namespace, since)

    def part(self, head: Response | None, data: bytes) -> "Future[bool]":
        self.parts.append((head, data))
        taken: Future[bool] = Future()
        taken.set_result(True)
        return taken

    def next_log(self) -> str:
        return self.logs.get(timeout=WAIT_S)


class Started:
    """One run that was started: its end comes as a future."""

    def __init__(self, run: Run, services: RecordingServices) -> None:
        self.run = run
        self.services = services
        self.ends: list[Done] = []
        self._end: Future[Done] = Future()

    def on_done(self, done: Done) -> None:
        self.ends.append(done)
        if len(self.ends) == 1:
            self._end.set_result(done)

    def end(self, timeout_s: float = WAIT_S) -> Done:
        return self._end.result(timeout_s)

    def wait_entered(self) -> None:
        assert self.services.has_entered.wait(WAIT_S)


def start_run(
    executor: Executor,
    args: dict[str, str] | None = None,
    *,
    trigger: str = "t",
    thread: str = "",
    timeout_s: float | None = None,
    max_cpu_s: float | None = None,
    plan: HostPlan = SHARED_HOST,
    version: int = 1,
    source: PluginSource | None = None,
    services: RecordingServices | None = None,
) -> Started:
    """Start a scheduled run of ``trigger``; ``version`` is that of its plugin file."""
    run = Run(
        run_id=f"run-{next(_numbers)}",
        kind="schedule",
        trigger_name=trigger,
        database="db",
        plugin=source or PluginSource("p.py", "/nowhere/p.py"),
        args=args,
        thread=thread,
        namespace=trigger,
        call_time_s=0,
    )
    started = Started(run, services or RecordingServices())
    executor.run(run, RunLimits(f"{trigger}@{version}", timeout_s, plan, max_cpu_s), started.services, started.on_done)
    return started
