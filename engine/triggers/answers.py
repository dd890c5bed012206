"""What system tables ask of triggers and their plugins (port ``RunningEngine`` of the system tables)."""

from collections.abc import Iterable, Sequence

from engine.catalog.state import Database
from engine.errors import EngineError
from engine.model.backfill import BackfillStatus
from engine.model.progress import Lag
from engine.plugins.environments import OwnEnvironments
from engine.plugins.registry import PluginRegistry
from engine.plugins.repository_names import PREFIX
from engine.storage.state import CacheValue
from engine.system_tables.ports import PluginFile
from engine.triggers.cache_state import CacheStates
from engine.triggers.manager import TriggerManager


class TriggerAnswers:
    """See ``RunningEngine``."""

    def __init__(
        self, triggers: TriggerManager, registry: PluginRegistry, environments: OwnEnvironments, caches: CacheStates
    ) -> None:
        self._triggers = triggers
        self._registry = registry
        self._environments = environments
        self._caches = caches

    def plugin_files(self, plugin_filename: str) -> Sequence[PluginFile]:
        """See ``RunningEngine``."""
        return [
            PluginFile(
                file_name=f.name,
                file_path=str(f.path),
                size_bytes=f.version.size_bytes,
                last_modified_ms=f.version.modified_ms,
                content_hash=f.version.content_hash,
                plugin_hash=f.plugin_hash,
                loaded_ns=f.loaded_ns,
                entry_points=f.version.entry_points,
                problem=f.version.problem,
            )
            for f in self._registry.list_files(plugin_filename)
        ]

    def plugin_problem(self, plugin_filename: str) -> str | None:
        """See ``RunningEngine``."""
        try:
            self._registry.check_on()
            if not plugin_filename.startswith(
                PREFIX
            ):  # else looking may mean to fetch it, and its runs say what is wrong
                self._registry.resolve(plugin_filename)
            source = self._registry.on_disk(plugin_filename)
            if source is None:
                return None
            return self._environments.problem(source, self._registry.content_hash(source))
        except EngineError as problem:
            return str(problem)

    def trigger_lag(self, trigger_id: int) -> Lag | None:
        """See ``RunningEngine``."""
        return self._triggers.lag(trigger_id)

    def next_due(self, trigger_id: int) -> int | None:
        """See ``RunningEngine``."""
        return self._triggers.next_due(trigger_id)

    def backfills(self, database: Database) -> Sequence[BackfillStatus]:
        """See ``RunningEngine``."""
        found = [self._triggers.backfill_status(database.name, trigger.name) for trigger in database.triggers]
        return [status for status in found if status is not None]

    def cache_values(self, database: Database) -> Iterable[CacheValue]:
        """See ``RunningEngine``."""
        return self._caches.of(database)
