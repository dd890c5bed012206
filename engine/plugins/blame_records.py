"""What blame remembers of runs and hosts."""

from dataclasses import dataclass, field

from engine.host.protocol import ErrorKind
from engine.plugins.orders import Role
from engine.plugins.ports import SHARED_HOST, HostPlan

SECOND_NS = 1_000_000_000

LOADING_NS = 60 * SECOND_NS
"""What a run with a limit may take beyond it until its function is called (imports of large packages)."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What blame knows of a run.

    Attributes:
        owner: who answers for it, as ``RunLimits.owner``.
        subject: what stays when the owner string changes (the trigger's cache namespace).
        thread: runs of the same name never overlap and start in the order in which they came; empty = no such rule.
        timeout_ns: limit of the call of the plugin's function, ``None`` = none.
        max_cpu_ns: limit of its CPU time, ``None`` = none.
        plan: the host that it wants.
        name: what people call its trigger.
    """

    run_id: str
    owner: str
    subject: str
    thread: str = ""
    timeout_ns: int | None = None
    max_cpu_ns: int | None = None
    plan: HostPlan = SHARED_HOST
    name: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which limit a run has passed."""

    kind: ErrorKind
    text: str


@dataclass(slots=True, eq=False)
class RunRecord:
    """One unfinished run: where it is, and how much of its limits is used up.

    Attributes:
        cpu_ns: CPU time that it is charged with; ``measured_cpu_ns`` is that of its thread when it was measured last,
            ``None`` = it was not yet.
        kills: how often a host in which it was alone was killed, perhaps by somebody outside.
        verdict: the limit that it has passed: it is to end, at ``end_by_ns`` at the latest.
    """

    facts: RunFacts
    host: "HostRecord | None" = None
    sent: bool = False
    entered: bool = False
    since_ns: int = 0
    spent_ns: int = 0
    thread_id: int = 0
    cpu_ns: int = 0
    measured_cpu_ns: int | None = None
    kills: int = 0
    verdict: Verdict | None = None
    end_by_ns: int | None = None
    paused: bool = False
    cancel_by_ns: int | None = None

    @property
    def limit_ns(self) -> int | None:
        """What it may use up now, ``None`` = no limit; loading has more of it than the call."""
        timeout = self.facts.timeout_ns
        return timeout if timeout is None or self.entered else timeout + LOADING_NS

    def forget_progress(self) -> None:
        """Make it a run that has not begun."""
        self.host, self.sent, self.entered, self.paused = None, False, False, False
        self.spent_ns, self.cpu_ns, self.measured_cpu_ns = 0, 0, None

    def charge_cpu(self, host_cpu_ns: int, thread_cpu_ns: int, *, is_alone: bool) -> None:
        """Charge what was used since it was measured last: all that its host used, if it was the only run there."""
        if self.measured_cpu_ns is not None:
            self.cpu_ns += host_cpu_ns if is_alone else max(0, thread_cpu_ns - self.measured_cpu_ns)
        self.measured_cpu_ns = thread_cpu_ns

    def is_past_grace(self, grace_ns: int) -> bool:
        """Return whether it goes on though its time was used up so long ago, while its host's heart beat."""
        return self.verdict is not None and self.limit_ns is not None and self.spent_ns >= self.limit_ns + grace_ns

    def is_past(self, now_ns: int) -> bool:
        """Return whether it was told to end, and has not."""
        return any(by_ns is not None and by_ns <= now_ns for by_ns in (self.cancel_by_ns, self.end_by_ns))

    def timeout_text(self) -> str:
        """Return what to say of it when its time is used up."""
        seconds = f"{(self.facts.timeout_ns or 0) / SECOND_NS:g} s"
        if self.entered:
            return f"the run passed its timeout of {seconds}"
        return f"the plugin did not finish loading within its timeout of {seconds} and {LOADING_NS // SECOND_NS} s more"


@dataclass(slots=True, eq=False)
class HostRecord:
    """One plugin host and the runs that are in it or wait for it to be ready.

    Attributes:
        subject: whose own host it is, empty = several may use it.
        users: the subjects of all runs that it was meant for, each with what is known of the latest one.
    """

    number: int
    role: Role
    plan: HostPlan
    subject: str = ""
    users: dict[str, RunFacts] = field(default_factory=dict)
    ready: bool = False
    runs: dict[str, RunRecord] = field(default_factory=dict)
    ran: int = 0
    first_sent_ns: int | None = None
    last_beat_ns: int = 0
    silent_ns: int = 0
    cpu_ns: int = 0
    measured_ns: int | None = None
    next_look_ns: int = 0
    failures: int = 0
    restart_at_ns: int | None = None


def cpu_text(run: RunRecord) -> str:
    """Return what to say of a run that has used up its CPU time."""
    allowed_s = (run.facts.max_cpu_ns or 0) / SECOND_NS
    return f"the run used {run.cpu_ns / SECOND_NS:.2f} s of CPU time, more than its limit of {allowed_s:g} s"
