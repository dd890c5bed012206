"""What every trigger that is on works with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.clock import Clock
from engine.host.protocol import PluginSource
from engine.plugins.environments import State
from engine.plugins.ports import Executor
from engine.triggers.figures import Figures
from engine.triggers.journal import Journal, Stamps
from engine.triggers.limits import LimitDefaults
from engine.triggers.services import ServiceKit
from engine.triggers.timers import Timers
from engine.wal.wal import Wal
from engine.write.service import WriteService


class Sources(Protocol):
    """Finds the code of plugins."""

    def to_run(self, plugin_filename: str) -> tuple[PluginSource, str]:
        """Return where a plugin is, and a hash of what its files hold now; as they were last, if they are gone.

        Raises:
            EngineError: it was never there.
        """

    def remember(self, plugin_filename: str) -> None:
        """Look at a plugin whose trigger starts, so that it can be run even if its file is gone by then."""


class Environments(Protocol):
    """Knows with which packages plugins run."""

    def of(self, source: PluginSource, version: str, tell: Callable[[str, str], None] | None = None) -> State:
        """Return how it is with the environment of a plugin, and have it built if it is missing; ``tell`` hears of that."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The parts of the engine that runs need.

    Attributes:
        cache_bytes: so much may the values of one cache namespace take.
        hide: takes secrets out of a text.
        aside: calls back in a thread in which nobody waits, for what takes a while.
    """

    clock: Clock
    timers: Timers
    executor: Executor
    sources: Sources
    environments: Environments
    wal: Wal
    writes: WriteService
    journal: Journal
    stamps: Stamps
    services: ServiceKit
    figures: Figures
    limits: LimitDefaults
    most_side_by_side: int
    cache_bytes: int
    hide: Callable[[str], str]
    aside: Callable[[Callable[[], None]], None]
