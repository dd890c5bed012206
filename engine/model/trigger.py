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


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A trigger of one database.

    Attributes:
        trigger_id: never used again.
        arguments: what the plugin gets as ``args``; ``None`` = none were given. Read only.
        run_async: runs may overlap.
        enabled: it shall be on.
        timeout_s: seconds after which a run is ended; ``None`` = the server's default holds.
    """

    trigger_id: int
    name: str
    plugin_filename: str
    spec: TriggerSpec
    arguments: Mapping[str, str] | None = field(default=None, hash=False)
    run_async: bool = False
    error_behavior: ErrorBehavior = ErrorBehavior.LOG
    enabled: bool = True
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.arguments is not None:
            object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))
