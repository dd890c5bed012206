"""What blame remembers of runs and hosts."""

from dataclasses import dataclass, field

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
        plan: the host that it wants.
    """

    run_id: str
    owner: str
    subject: str
    thread: str = ""
    timeout_ns: int | None = None
    plan: HostPlan = SHARED_HOST


@dataclass(slots=True, eq=False)
class RunRecord:
    """One unfinished run: where it is, and how much of its limit is used up."""

    facts: RunFacts
    host: "HostRecord | None" = None
    sent: bool = False
    entered: bool = False
    since_ns: int = 0
    spent_ns: int = 0
    overdue: bool = False
    cancel_by_ns: int | None = None

    @property
    def limit_ns(self) -> int | None:
        """What it may use up now, ``None`` = no limit; loading has more of it than the call."""
        timeout = self.facts.timeout_ns
        return timeout if timeout is None or self.entered else timeout + LOADING_NS

    def forget_progress(self) -> None:
        """Make it a run that has not begun."""
        self.host, self.sent, self.entered, self.spent_ns = None, False, False, 0

    def overdue_text(self) -> str:
        """Return what to say of it when it has used up its limit."""
        seconds = f"{(self.facts.timeout_ns or 0) / SECOND_NS:g} s"
        if self.entered:
            return f"the run passed its timeout of {seconds}"
        return f"the plugin did not finish loading within its timeout of {seconds} and {LOADING_NS // SECOND_NS} s more"


@dataclass(slots=True, eq=False)
class HostRecord:
    """One plugin host and the runs that are in it or wait for it to be ready.

    Attributes:
        subject: whose own host it is, empty = several may use it.
        users: the subjects of all runs that it was meant for.
    """

    number: int
    role: Role
    plan: HostPlan
    subject: str = ""
    users: set[str] = field(default_factory=set)
    ready: bool = False
    runs: dict[str, RunRecord] = field(default_factory=dict)
    ran: int = 0
    first_sent_ns: int | None = None
    last_beat_ns: int = 0
    silent_ns: int = 0
    failures: int = 0
    restart_at_ns: int | None = None
