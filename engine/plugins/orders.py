"""What blame tells the executor to do: one value for each kind of instruction."""

from dataclasses import dataclass
from enum import Enum

from engine.host.protocol import ErrorKind, InterruptReason
from engine.plugins.ports import HostPlan


class Role(Enum):
    """What a plugin host is for."""

    SHARED = "shared"  # all runs of one plan
    OWN = "own"  # the runs of one trigger
    TRIAL = "trial"  # one repetition


@dataclass(frozen=True, slots=True)
class StartHost:
    """Obtain a fresh process for ``host`` and tell when it is ready, or that it died before.

    ``is_suspect``: what runs there may do harm, for it did so before, or was there each time when somebody did.
    """

    host: int
    role: Role
    plan: HostPlan
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class SendRun:
    """Hand a run to a host that is ready."""

    host: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Raise an exception in the thread of a run."""

    host: int
    run_id: str
    reason: InterruptReason
    text: str


@dataclass(frozen=True, slots=True)
class EndHost:
    """End the process of ``host``, which is never spoken of again: by a signal if ``forcibly``, else by a message.

    Whatever it still says is not to be heard.
    """

    host: int
    forcibly: bool


@dataclass(frozen=True, slots=True)
class PassDone:
    """Hand on the end that the host told: it counts."""

    run_id: str


@dataclass(frozen=True, slots=True)
class FailRun:
    """The run is over without an end of its own: this is its error."""

    run_id: str
    kind: ErrorKind
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """Something that the person who runs the server should read."""

    text: str


Order = StartHost | SendRun | Interrupt | EndHost | PassDone | FailRun | Report
