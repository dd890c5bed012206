"""The executor that runs plugins in host processes: one host for all, more where blame demands them."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import msgspec

from engine.clock import Clock
from engine.host.protocol import (
    Beat,
    Done,
    Entered,
    Forget,
    FromHost,
    Interrupt,
    Log,
    Part,
    PartReply,
    PassedRun,
    Query,
    Run,
    RunError,
    Settle,
    ToHost,
    WriteNow,
)
from engine.plugins import orders
from engine.plugins.blame import CANCELLED_TEXT, GRACE_NS, Blame
from engine.plugins.blame_records import SECOND_NS, RunFacts
from engine.plugins.executors.calls import Calls
from engine.plugins.executors.ends import named_memory_error
from engine.plugins.namespaces import NamespaceKnowledge
from engine.plugins.ports import HostPlan, RunLimits, RunServices
from engine.plugins.processes import HostConfig, HostProcess
from engine.plugins.supervisor import STOP_NS, HostListener, Supervisor
from engine.plugins.wire import encode_frame
from engine.plugins.workers import Workers

logger = logging.getLogger(__name__)

MOST_ENDED_RUNS = 4096
"""So many ended runs are remembered, for their settlement and for threads that they left behind."""

LAST_WAIT_S = GRACE_NS / SECOND_NS + 1.5
"""What cancelled runs get to be over when the executor closes: the grace second, and some time for their ends."""


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """How plugin hosts are run.

    Attributes:
        host: what a host is started with.
        freeze_timeout_s: a host without heartbeat for so long counts as dead.
        query_threads: how many queries of plugins are worked on at a time.
        write_threads: how many immediate writes of plugins are worked on at a time.
        end_threads: how many ends of runs are handed on at a time.
    """

    host: HostConfig = field(default_factory=HostConfig)
    freeze_timeout_s: float = 10.0
    query_threads: int = 8
    write_threads: int = 16
    end_threads: int = 8


@dataclass(slots=True, eq=False)
class _Slot:
    """A host that blame speaks of by number; ``lock`` orders what it is sent with what it is known to know.

    ``users`` are the triggers that had runs in it, ``last`` the services of the latest run.
    ``passed`` are runs of other hosts that it was told of, and whose settlement it has to hear of.
    """

    number: int
    process: HostProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    knowledge: NamespaceKnowledge = field(default_factory=NamespaceKnowledge)
    passed: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    last: RunServices | None = None

    def know_nothing(self) -> None:
        self.knowledge, self.passed = NamespaceKnowledge(), set()

    def send(self, message: ToHost) -> None:
        if self.process is not None:
            self.process.send(encode_frame(message))


@dataclass(slots=True, eq=False)
class _Flight:
    """A run from ``run`` to its end.

    Attributes:
        slot: the host that it was sent to last.
        told: the end that a host told.
        interrupt: what has to follow the run to its host at once.
    """

    run: Run
    plan: HostPlan
    services: RunServices
    on_done: Callable[[Done], None]
    slot: _Slot | None = None
    told: Done | None = None
    interrupt: Interrupt | None = None


@dataclass(frozen=True, slots=True)
class _PastRun:
    """What is kept of a run that has ended."""

    slot: _Slot | None
    services: RunServices


class HostExecutor(HostListener):
    """See ``ports.Executor``; nothing is started before ``warm_up`` or the first run."""

    def __init__(self, config: ExecutorConfig, clock: Clock) -> None:
        self._clock = clock
        self.supervisor = Supervisor(config.host, clock, self)
        self._calls = Calls(config.query_threads, config.write_threads)
        self._ends = Workers("plugin-end", config.end_threads)
        self._lock = threading.Lock()
        self._nothing_runs = threading.Condition(self._lock)
        self._blame = Blame(config.freeze_timeout_s)
        self._slots: dict[int, _Slot] = {}
        self._flights: dict[str, _Flight] = {}
        self._ended: OrderedDict[str, _PastRun] = OrderedDict()
        self._handing_on = 0
        self._is_closing = False
        self._carriers: dict[type[orders.Order], Callable[..., None]] = {
            orders.StartHost: self._start_host,
            orders.SendRun: self._send_run,
            orders.Interrupt: self._interrupt,
            orders.EndHost: self._end_host,
            orders.PassDone: self._pass_done,
            orders.FailRun: self._fail_run,
            orders.Report: self._report,
        }
        self._ears: dict[type[FromHost], Callable[..., None]] = {
            Beat: self._hear_beat,
            Entered: self._hear_entered,
            Log: self._hear_log,
            Query: self._hear_query,
            WriteNow: self._hear_write_now,
            Part: self._hear_part,
            Done: self._hear_done,
        }

    # ---- the port

    def warm_up(self) -> None:
        """Start the shared host now, and a spare after it."""
        with self._lock:
            todo = self._blame.warm_up()
        self._carry_out(todo)

    def run(self, run: Run, limits: RunLimits, services: RunServices, on_done: Callable[[Done], None]) -> None:
        """See ``ports.Executor``."""
        timeout_ns, max_cpu_ns = _as_ns(limits.timeout_s), _as_ns(limits.max_cpu_s)
        facts = RunFacts(
            run.run_id, limits.owner, run.namespace, run.thread, timeout_ns, max_cpu_ns, limits.plan, _name_of(run)
        )
        flight = _Flight(run, limits.plan, services, on_done)
        with self._lock:
            if self._is_closing:
                self._hand_on(flight, _failed(run.run_id, orders.FailRun(run.run_id, "cancelled", CANCELLED_TEXT)))
                return
            todo = self._blame.admit(facts, self._clock.monotonic_ns())
            self._flights[run.run_id] = flight
        self._carry_out(todo)

    def settle(self, run_id: str, *, committed: bool, versions: dict[str, int]) -> None:
        """See ``ports.Executor``."""
        with self._lock:
            past = self._ended.get(run_id)
            slots = list(self._slots.values())
        for slot in slots:
            with slot.lock:
                is_here = (past is not None and past.slot is slot) or run_id in slot.passed
                slot.passed.discard(run_id)
                note = slot.knowledge.committed_here if is_here else slot.knowledge.committed_elsewhere
                for namespace, version in versions.items() if committed else ():
                    note(namespace, version)
                if is_here:
                    slot.send(Settle(run_id, "committed" if committed else "repeat", versions))

    def cancel(self, run_id: str) -> None:
        """See ``ports.Executor``."""
        with self._lock:
            todo = self._blame.cancel(run_id, self._clock.monotonic_ns())
        self._carry_out(todo)

    def forget(self, namespace: str) -> None:
        """See ``ports.Executor``."""
        with self._lock:
            todo = self._blame.forget(namespace)
            slots = list(self._slots.values())
        for slot in slots:
            with slot.lock:
                slot.knowledge.forget(namespace)
                slot.send(Forget(namespace))
        self._carry_out(todo)

    def renew(self) -> None:
        """See ``ports.Executor``."""
        self.supervisor.drop_spare()
        with self._lock:
            todo = self._blame.renew()
        self._carry_out(todo)

    def close(self, timeout_s: float) -> None:
        """See ``ports.Executor``; returns when every ``on_done`` has returned, or the last wait is over."""
        with self._lock:
            self._is_closing = True
            self._nothing_runs.wait_for(self._is_idle, timeout_s)
            unfinished = list(self._flights)
        if unfinished:
            logger.warning("runs did not end in time and are cancelled, without effects: runs=%d", len(unfinished))
        for run_id in unfinished:
            self.cancel(run_id)
        with self._lock:
            self._nothing_runs.wait_for(self._is_idle, LAST_WAIT_S)
            left = list(self._flights)
            self._slots.clear()
        self.supervisor.close()
        for run_id in left:
            self._fail_run(orders.FailRun(run_id, "cancelled", CANCELLED_TEXT))

    # ---- what hosts say; all of it on the supervisor's listening thread

    def host_ready(self, process: HostProcess) -> None:
        """See ``HostListener``."""
        slot = self._slot_of(process)
        if slot is None:
            return
        slot.process = process
        with self._lock:
            todo = self._blame.host_ready(slot.number, self._clock.monotonic_ns())
        self._carry_out(todo)

    def host_said(self, process: HostProcess, message: FromHost) -> None:
        """See ``HostListener``."""
        slot = self._slot_of(process)
        if slot is not None:
            self._ears[type(message)](slot, message)

    def host_printed(self, process: HostProcess, level: str, text: str) -> None:
        """See ``HostListener``: a line of the trigger, if no other has used the host; else one of the server's log."""
        slot = self._slot_of(process)
        if slot is not None and slot.last is not None and len(slot.users) == 1:
            slot.last.log(level, text)
        else:
            logger.log(_LEVELS[level], "plugin host printed: host=%d %s", process.number, text)

    def host_gone(self, process: HostProcess, words: str) -> None:
        """See ``HostListener``."""
        slot = self._slot_of(process)
        if slot is None:
            return
        slot.process = None
        slot.know_nothing()
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            todo = self._blame.host_died(slot.number, words, now_ns, was_killed=process.was_killed)
        self._carry_out(todo)
        with self._lock:
            if not self._blame.has_host(slot.number):
                self._slots.pop(slot.number, None)

    def tick(self, now_ns: int) -> None:
        """See ``HostListener``."""
        with self._lock:
            todo = self._blame.tick(now_ns)
            to_measure = self._blame.to_measure(now_ns)
        self._carry_out(todo)
        for number, with_threads in to_measure:
            self._measure(number, now_ns, with_threads=with_threads)

    def _measure(self, number: int, now_ns: int, *, with_threads: bool) -> None:
        slot = self._slots.get(number)
        process = slot.process if slot is not None else None
        if process is None or process.gauge is None:
            return
        usage = process.gauge.read(with_threads=with_threads)
        if usage is None:
            return
        most_bytes = process.plan.max_memory_bytes
        if most_bytes is not None and usage.processes > 1 and usage.memory_bytes > most_bytes:
            usage = replace(usage, memory_bytes=process.gauge.fair_memory_bytes())
        with self._lock:
            todo = self._blame.measured(number, usage, now_ns)
        self._carry_out(todo)

    def _hear_beat(self, slot: _Slot, _beat: Beat) -> None:
        with self._lock:
            todo = self._blame.beat(slot.number, self._clock.monotonic_ns())
        self._carry_out(todo)

    def _hear_entered(self, slot: _Slot, entered: Entered) -> None:
        with self._lock:
            self._blame.entered(slot.number, entered.run_id, self._clock.monotonic_ns(), entered.thread_id)
        services = self._services_of(entered.run_id)
        if services is not None:
            services.entered()

    def _hear_log(self, _slot: _Slot, log: Log) -> None:
        services = self._services_of(log.run_id)
        if services is not None:
            services.log(log.level, log.text)

    def _hear_query(self, slot: _Slot, query: Query) -> None:
        self._calls.query(query, self._services_of(query.run_id), slot.send)

    def _hear_write_now(self, slot: _Slot, write: WriteNow) -> None:
        self._calls.write_now(write, self._services_of(write.run_id), slot.send)

    def _hear_part(self, slot: _Slot, part: Part) -> None:
        """Pass on a part of an answer; while its client takes it, no time counts against the run."""
        with self._lock:
            flight = self._flights.get(part.run_id)
            if flight is not None and flight.slot is slot:
                self._blame.pause(slot.number, part.run_id, self._clock.monotonic_ns())
        if flight is None or flight.slot is not slot:
            slot.send(PartReply(part.call_id, wanted=False))
            return

        def taken(future: "Future[bool]") -> None:
            with self._lock:
                self._blame.resume(slot.number, part.run_id, self._clock.monotonic_ns())
            slot.send(PartReply(part.call_id, future.result()))

        flight.services.part(part.head, part.data).add_done_callback(taken)

    def _hear_done(self, slot: _Slot, done: Done) -> None:
        with self._lock:
            flight = self._flights.get(done.run_id)
            if flight is not None:
                done = named_memory_error(done, flight.plan.max_memory_bytes)
            is_out = done.error is not None and done.error.kind == "memory"
            todo = self._blame.done(slot.number, done.run_id, self._clock.monotonic_ns(), is_out_of_memory=is_out)
            if flight is not None and todo:
                flight.told = done
        self._carry_out(todo)

    # ---- carrying out what blame orders

    def _carry_out(self, todo: Iterable[orders.Order]) -> None:
        for order in todo:
            self._carriers[type(order)](order)

    def _start_host(self, order: orders.StartHost) -> None:
        with self._lock:
            if self._is_closing and not self._flights:
                return
            slot = self._slots.setdefault(order.host, _Slot(order.host))
        process = self.supervisor.obtain(order.host, order.plan, is_suspect=order.is_suspect)
        slot.process = process
        with self._lock:
            is_wanted = self._slots.get(order.host) is slot
        if not is_wanted:
            process.kill()

    def _send_run(self, order: orders.SendRun) -> None:
        with self._lock:
            slot, flight = self._slots.get(order.host), self._flights.get(order.run_id)
        if slot is None or flight is None:
            return
        try:
            while not self._try_send(flight, slot):
                pass
        except Exception as error:
            logger.exception("run not sent run_id=%s", order.run_id)
            slot.know_nothing()
            text = f"the run could not be handed to a plugin host: {type(error).__name__}: {error}"
            self._hear_done(slot, Done(order.run_id, error=RunError("host", text)))

    def _try_send(self, flight: _Flight, slot: _Slot) -> bool:
        """Send a run with what its host lacks; return whether what had to be asked for before is still what it lacks."""
        knowledge, run = slot.knowledge, flight.run
        changes, state = knowledge.changes, []
        for namespace in (run.namespace, run.global_namespace):
            sync = flight.services.namespace(namespace, knowledge.since(namespace))
            if sync is not None:
                state.append(sync)
        with slot.lock:
            if state and knowledge.changes != changes:
                return False
            flight.slot = slot
            slot.users.add(run.namespace)
            slot.last = flight.services
            passed = self._unknown_passed(slot, run)
            slot.send(msgspec.structs.replace(run, state=state, passed=passed) if state or run.passed else run)
            slot.passed.update(p.run_id for p in passed)
            for namespace in (run.namespace, run.global_namespace):
                knowledge.note_run(namespace)
            for sync in state:
                knowledge.note_sync(sync)
            interrupt, flight.interrupt = flight.interrupt, None
            if interrupt is not None:
                slot.send(interrupt)
        return True

    def _unknown_passed(self, slot: _Slot, run: Run) -> list[PassedRun]:
        """Return those of the passed runs that ``run`` starts from which neither ended in this host nor were told to it."""
        ended_here = {p.run_id for p in run.passed if (e := self._ended.get(p.run_id)) is not None and e.slot is slot}
        return [p for p in run.passed if p.run_id not in ended_here and p.run_id not in slot.passed]

    def _interrupt(self, order: orders.Interrupt) -> None:
        with self._lock:
            slot, flight = self._slots.get(order.host), self._flights.get(order.run_id)
        if slot is None or flight is None:
            return
        message = Interrupt(order.run_id, order.reason, order.text)
        with slot.lock:
            if flight.slot is slot:
                slot.send(message)
            else:
                flight.interrupt = message

    def _end_host(self, order: orders.EndHost) -> None:
        with self._lock:
            slot = self._slots.pop(order.host, None)
        if slot is None or slot.process is None:
            return
        if order.forcibly:
            slot.process.kill()
        else:
            slot.process.stop(self._clock.monotonic_ns() + STOP_NS)

    def _pass_done(self, order: orders.PassDone) -> None:
        with self._lock:
            flight = self._flights.pop(order.run_id, None)
            if flight is not None and flight.told is not None:
                self._remember(flight)
                self._hand_on(flight, flight.told)

    def _fail_run(self, order: orders.FailRun) -> None:
        with self._lock:
            flight = self._flights.pop(order.run_id, None)
            if flight is not None:
                self._remember(flight)
                self._hand_on(flight, _failed(order.run_id, order))

    def _report(self, order: orders.Report) -> None:
        logger.warning("%s", order.text)

    # ---- ends

    def _remember(self, flight: _Flight) -> None:
        self._ended[flight.run.run_id] = _PastRun(flight.slot, flight.services)
        if len(self._ended) > MOST_ENDED_RUNS:
            self._ended.popitem(last=False)

    def _hand_on(self, flight: _Flight, done: Done) -> None:
        """Have the end of a run told by another thread, for whoever hears it may take its time (called with the lock)."""
        self._handing_on += 1

        def tell() -> None:
            try:
                flight.on_done(done)
            finally:
                with self._lock:
                    self._handing_on -= 1
                    if self._is_idle():
                        self._nothing_runs.notify_all()

        self._ends.submit(tell)

    def _is_idle(self) -> bool:
        return not self._flights and not self._handing_on

    def _services_of(self, run_id: str) -> RunServices | None:
        run = self._flights.get(run_id) or self._ended.get(run_id)
        return run.services if run is not None else None

    def _slot_of(self, process: HostProcess) -> _Slot | None:
        slot = self._slots.get(process.tag) if process.tag is not None else None
        return slot if slot is not None and slot.process in (None, process) else None


def _failed(run_id: str, order: orders.FailRun) -> Done:
    return Done(run_id, error=RunError(order.kind, order.text))


_LEVELS = {"INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}


def _as_ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * SECOND_NS)


def _name_of(run: Run) -> str:
    return f"trigger {run.trigger_name} of database {run.database}"
