"""What storage, plugins and caches say about an edit of the catalog by hand."""

from engine.caches.definitions import cache_problem
from engine.catalog.state import Database
from engine.errors import EngineOff, PluginError
from engine.model.caches import CacheDefinition
from engine.model.trigger import TriggerDefinition
from engine.plugins.registry import PluginRegistry
from engine.storage.store import Store


class RunningChecks:
    """Asks the running engine (port ``EditChecks``)."""

    def __init__(self, store: Store, registry: PluginRegistry) -> None:
        self._store = store
        self._registry = registry

    def plugin_problem(self, trigger: TriggerDefinition) -> str | None:
        """See ``EditChecks``."""
        try:
            self._registry.resolve(trigger.plugin_filename)
        except EngineOff:
            return None  # nothing runs here; a server with a plugin folder will look
        except PluginError as problem:
            return str(problem)
        return None

    def cache_problem(self, database: Database, cache: CacheDefinition) -> str | None:
        """See ``EditChecks``."""
        return cache_problem(self._store.schemas.find(database.database_id, cache.table), cache)

    def databases_with_data(self) -> frozenset[int]:
        """See ``EditChecks``."""
        return frozenset(s.database_id for s in self._store.schemas.all_tables())
