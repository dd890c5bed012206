"""What plugin execution needs of the rest of the engine, and what it offers to it."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.host.protocol import Done, NamespaceSync, Response, Run


class RunServices(Protocol):
    """What one run may ask of the database; a dry run is given another one.

    All methods may be called from any thread, also after the run ended (threads that a plugin left behind).
    """

    def log(self, level: str, text: str) -> None:
        """Keep a log line of the plugin; ``level`` is ``INFO``, ``WARN`` or ``ERROR``. Never blocks."""

    def entered(self) -> None:
        """Note that the plugin's function is about to be called. Never blocks."""

    def query(self, database: str | None, sql: str, params: dict[str, str | int | float | bool | None]) -> bytes:
        """Return the rows of ``sql`` as an Arrow IPC stream; ``database`` ``None`` means that of the trigger.

        Raises:
            EngineError: the text is what the plugin's ``QueryError`` shall say.
        """

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        """Write ``lines``; return when they are durable, when they are accepted if ``no_sync``.

        Raises:
            EngineError: the text is what the plugin's exception shall say.
        """

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        """Return what a host that knows version ``since`` of ``namespace`` lacks (0: it knows nothing); ``None`` = nothing."""

    def part(self, head: Response | None, data: bytes) -> "Future[bool]":
        """Take a part of the answer to a request, the first one with the answer's ``head``, a response without body.

        The future, which nobody cancels, tells when the client took it, and whether it wants more. A run that is
        repeated begins its answer anew.
        """


@dataclass(frozen=True, slots=True)
class HostPlan:
    """In which plugin host a run takes place: runs with equal plans share one, unless they want to be alone.

    Attributes:
        key: names a host besides the shared one, whose key is empty; for instance the hash of an environment.
        is_alone: the trigger (the run's cache namespace) has a host of its own, whatever others with this plan do.
        max_memory_bytes: memory that the host may use, with all that it starts; ``None`` = no limit.
        virtual_env: a virtual environment whose Python runs the host and whose packages come before those of the server;
            ``None`` = the server's Python, with the packages that are installed for all plugins.
    """

    key: str = ""
    is_alone: bool = False
    max_memory_bytes: int | None = None
    virtual_env: Path | None = None


SHARED_HOST = HostPlan()


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a run may use up, where it runs, and who answers for it.

    Attributes:
        owner: names the trigger in one generation with one content of its plugin file; blame sticks to it.
        timeout_s: seconds from the call of the plugin's function, ``None`` = no limit.
        plan: its plugin host.
        max_cpu_s: seconds of CPU time from then on, ``None`` = no limit. It needs a host of its own: of runs side by side
            in one host only their threads count, not the threads and processes that they start.
    """

    owner: str
    timeout_s: float | None = None
    plan: HostPlan = field(default=SHARED_HOST)
    max_cpu_s: float | None = None


class Executor(Protocol):
    """Runs plugin code."""

    def warm_up(self) -> None:
        """Prepare for runs to come, and return at once; harmless if that was done before."""

    def run(self, run: Run, limits: RunLimits, services: RunServices, on_done: Callable[[Done], None]) -> None:
        """Start ``run`` and return; ``on_done`` is called exactly once, from a thread of the executor.

        The executor fills ``run.state`` itself from ``services.namespace``. A run whose host died without its fault
        is repeated by the executor, so ``on_done`` only tells of ends that count: success, an exception, a passed
        limit, a proven crash, cancelled.
        """

    def settle(self, run_id: str, *, committed: bool, versions: dict[str, int]) -> None:
        """Tell what became of a finished run: its state is durable as ``versions``, or it will be repeated."""

    def cancel(self, run_id: str) -> None:
        """Interrupt a run; its ``on_done`` gets an error of kind ``cancelled``, at the latest after the grace second."""

    def forget(self, namespace: str) -> None:
        """Drop a cache namespace in every host."""

    def renew(self) -> None:
        """Have further runs without a virtual environment of their own take place in fresh hosts: packages have changed.

        What runs goes on where it is, with what it has imported.
        """

    def close(self, timeout_s: float) -> None:
        """End all runs (as ``cancel`` does) and all hosts, after at most ``timeout_s`` seconds for runs to end by themselves."""
