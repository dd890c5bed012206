"""Who answers when a plugin host dies, freezes or has to be ended: events in, orders out; no clock, no process, no lock.

There are two proofs against a run: it passed its limit while its host's heart beat (of CPU time: in any case), or it
ended, froze or overloaded a fresh host in which it ran alone – twice, if the host was killed, which others can do.
After any other death or freeze everything in flight is repeated one by one, each alone in a fresh host. A host that was
ended for a known reason costs the others nothing but a repetition in its successor.
A proven culprit's run fails, and its owner keeps an own host until its owner string changes.

Runs with equal plans share a host; who wants to be alone, or was proven to be a culprit, has an own one. Only hosts that
were started for one owner or one repetition can prove anything: a shared one may also be ended by something outside, or by
a thread that an earlier run left behind.
"""

from collections import deque
from collections.abc import Iterable

from engine.host.protocol import BEAT_INTERVAL_S, ErrorKind, InterruptReason
from engine.model.sizes import format_size
from engine.plugins.blame_records import SECOND_NS, HostRecord, RunFacts, RunRecord, Verdict, cpu_text
from engine.plugins.orders import EndHost, FailRun, Interrupt, Order, PassDone, Report, Role, SendRun, StartHost
from engine.plugins.ports import SHARED_HOST, HostPlan
from engine.plugins.suspicion import Suspicion
from engine.plugins.usage import Usage

GRACE_NS = SECOND_NS
"""From the exception in a run's thread to the end of its host."""

LONGEST_BEAT_GAP_NS = int(4 * BEAT_INTERVAL_S * SECOND_NS)
"""A longer time between two beats is time without heartbeat, which counts against nobody's limit."""

LONGEST_TICK_NS = SECOND_NS // 2
"""What goes beyond this between two ticks was the server's own absence, not a host's silence."""

PATIENCE_NS = 2 * SECOND_NS
"""A repetition that takes longer no longer keeps the next one waiting; each still runs alone."""

TRIALS_AT_EASE = 4
"""For each so many repetitions that go on and on the next one waits longer, by one more patience: hosts take memory."""

LOOK_NS = SECOND_NS // 10
"""How often the processes of a host without limits of its own are counted, while something runs in it."""

MOST_PROCESSES = 128
"""A host with more processes counts as overrun: a fork bomb, or nearly."""

FIRST_RESTART_NS = SECOND_NS // 10
LONGEST_RESTART_NS = 5 * SECOND_NS

MOST_IDLE_OWN_HOSTS = 8
"""Own hosts of culprits that have nothing to run are kept up to this number, for what lives in their memory."""

CANCELLED_TEXT = "the run was cancelled"
KILLED_TEXT = "was killed by signal 9 (SIGKILL)"


class Blame:
    """The state of all hosts and runs; a method is an event at the time ``now_ns`` (monotonic) and returns orders."""

    def __init__(self, freeze_timeout_s: float = 10.0) -> None:
        self._freeze_ns = int(freeze_timeout_s * SECOND_NS)
        self._freeze_text = f"gave no sign of life for {freeze_timeout_s:g} s"
        self._numbers = 0
        self._last_tick_ns: int | None = None
        self._runs: dict[str, RunRecord] = {}
        self._threads: dict[str, list[RunRecord]] = {}
        self._hosts: dict[int, HostRecord] = {}
        self._shared: dict[HostPlan, HostRecord] = {}
        self._own: dict[str, HostRecord] = {}
        self._convicted: dict[str, str] = {}
        self._suspected: dict[str, str] = {}
        self._trials: deque[RunRecord] = deque()
        self._parked: list[RunRecord] = []
        self._suspicion = Suspicion()

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The ids of all runs that were admitted and did not end."""
        return tuple(self._runs)

    def has_host(self, number: int) -> bool:
        """Return whether a host counts: it was started, and neither died nor was ended."""
        return number in self._hosts

    def has_own_host(self, owner: str) -> bool:
        """Return whether ``owner`` was proven to be a culprit and still is what it was then."""
        return owner in self._convicted.values()

    # ---- events

    def warm_up(self) -> list[Order]:
        """Start the shared host before the first run comes."""
        orders: list[Order] = []
        if SHARED_HOST not in self._shared:
            self._shared[SHARED_HOST] = self._start(Role.SHARED, SHARED_HOST, orders)
        return orders

    def admit(self, facts: RunFacts, now_ns: int) -> list[Order]:
        """Take up a new run."""
        if facts.run_id in self._runs:
            raise ValueError(f"run {facts.run_id} is in flight already")
        run = RunRecord(facts)
        self._runs[facts.run_id] = run
        if facts.thread:
            self._threads.setdefault(facts.thread, []).append(run)
        orders: list[Order] = []
        if any(held.get(facts.subject, facts.owner) != facts.owner for held in (self._convicted, self._suspected)):
            self._release(facts.subject, orders)
        self._place(run, now_ns, orders)
        return orders

    def host_ready(self, number: int, now_ns: int) -> list[Order]:
        """Note that the process of a host has loaded what it needs."""
        host = self._hosts.get(number)
        orders: list[Order] = []
        if host is None:
            return orders
        host.ready, host.last_beat_ns, host.silent_ns, host.failures = True, now_ns, 0, 0
        for run in list(host.runs.values()):
            self._send(run, host, now_ns, orders)
        return orders

    def beat(self, number: int, now_ns: int) -> list[Order]:
        """Charge the time since the last heartbeat of a host to its runs, now that the next came, and hold their limits."""
        host = self._hosts.get(number)
        orders: list[Order] = []
        if host is None:
            return orders
        last, host.last_beat_ns, host.silent_ns = host.last_beat_ns, now_ns, 0
        if now_ns - last > LONGEST_BEAT_GAP_NS:
            return orders
        for run in host.runs.values():
            if run.paused and run.verdict is None:
                continue
            if run.sent and run.facts.timeout_ns is not None and (run.entered or self._is_first_in_thread(run)):
                run.spent_ns += max(0, now_ns - max(last, run.since_ns))
                if run.verdict is None and run.limit_ns is not None and run.spent_ns >= run.limit_ns:
                    self._condemn(run, host, Verdict("timeout", run.timeout_text()), orders)
        if any(r.is_past_grace(GRACE_NS) for r in host.runs.values()):
            self._end_for_cause(host, now_ns, orders)
        return orders

    def to_measure(self, now_ns: int) -> list[tuple[int, bool]]:
        """Return the hosts whose usage is wanted now, and whether that of their threads is; ``measured`` takes it."""
        wanted = []
        for host in self._hosts.values():
            has_cpu_limit = any(run.facts.max_cpu_ns is not None for run in host.runs.values())
            is_due = now_ns >= host.next_look_ns and (bool(host.runs) or host.plan.max_memory_bytes is not None)
            if host.ready and (is_due or has_cpu_limit):
                is_close = host.plan.max_memory_bytes is not None and bool(host.runs)
                host.next_look_ns = now_ns + (0 if is_close else LOOK_NS)
                wanted.append((host.number, has_cpu_limit or host.silent_ns >= LONGEST_BEAT_GAP_NS))
        return wanted

    def measured(self, number: int, usage: Usage, now_ns: int) -> list[Order]:
        """Hold the limits of memory, CPU time and processes, now that it is known what a host uses."""
        host = self._hosts.get(number)
        orders: list[Order] = []
        if host is None:
            return orders
        used_cpu_ns, host.cpu_ns = max(0, usage.cpu_ns - host.cpu_ns), usage.cpu_ns
        passed_ns, host.measured_ns = now_ns - (host.measured_ns or now_ns), now_ns
        if usage.wants_cpu:  # silent for want of a core, not of life
            host.silent_ns = max(0, host.silent_ns - max(0, passed_ns - used_cpu_ns))
        entered = [run for run in host.runs.values() if run.entered]
        for run in entered:
            run.charge_cpu(used_cpu_ns, usage.threads.get(run.thread_id, 0), is_alone=len(entered) == 1)
            if run.verdict is None and run.facts.max_cpu_ns is not None and run.cpu_ns >= run.facts.max_cpu_ns:
                run.end_by_ns = now_ns + GRACE_NS
                self._condemn(run, host, Verdict("cpu", cpu_text(run)), orders)
        if usage.processes > MOST_PROCESSES:
            words = f"ran {usage.processes} processes at a time, more than the {MOST_PROCESSES} that are allowed"
            self._overload(host, Verdict("processes", words), now_ns, orders)
        elif host.plan.max_memory_bytes is not None and usage.memory_bytes > host.plan.max_memory_bytes:
            used, allowed = format_size(usage.memory_bytes), format_size(host.plan.max_memory_bytes)
            words = f"used {used} of memory, more than its limit of {allowed}"
            self._overload(host, Verdict("memory", words), now_ns, orders)
        return orders

    def entered(self, number: int, run_id: str, now_ns: int, thread_id: int = 0) -> list[Order]:
        """Begin the time that counts: the plugin's function is about to be called."""
        run = self._in_flight(number, run_id)
        if run is not None and run.verdict is None:
            run.entered, run.since_ns, run.spent_ns, run.thread_id = True, now_ns, 0, thread_id
        return []

    def pause(self, number: int, run_id: str, now_ns: int) -> None:
        """Count no time against a run that waits for its client."""
        run, host = self._in_flight(number, run_id), self._hosts.get(number)
        if run is not None and host is not None and not run.paused and run.verdict is None:
            run.paused = True
            run.spent_ns += max(0, now_ns - max(host.last_beat_ns, run.since_ns))

    def resume(self, number: int, run_id: str, now_ns: int) -> None:
        """Count again."""
        run = self._in_flight(number, run_id)
        if run is not None and run.paused:
            run.paused, run.since_ns = False, now_ns

    def done(self, number: int, run_id: str, now_ns: int, *, is_out_of_memory: bool = False) -> list[Order]:
        """Take the end of a run that a host told; one that is out of memory is replaced."""
        run = self._in_flight(number, run_id)
        if run is None:
            return []
        orders: list[Order] = [PassDone(run_id)]
        self._finish(run, orders)
        host = self._hosts.get(number)
        if is_out_of_memory and host is not None:
            self._end_for_cause(host, now_ns, orders)
        self._advance(now_ns, orders)
        return orders

    def host_died(self, number: int, words: str, now_ns: int, *, was_killed: bool = False) -> list[Order]:
        """Find out who answers for a process that nobody ended; ``words`` say how it went (``exited with status 1``).

        ``was_killed``: by a signal that the kernel or anybody else may have sent.
        """
        host = self._hosts.get(number)
        orders: list[Order] = []
        if host is None:
            return orders
        if host.ready:
            if was_killed and host.role is not Role.SHARED and host.ran == 1 and len(host.runs) == 1:
                self._note_kill(host, now_ns, orders)
            else:
                self._collapse(host, words, now_ns, orders)
        elif host.runs:
            host.failures += 1
            delay_ns = min(FIRST_RESTART_NS * 2 ** min(host.failures - 1, 10), LONGEST_RESTART_NS)
            host.restart_at_ns = now_ns + delay_ns
            orders.append(Report(f"a plugin host {words} before it was ready; the next try is in {delay_ns / 1e9:g} s"))
        else:
            self._close(host)
        return orders

    def cancel(self, run_id: str, now_ns: int) -> list[Order]:
        """Interrupt a run; one that has not begun ends at once."""
        run = self._runs.get(run_id)
        orders: list[Order] = []
        if run is None:
            return orders
        if run.sent and run.host is not None:
            if run.cancel_by_ns is None:
                run.cancel_by_ns = now_ns + GRACE_NS
                orders.append(Interrupt(run.host.number, run_id, "cancelled", CANCELLED_TEXT))
        else:
            orders.append(FailRun(run_id, "cancelled", CANCELLED_TEXT))
            self._finish(run, orders)
            self._advance(now_ns, orders)
        return orders

    def forget(self, subject: str) -> list[Order]:
        """Drop what is known of a trigger that was disabled or deleted, and the hosts that only it used."""
        orders: list[Order] = []
        self._release(subject, orders)
        host = self._own.pop(subject, None)
        if host is not None:
            self._end_if_idle(host, orders)
        self._leave(subject, None, orders)
        return orders

    def renew(self) -> list[Order]:
        """Replace all hosts that import what is installed for all plugins; those with runs end after the last of these."""
        orders: list[Order] = []
        renewed = [h for h in self._hosts.values() if h.plan.virtual_env is None and h.role is not Role.TRIAL]
        for host in renewed:
            if self._own.get(host.subject) is host:
                del self._own[host.subject]
            if self._shared.get(host.plan) is host:
                # At once, not with the next run: who waits for a package has just been told that it is there.
                self._shared[host.plan] = self._start(Role.SHARED, host.plan, orders)
            self._end_if_idle(host, orders)
        return orders

    def tick(self, now_ns: int) -> list[Order]:
        """Do what time alone demands: freezes, the grace second of cancelled runs, restarts, repetitions."""
        passed_ns = min(now_ns - (self._last_tick_ns if self._last_tick_ns is not None else now_ns), LONGEST_TICK_NS)
        self._last_tick_ns = now_ns
        orders: list[Order] = []
        for host in list(self._hosts.values()):
            if not host.ready:
                self._restart_if_due(host, now_ns, orders)
                continue
            host.silent_ns += passed_ns
            if host.silent_ns >= self._freeze_ns:
                orders.append(EndHost(host.number, forcibly=True))
                self._collapse(host, self._freeze_text, now_ns, orders)
            elif any(run.is_past(now_ns) for run in host.runs.values()):
                self._end_for_cause(host, now_ns, orders)
        self._advance(now_ns, orders)
        return orders

    # ---- where a run goes

    def _place(self, run: RunRecord, now_ns: int, orders: list[Order]) -> None:
        """Put a run into its owner's host or the shared one, or aside while its thread is busy elsewhere."""
        home = self._home(run)
        if self._is_blocked(run, home):
            self._parked.append(run)
            return
        if home is None:
            home = self._start_home(run, orders)
        self._assign(run, home, now_ns, orders)

    def _home(self, run: RunRecord) -> HostRecord | None:
        if not self._is_alone(run):
            return self._shared.get(run.facts.plan)
        host = self._own.get(run.facts.subject)
        return host if host is not None and host.plan == run.facts.plan else None

    def _start_home(self, run: RunRecord, orders: list[Order]) -> HostRecord:
        plan, subject = run.facts.plan, run.facts.subject
        if not self._is_alone(run):
            host = self._shared[plan] = self._start(Role.SHARED, plan, orders)
            return host
        former = self._own.pop(subject, None)
        host = self._own[subject] = self._start(Role.OWN, plan, orders, subject)
        if former is not None:
            self._end_if_idle(former, orders)
        return host

    def _start(self, role: Role, plan: HostPlan, orders: list[Order], subject: str = "") -> HostRecord:
        self._numbers += 1
        host = self._hosts[self._numbers] = HostRecord(self._numbers, role, plan, subject)
        orders.append(StartHost(host.number, role, plan, self._is_suspect(host)))
        return host

    def _is_suspect(self, host: HostRecord) -> bool:
        return host.subject in self._convicted or host.subject in self._suspected

    def _assign(self, run: RunRecord, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        run.host = host
        host.runs[run.facts.run_id] = run
        if run.facts.subject not in host.users and host.role is not Role.TRIAL:
            self._leave(run.facts.subject, host, orders)
        host.users[run.facts.subject] = run.facts
        if host.ready:
            self._send(run, host, now_ns, orders)

    def _send(self, run: RunRecord, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        run.sent, run.since_ns = True, now_ns
        host.ran += 1
        if host.first_sent_ns is None:
            host.first_sent_ns = now_ns
        orders.append(SendRun(host.number, run.facts.run_id))

    def _is_blocked(self, run: RunRecord, home: HostRecord | None) -> bool:
        """Return whether an earlier run of the same thread is unfinished, and not in ``home``, which would line them up."""
        for earlier in self._threads.get(run.facts.thread, ()):
            if earlier is run:
                return False
            if home is None or earlier.host is not home:
                return True
        return False

    def _is_first_in_thread(self, run: RunRecord) -> bool:
        return not run.facts.thread or self._threads[run.facts.thread][0] is run

    def _is_alone(self, run: RunRecord) -> bool:
        return run.facts.plan.is_alone or self._is_convicted(run) or run.facts.subject in self._suspected

    def _is_convicted(self, run: RunRecord) -> bool:
        return self._convicted.get(run.facts.subject) == run.facts.owner

    def _in_flight(self, number: int, run_id: str) -> RunRecord | None:
        run = self._runs.get(run_id)
        return run if run is not None and run.sent and run.host is not None and run.host.number == number else None

    def _advance(self, now_ns: int, orders: list[Order]) -> None:
        """Let go what waited: parked runs whose thread is free, and the next repetition."""
        if self._parked:
            parked, self._parked = self._parked, []
            for run in parked:
                self._place(run, now_ns, orders)
        while self._trials and self._may_try_next(now_ns):
            due = next((r for r in self._trials if not self._is_blocked(r, None)), None)
            if due is None:
                return
            self._trials.remove(due)
            self._assign(due, self._start(Role.TRIAL, due.facts.plan, orders), now_ns, orders)

    def _may_try_next(self, now_ns: int) -> bool:
        begun = [host.first_sent_ns for host in self._hosts.values() if host.role is Role.TRIAL]
        patience_ns = PATIENCE_NS * (1 + len(begun) // TRIALS_AT_EASE)
        return all(at_ns is not None and now_ns - at_ns >= patience_ns for at_ns in begun)

    def _restart_if_due(self, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        if host.restart_at_ns is not None and host.restart_at_ns <= now_ns:
            host.restart_at_ns = None
            orders.append(StartHost(host.number, host.role, host.plan, self._is_suspect(host)))

    # ---- ends

    def _condemn(self, run: RunRecord, host: HostRecord, verdict: Verdict, orders: list[Order]) -> None:
        """Make a run end that has passed a limit of its own."""
        run.verdict = verdict
        reason: InterruptReason = "cpu" if verdict.kind == "cpu" else "timeout"
        orders.append(Interrupt(host.number, run.facts.run_id, reason, verdict.text))
        self._convict(run, verdict.text, orders)

    def _end_for_cause(self, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        """End a host because of runs that are known; the others start again, all at once, where such runs start."""
        orders.append(EndHost(host.number, forcibly=True))
        for run in self._judge_known(self._close(host), orders):
            self._place(run, now_ns, orders)
        self._advance(now_ns, orders)

    def _overload(self, host: HostRecord, verdict: Verdict, now_ns: int, orders: list[Order]) -> None:
        """End a host that uses more than it may."""
        orders.append(EndHost(host.number, forcibly=True))
        self._collapse(host, verdict.text, now_ns, orders, verdict.kind)

    def _note_kill(self, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        """Repeat the only run of a host that was killed: a proof only when it happens again."""
        (run,) = host.runs.values()
        run.kills += 1
        if run.kills > 1 or run.verdict is not None or run.cancel_by_ns is not None:
            self._collapse(host, KILLED_TEXT, now_ns, orders)
            return
        self._close(host)
        run.forget_progress()
        orders.append(Report(f"a plugin host {KILLED_TEXT}; its run is repeated"))
        self._trials.append(run)
        self._advance(now_ns, orders)

    def _collapse(
        self, host: HostRecord, words: str, now_ns: int, orders: list[Order], kind: ErrorKind = "host"
    ) -> None:
        """Judge a host that is gone for no known reason: a proof if one run was alone in it all along, else all repeat."""
        survivors = self._judge_known(self._close(host), orders)
        if host.role is not Role.SHARED and host.ran == 1 and len(survivors) == 1:
            culprit = survivors[0]
            reason = f"the plugin host {words} while this run was alone in it"
            self._convict(culprit, reason, orders)
            orders.append(FailRun(culprit.facts.run_id, kind, reason))
            self._finish(culprit, orders)
        else:
            orders.append(Report(f"a plugin host {words}; runs to be repeated one by one: {len(survivors)}"))
            self._trials.extend(survivors)
            self._suspect(host, now_ns, orders)
        self._advance(now_ns, orders)

    def _suspect(self, host: HostRecord, now_ns: int, orders: list[Order]) -> None:
        """Separate who was there each time when shared hosts died: what kills them may outlive its run."""
        if host.role is not Role.SHARED:
            return
        at_large = frozenset(s for s in host.users if s not in self._convicted and s not in self._suspected)
        for subject in self._suspicion.note_death(at_large, now_ns):
            self._suspected[subject] = host.users[subject].owner
            text = "had used each of the last plugin hosts that ended without a culprit"
            orders.append(Report(f"{host.users[subject].name} runs in a plugin host of its own from now on: it {text}"))

    def _judge_known(self, runs: Iterable[RunRecord], orders: list[Order]) -> list[RunRecord]:
        """Fail those runs of a host that is gone of which the end is known; return the others as if they had not begun."""
        others = []
        for run in runs:
            if run.cancel_by_ns is not None:
                orders.append(FailRun(run.facts.run_id, "cancelled", CANCELLED_TEXT))
            elif run.verdict is not None:
                text = f"{run.verdict.text} and had not stopped when its plugin host ended"
                orders.append(FailRun(run.facts.run_id, run.verdict.kind, text))
            else:
                run.forget_progress()
                others.append(run)
                continue
            self._finish(run, orders)
        return others

    def _close(self, host: HostRecord) -> list[RunRecord]:
        """Take a host out of everything; return the runs that were in it."""
        del self._hosts[host.number]
        if self._shared.get(host.plan) is host:
            del self._shared[host.plan]
        if self._own.get(host.subject) is host:
            del self._own[host.subject]
        runs = list(host.runs.values())
        host.runs.clear()
        return runs

    def _finish(self, run: RunRecord, orders: list[Order]) -> None:
        """Take out a run that has ended, and a host that was only there for it."""
        del self._runs[run.facts.run_id]
        thread = self._threads.get(run.facts.thread)
        if thread is not None:
            thread.remove(run)
            if not thread:
                del self._threads[run.facts.thread]
        for waiting in (self._trials, self._parked):
            if run in waiting:
                waiting.remove(run)
        host = run.host
        if host is None or host.number not in self._hosts:
            return
        host.runs.pop(run.facts.run_id, None)
        if not self._is_kept(host):
            self._end_if_idle(host, orders)
        elif host.role is Role.OWN and not host.runs:
            self._own[host.subject] = self._own.pop(host.subject)
            self._bound_own_hosts(orders)

    def _is_kept(self, host: HostRecord) -> bool:
        """Return whether further runs may come into a host."""
        kept = self._own.get(host.subject) if host.role is Role.OWN else self._shared.get(host.plan)
        return kept is host and host.role is not Role.TRIAL

    def _convict(self, run: RunRecord, reason: str, orders: list[Order]) -> None:
        if not self._is_convicted(run):
            self._convicted[run.facts.subject] = run.facts.owner
            if not run.facts.plan.is_alone:
                orders.append(Report(f"{run.facts.name} runs in a plugin host of its own from now on: {reason}"))

    def _release(self, subject: str, orders: list[Order]) -> None:
        """Take back what was proven against a trigger; an own host that it has for that goes when nothing is left to run."""
        self._convicted.pop(subject, None)
        self._suspected.pop(subject, None)
        host = self._own.get(subject)
        if host is not None and not host.plan.is_alone:
            del self._own[subject]
            self._end_if_idle(host, orders)

    def _leave(self, subject: str, kept: HostRecord | None, orders: list[Order]) -> None:
        """Note that a trigger needs no shared host but ``kept``; those with a plan that nobody needs any more go."""
        for host in list(self._shared.values()):
            if host is kept or subject not in host.users:
                continue
            del host.users[subject]
            if not host.users and host.plan != SHARED_HOST:
                del self._shared[host.plan]
                self._end_if_idle(host, orders)

    def _end_if_idle(self, host: HostRecord, orders: list[Order]) -> None:
        if not host.runs:
            self._close(host)
            orders.append(EndHost(host.number, forcibly=False))

    def _bound_own_hosts(self, orders: list[Order]) -> None:
        idle = [host for host in self._own.values() if not host.runs and not host.plan.is_alone]
        for host in idle[: max(0, len(idle) - MOST_IDLE_OWN_HOSTS)]:
            self._end_if_idle(host, orders)
