"""Changing the code of triggers: the person names a trigger, and means the file or folder that it runs."""

from collections.abc import Sequence

from engine.catalog.state import CatalogState
from engine.errors import DatabaseNotFound, InvalidRequest, PluginNotFound
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import run_kind
from engine.plugins.registry import PluginRegistry


class PluginUpdates:
    """Replaces the plugins of triggers."""

    def __init__(self, registry: PluginRegistry) -> None:
        self._registry = registry

    def replace_file(self, trigger: TriggerDefinition, content: str) -> list[str]:
        """Replace the file of a trigger, or the ``__init__.py`` of its folder; return warnings about what is there now.

        Raises:
            EngineError: see ``PluginRegistry.replace_file``; nothing has changed.
        """
        self._registry.replace_file(trigger.plugin_filename, content)
        return self._warnings(trigger)

    def replace_folder(self, trigger: TriggerDefinition, files: Sequence[tuple[str, str]]) -> list[str]:
        """Replace the folder of a trigger; return warnings about what is there now.

        Raises:
            EngineError: see ``PluginRegistry.replace_folder``; nothing has changed.
        """
        self._registry.replace_folder(trigger.plugin_filename, files)
        return self._warnings(trigger)

    def _warnings(self, trigger: TriggerDefinition) -> list[str]:
        return self._registry.warnings(self._registry.resolve(trigger.plugin_filename), run_kind(trigger.spec))


def find_trigger(state: CatalogState, name: str, database: str | None) -> TriggerDefinition:
    """Return the trigger called ``name`` in ``database``; ``None`` = in any.

    Raises:
        DatabaseNotFound: there is no such database.
        PluginNotFound: there is no such trigger.
        InvalidRequest: several databases have one, with different plugins.
    """
    found_database = state.database(database) if database is not None else None
    if database is not None and found_database is None:
        raise DatabaseNotFound(f"database not found: {database}")
    places = [found_database] if found_database else [d for d in state.databases if not d.is_deleted]
    found = {place.name: trigger for place in places if (trigger := place.trigger(name)) is not None}
    if not found:
        raise PluginNotFound(f"Plugin not found: {name}")
    if len({trigger.plugin_filename for trigger in found.values()}) > 1:
        raise InvalidRequest(
            f"several databases have a trigger {name}, each with another plugin: {', '.join(sorted(found))}; "
            "name one of them, as in ?db=" + min(found)
        )
    return found[min(found)]
