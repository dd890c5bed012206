"""An executor whose runs end when, and as, a test says."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.host.protocol import Done, NamespaceChange, NamespaceSync, Response, Run, RunError, StateValue
from engine.plugins.ports import RunLimits, RunServices


@dataclass(eq=False)
class StartedRun:
    """A run that the engine began; ``end`` ends it."""

    run: Run
    limits: RunLimits
    services: RunServices
    on_done: Callable[[Done], None]
    has_ended: bool = False

    def end(self, done: Done) -> None:
        """End as ``done`` says."""
        self.has_ended = True
        self.on_done(done)

    def succeed(self, *lines: str, database: str | None = None, response: Response | None = None) -> None:
        """End as a plugin that wrote ``lines``."""
        self.end(Done(self.run.run_id, writes=[(database, line) for line in lines], response=response))

    def succeed_with_state(self, key: str, value: bytes, *lines: str) -> None:
        """End as a plugin that wrote ``lines`` and put ``value`` into its cache."""
        change = NamespaceChange(self.run.namespace, False, [StateValue(key, value)])
        self.end(Done(self.run.run_id, writes=[(None, line) for line in lines], changes=[change]))

    def fail(self, text: str = "ValueError: no", kind: str = "call") -> None:
        """End as a plugin that raised."""
        self.end(Done(self.run.run_id, error=RunError(kind, text, f"Traceback: {text}")))  # type: ignore[arg-type]

    @property
    def state(self) -> dict[str, bytes | None]:
        """What the run finds in its own cache namespace."""
        sync: NamespaceSync | None = self.services.namespace(self.run.namespace, 0)
        return {v.key: v.pickled for v in sync.values} if sync else {}


@dataclass(eq=False)
class ScriptedExecutor:
    """Keeps the runs it is asked for (port ``Executor``); ``answer`` ends them at once, if it is set."""

    answer: Callable[[StartedRun], None] | None = None
    started: list[StartedRun] = field(default_factory=list)
    settled: list[tuple[str, bool, dict[str, int]]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    renewed: int = 0
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _taken: int = 0

    def warm_up(self) -> None:
        """See ``Executor``."""

    def run(self, run: Run, limits: RunLimits, services: RunServices, on_done: Callable[[Done], None]) -> None:
        """See ``Executor``."""
        begun = StartedRun(run, limits, services, on_done)
        services.entered()
        with self._arrived:
            self.started.append(begun)
            self._arrived.notify_all()
        if self.answer is not None:
            threading.Thread(target=self.answer, args=(begun,), daemon=True).start()

    def next(self, timeout_s: float = 10.0) -> StartedRun:
        """Return the next run that began and was not returned yet."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.started) > self._taken, timeout_s):
                raise AssertionError("no further run began")
            self._taken += 1
            return self.started[self._taken - 1]

    @property
    def waiting(self) -> int:
        """How many runs began and were not returned by ``next`` yet."""
        return len(self.started) - self._taken

    def settle(self, run_id: str, *, committed: bool, versions: dict[str, int]) -> None:
        """See ``Executor``."""
        self.settled.append((run_id, committed, versions))

    def cancel(self, run_id: str) -> None:
        """See ``Executor``."""
        for begun in self.started:
            if begun.run.run_id == run_id:
                begun.fail("cancelled", "cancelled")

    def forget(self, namespace: str) -> None:
        """See ``Executor``."""
        self.forgotten.append(namespace)

    def renew(self) -> None:
        """See ``Executor``."""
        self.renewed += 1

    def close(self, timeout_s: float) -> None:
        """See ``Executor``."""
        for begun in [begun for begun in self.started if not begun.has_ended]:
            begun.fail("the run was cancelled", "cancelled")
