"""Makes, changes, switches and deletes triggers in the catalog, after a look at their plugins."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from engine.catalog.catalog import Catalog
from engine.catalog.changes import CreateTrigger, DeleteTrigger, ReplaceTrigger, SetTriggerEnabled
from engine.clock import Clock
from engine.errors import ChangedMeanwhile, DatabaseNotFound, InvalidRequest, NotFound
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_spec import RunKind, plugin_type_name, reading_note, run_kind
from engine.plugins.environments import OwnEnvironments
from engine.plugins.registry import PluginRegistry
from engine.plugins.secrets import Secrets
from engine.triggers.schedule import never_note

Edit = Callable[[TriggerDefinition], TriggerDefinition]

_MOST_TRIES = 10


@dataclass(frozen=True, slots=True)
class PluginSide:
    """What is known of plugins: their code, their packages, the secrets that their arguments name."""

    registry: PluginRegistry
    environments: OwnEnvironments
    secrets: Secrets


class TriggerDefinitions:
    """The triggers as people define them; ``allowed`` are the kinds that may be made here."""

    def __init__(self, catalog: Catalog, plugins: PluginSide, clock: Clock, allowed: frozenset[RunKind]) -> None:
        self._catalog = catalog
        self._registry = plugins.registry
        self._environments = plugins.environments
        self._secrets = plugins.secrets
        self._clock = clock
        self._allowed = allowed

    def find(self, database: str, name: str) -> TriggerDefinition:
        """Return a trigger.

        Raises:
            NotFound: there is no such database, or no such trigger in it.
        """
        found = self._catalog.state.database(database)
        if found is None:
            raise DatabaseNotFound(f"Database not found {database}")
        definition = found.trigger(name)
        if definition is None:
            raise NotFound(f"the requested resource was not found: {name}")
        return definition

    def create(
        self, database: str, definition: TriggerDefinition, *, strict: bool, upload: Mapping[str, str]
    ) -> list[str]:
        """Make a trigger; return warnings.

        The files of ``upload`` (name in the plugin folder, text) are written first, and are as before if anything fails.

        Raises:
            PluginError: its plugin is not there.
            Forbidden: its plugin needs packages of its own, and nothing may be installed.
            InvalidRequest: triggers of this kind are not allowed here; ``strict``: its plugin cannot work.
        """
        change = CreateTrigger(database, replace(definition, trigger_id=0))
        if upload:
            self._catalog.check(change)
        with self._registry.uploaded(upload):
            warnings = self._warnings(definition, is_new_plugin=True, strict=strict)
            self._catalog.apply(change)
        return warnings

    def update(self, database: str, name: str, edit: Edit, *, strict: bool) -> list[str]:
        """Make of a trigger what ``edit`` returns for it; return warnings.

        If somebody else changes it this very moment, ``edit`` is called again with what they made of it.

        Raises:
            EngineError: see ``create``; there is no such trigger; it changes all the time.
        """
        for _ in range(_MOST_TRIES - 1):
            with suppress(ChangedMeanwhile):
                return self._update(database, name, edit, strict=strict)
        return self._update(database, name, edit, strict=strict)

    def _update(self, database: str, name: str, edit: Edit, *, strict: bool) -> list[str]:
        before = self.find(database, name)
        after = edit(before)
        is_new_plugin = after.plugin_filename != before.plugin_filename
        warnings = self._warnings(after, is_new_plugin=is_new_plugin, strict=strict)
        self._catalog.apply(ReplaceTrigger(database, before, after))
        return warnings

    def delete(self, database: str, name: str, *, force: bool) -> None:
        """Take a trigger out."""
        self._catalog.apply(DeleteTrigger(database, name, force))

    def set_enabled(self, database: str, name: str, *, enabled: bool) -> None:
        """Enable or disable a trigger; a ``gh:`` plugin that is enabled is fetched anew."""
        if enabled:
            self._registry.check_on()
        found = self._catalog.state.database(database)
        definition = found.trigger(name) if found else None
        if enabled and definition is not None and not definition.enabled:
            self._registry.refresh(definition.plugin_filename)
        self._catalog.apply(SetTriggerEnabled(database, name, enabled))

    def _warnings(self, definition: TriggerDefinition, *, is_new_plugin: bool, strict: bool) -> list[str]:
        """Return what the author of a trigger may not have meant; raises as ``create`` does."""
        kind, name = run_kind(definition.spec), definition.plugin_filename
        if kind not in self._allowed:
            type_name = plugin_type_name(definition.spec)
            raise InvalidRequest(f"invalid request: server is configured to reject {type_name} plugin triggers")
        source = self._registry.refresh(name) if is_new_plugin else self._registry.resolve(name)
        problems = self._registry.warnings(source, kind)
        if strict and problems:
            raise InvalidRequest("; ".join(problems))
        notes: list[str | None] = []
        if is_new_plugin:
            needs = self._environments.check(source, self._registry.content_hash(source))
            notes += [self._registry.note(name), needs]
        notes += [reading_note(definition.spec), never_note(definition, self._clock.now_ns())]
        return [*problems, *(note for note in notes if note), *self._secrets.problems(definition.arguments)]
