"""The executor that runs plugins in threads of the server itself: for debuggers and tests, without protection."""

import logging
import threading
from collections.abc import Callable

import msgspec

from engine.clock import Clock
from engine.host.protocol import Done, Interrupt, NamespaceSync, Response, Run, RunError, Settle
from engine.host.runner import Runner
from engine.plugins.blame import CANCELLED_TEXT, GRACE_NS
from engine.plugins.blame_records import SECOND_NS
from engine.plugins.ports import RunLimits, RunServices

logger = logging.getLogger(__name__)

GRACE_S = GRACE_NS / SECOND_NS


class EmbeddedExecutor:
    """See ``ports.Executor``.

    A run that shall end gets an exception in its thread. If it goes on all the same – it waits in C code, or its code
    catches everything – its end is reported after the grace second, and its thread is left alone: it cannot be ended.
    Nothing protects the server from what plugins do to its process.
    """

    def __init__(self, clock: Clock) -> None:
        self._runner = Runner(clock)
        self._flights: dict[str, _Flight] = {}
        self._is_closing = False
        self._nothing_runs = threading.Condition()
        # Orders what is told to the caches: a state that was asked for before a commit must not arrive after it.
        self._telling = threading.Lock()

    def warm_up(self) -> None:
        """See ``ports.Executor``: the server's own process is as warm as it gets."""

    def run(self, run: Run, limits: RunLimits, services: RunServices, on_done: Callable[[Done], None]) -> None:
        """See ``ports.Executor``."""
        flight = _Flight(self, run.run_id, limits.timeout_s, services, on_done)
        with self._nothing_runs:
            self._flights[run.run_id] = flight
            is_closing = self._is_closing
        if is_closing:
            refusal = Done(run.run_id, RunError("cancelled", CANCELLED_TEXT))
            threading.Thread(target=flight.end, args=(refusal,), daemon=True).start()
            return
        with self._telling:
            complete = msgspec.structs.replace(run, state=self._lacking(run, services))
            self._runner.start(complete, flight, flight.end)

    def settle(self, run_id: str, *, committed: bool, versions: dict[str, int]) -> None:
        """See ``ports.Executor``."""
        with self._telling:
            self._runner.settle(Settle(run_id, "committed" if committed else "repeat", versions))

    def cancel(self, run_id: str) -> None:
        """See ``ports.Executor``."""
        self.order_end(Interrupt(run_id, "cancelled", CANCELLED_TEXT))

    def forget(self, namespace: str) -> None:
        """See ``ports.Executor``."""
        with self._telling:
            self._runner.forget(namespace)

    def renew(self) -> None:
        """See ``ports.Executor``: this process cannot be replaced."""
        logger.warning("packages have changed: what plugins have imported of them stays until the server is restarted")

    def close(self, timeout_s: float) -> None:
        """See ``ports.Executor``."""
        with self._nothing_runs:
            self._is_closing = True
            self._nothing_runs.wait_for(lambda: not self._flights, timeout_s)
            left = list(self._flights)
        for run_id in left:
            self.cancel(run_id)
        with self._nothing_runs:
            self._nothing_runs.wait_for(lambda: not self._flights, 2 * GRACE_S)
        self._runner.close()

    def order_end(self, order: Interrupt) -> None:
        """Interrupt a run, and report its end after the grace second even if it goes on."""
        with self._nothing_runs:
            flight = self._flights.get(order.run_id)
        if flight:
            flight.after(GRACE_S, lambda: self._runner.leave(order.run_id))
            self._runner.interrupt(order)

    def note_end(self, run_id: str) -> None:
        """Note that the end of a run was reported."""
        with self._nothing_runs:
            self._flights.pop(run_id, None)
            self._nothing_runs.notify_all()

    def _lacking(self, run: Run, services: RunServices) -> list[NamespaceSync]:
        names = (run.namespace, run.global_namespace)
        found = [services.namespace(name, self._runner.version(name)) for name in names]
        return [sync for sync in found if sync is not None]


class _Flight:
    """One run: its services, and the clocks that run against it (port ``host.ports.Services``)."""

    def __init__(
        self,
        executor: EmbeddedExecutor,
        run_id: str,
        timeout_s: float | None,
        services: RunServices,
        on_done: Callable[[Done], None],
    ) -> None:
        self.log, self.query, self.write_now = services.log, services.query, services.write_now
        self._executor = executor
        self._run_id = run_id
        self._timeout_s = timeout_s
        self._services = services
        self._on_done = on_done
        self._timers: list[threading.Timer] = []

    def entered(self) -> None:
        """Note the call of the plugin's function; its time limit counts from here."""
        self._services.entered()
        if self._timeout_s is not None:
            text = f"the run passed its timeout of {self._timeout_s:g} s"
            order = Interrupt(self._run_id, "timeout", text)
            self.after(self._timeout_s, lambda: self._executor.order_end(order))

    def part(self, head: Response | None, data: bytes, taken: Callable[[bool], None]) -> None:
        """Pass on a part of an answer."""
        self._services.part(head, data).add_done_callback(lambda future: taken(future.result()))

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Make ``call`` in ``delay_s`` seconds, unless the run has ended by then."""
        timer = threading.Timer(delay_s, call)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def end(self, done: Done) -> None:
        """Report the end."""
        for timer in self._timers:
            timer.cancel()
        try:
            self._on_done(done)
        finally:
            self._executor.note_end(self._run_id)
