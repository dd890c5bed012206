"""What follows a run of a trigger."""

from dataclasses import dataclass

from engine.model.trigger import ErrorBehavior
from engine.model.trigger_spec import RunKind

MOST_ATTEMPTS = 5
FIRST_RETRY_S = 0.1


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing follows: the run succeeded, or its failure is recorded (and, for a request, answered) and that is all."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The same work is tried again after ``delay_s`` seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Disable:
    """The trigger is switched off until somebody enables it; ``reason`` is the error."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The work is put aside, and the next one follows."""


@dataclass(frozen=True, slots=True)
class Isolate:
    """Parts of the batch are tried, to put aside only the rows that the plugin cannot take."""


Decision = Done | Retry | Disable | DeadLetter | Isolate


def decide(error: str | None, behavior: ErrorBehavior, attempt: int, kind: RunKind) -> Decision:
    """Choose what follows attempt number ``attempt``, counted from 1, of a run of ``kind``.

    Only attempts that count come here: not those that were cancelled, nor those whose host died by another's fault.
    ``error`` is the text of the failure, ``None`` = success. Waits double from 100 ms; nobody waits for work that
    failed ``MOST_ATTEMPTS`` times. A request leaves no dead letter, because its client has been told.
    """
    if error is None or behavior is ErrorBehavior.LOG:
        return Done()
    if behavior is ErrorBehavior.DISABLE:
        return Disable(error)
    if attempt < MOST_ATTEMPTS:
        return Retry(FIRST_RETRY_S * 2.0 ** (attempt - 1))
    return _GIVEN_UP[kind]


_GIVEN_UP: dict[RunKind, Decision] = {"wal": Isolate(), "schedule": DeadLetter(), "request": Done()}
