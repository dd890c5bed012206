"""A stage for the blame machine: hosts that become ready, beat, die when a test says so, and a clock that it owns."""

from collections import deque

from engine.plugins.blame import Blame
from engine.plugins.blame_records import SECOND_NS, RunFacts
from engine.plugins.orders import EndHost, FailRun, Interrupt, Order, PassDone, Report, SendRun, StartHost
from engine.plugins.ports import SHARED_HOST, HostPlan
from engine.plugins.usage import Usage

TICK_NS = SECOND_NS // 20
BEAT_NS = SECOND_NS // 4


class Stage:
    """Carries out orders as an executor with perfect hosts would, and keeps what happened."""

    def __init__(self, freeze_timeout_s: float = 10.0, *, hosts_start: bool = True) -> None:
        self.blame = Blame(freeze_timeout_s)
        self.now_ns = 1_000 * SECOND_NS
        self.hosts_start = hosts_start
        self.alive: set[int] = set()
        self.silent: set[int] = set()
        self.roles: dict[int, str] = {}
        self.plans: dict[int, HostPlan] = {}
        self.suspects: set[int] = set()
        self.inside: dict[int, list[str]] = {}
        self.sent: list[tuple[str, int]] = []
        self.passed: list[str] = []
        self.failed: dict[str, tuple[str, str]] = {}
        self.interrupted: list[tuple[str, str]] = []
        self.reports: list[str] = []
        self._next_beat_ns = self.now_ns + BEAT_NS
        self.take(self.blame.tick(self.now_ns))

    def take(self, orders: list[Order]) -> None:
        """Carry out ``orders`` and whatever follows from them."""
        todo = deque(orders)
        while todo:
            order = todo.popleft()
            match order:
                case StartHost(host, role, plan, is_suspect):
                    self.roles[host], self.plans[host] = role.value, plan
                    if is_suspect:
                        self.suspects.add(host)
                    if self.hosts_start:
                        self.alive.add(host)
                        self.inside[host] = []
                        todo.extend(self.blame.host_ready(host, self.now_ns))
                case SendRun(host, run_id):
                    assert host in self.alive, f"run {run_id} sent to host {host}, which is not there"
                    self.sent.append((run_id, host))
                    self.inside[host].append(run_id)
                case Interrupt(host, run_id, reason, _):
                    assert run_id in self.inside[host]
                    self.interrupted.append((run_id, reason))
                case EndHost(host, _):
                    self.alive.discard(host)
                    self.inside.pop(host, None)
                case PassDone(run_id):
                    self._ended(run_id)
                    self.passed.append(run_id)
                case FailRun(run_id, kind, text):
                    self._ended(run_id)
                    self.failed[run_id] = (kind, text)
                case Report(text):
                    self.reports.append(text)

    def _ended(self, run_id: str) -> None:
        assert run_id not in self.passed, f"{run_id} ended twice"
        assert run_id not in self.failed, f"{run_id} ended twice"

    def admit(
        self,
        run_id: str,
        owner: str = "",
        *,
        thread: str = "",
        timeout_s: float | None = None,
        max_cpu_s: float | None = None,
        plan: HostPlan = SHARED_HOST,
    ) -> None:
        """Bring a new run; without ``owner`` it has one of its own; what stands before ``@`` stays when a file changes."""
        owner = owner or f"owner of {run_id}"
        timeout_ns = None if timeout_s is None else int(timeout_s * SECOND_NS)
        max_cpu_ns = None if max_cpu_s is None else int(max_cpu_s * SECOND_NS)
        facts = RunFacts(run_id, owner, owner.partition("@")[0], thread, timeout_ns, max_cpu_ns, plan)
        self.take(self.blame.admit(facts, self.now_ns))

    def host_of(self, run_id: str) -> int:
        """Return the host in which a run is now."""
        return next(host for host, runs in self.inside.items() if run_id in runs)

    def role_of(self, run_id: str) -> str:
        """Return what the host in which a run is now is for."""
        return self.roles[self.host_of(run_id)]

    def enter(self, *run_ids: str, thread_id: int = 0) -> None:
        """Let hosts tell that the functions of these runs are called."""
        for run_id in run_ids:
            self.take(self.blame.entered(self.host_of(run_id), run_id, self.now_ns, thread_id))

    def finish(self, run_id: str) -> None:
        """Let the host of a run tell its end."""
        host = self.host_of(run_id)
        self.inside[host].remove(run_id)
        self.take(self.blame.done(host, run_id, self.now_ns))

    def die(self, host: int, words: str = "exited with status 1", *, was_killed: bool = False) -> None:
        """Let a process end by itself, or be killed by a signal from outside."""
        self.alive.discard(host)
        self.inside.pop(host, None)
        self.take(self.blame.host_died(host, words, self.now_ns, was_killed=was_killed))

    def measure(self, host: int, usage: Usage) -> None:
        """Let it be known what a host uses."""
        self.take(self.blame.measured(host, usage, self.now_ns))

    def wait(self, seconds: float) -> None:
        """Let time pass in ticks, with heartbeats of all hosts but the silent ones."""
        end_ns = self.now_ns + int(seconds * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + TICK_NS, end_ns)
            if self.now_ns >= self._next_beat_ns:
                self._next_beat_ns += BEAT_NS
                for host in sorted(self.alive - self.silent):
                    self.take(self.blame.beat(host, self.now_ns))
            self.take(self.blame.tick(self.now_ns))
