"""A trigger as it is defined: which plugin runs, on what, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from engine.model.trigger_spec import TriggerSpec


class ErrorBehavior(Enum):
    """What follows a failed run; the value is the word that requests use."""

    LOG = "log"
    RETRY = "retry"
    DISABLE = "disable"


class Isolation(Enum):
    """Which plugin host the runs of a trigger share; the value is the word that requests use."""

    SHARED = "shared"
    TRIGGER = "trigger"


class Misfire(Enum):
    """Which due times that passed before a run could begin still get one: none, the newest, all."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Restore(Enum):
    """What of a trigger's cache comes back after a restart.

    ``WHOLE``: all of it, or nothing if a part of it cannot come back. ``VALUES``: what can. ``NEVER``: nothing.
    """

    WHOLE = "whole"
    VALUES = "values"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class TriggerLimits:
    """What a run may use up; ``None`` = the server's default holds.

    Attributes:
        timeout_s: seconds after which a run is ended.
        max_memory_bytes: memory of the trigger's plugin host.
        max_cpu_s: seconds of CPU time after which a run is ended.
        max_rows_per_run: most rows that a data-write run is given.
    """

    timeout_s: float | None = None
    max_memory_bytes: int | None = None
    max_cpu_s: float | None = None
    max_rows_per_run: int | None = None


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """How the due times of a schedule trigger are read and kept.

    Attributes:
        timezone: IANA name of the zone in which a cron expression is read, ``None`` = UTC.
        misfire: ``None`` = what passed while the server was down gets no run, what passed while a run took too long does.
        misfire_window_s: due times that are older, in seconds, are skipped in any case; ``None`` = none is too old.
        jitter_s: runs begin up to so many seconds after they are due, each trigger always by the same delay.
    """

    timezone: str | None = None
    misfire: Misfire | None = None
    misfire_window_s: float | None = None
    jitter_s: float | None = None


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A trigger of one database.

    Attributes:
        trigger_id: never used again.
        arguments: what the plugin gets as ``args``; ``None`` = none were given. Read only.
        run_async: runs may overlap.
        enabled: it shall be on.
        isolation: ``None`` = the server's default holds.
        restore: ``None`` = ``WHOLE``.
    """

    trigger_id: int
    name: str
    plugin_filename: str
    spec: TriggerSpec
    arguments: Mapping[str, str] | None = field(default=None, hash=False)
    run_async: bool = False
    error_behavior: ErrorBehavior = ErrorBehavior.LOG
    enabled: bool = True
    limits: TriggerLimits = TriggerLimits()
    isolation: Isolation | None = None
    schedule: ScheduleOptions = ScheduleOptions()
    restore: Restore | None = None

    def __post_init__(self) -> None:
        if self.arguments is not None:
            object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))
