"""Create, change, delete, enable and disable triggers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from engine.model.backfill import parse_start_point
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_options import OPTIONS, with_options
from engine.model.trigger_spec import parse_trigger_spec
from engine.server.body import read_json, read_params
from engine.server.params import JSON_PREFIX, from_json, from_query, variant
from engine.server.replies import EMPTY, AnyReply, with_warnings
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable

_BEHAVIORS = {behavior.value: behavior for behavior in ErrorBehavior}


_OPTIONS = [(option.name, option.kind | None | UnsetType, UNSET) for option in OPTIONS]
"""All options of a trigger, each of which need not be given; null is the server's own default."""

_Settings = msgspec.defstruct(
    "_Settings", [("run_async", bool), ("error_behavior", str), *_OPTIONS], forbid_unknown_fields=True
)
_ChangedSettings = msgspec.defstruct(
    "_ChangedSettings",
    [("run_async", bool | UnsetType, UNSET), ("error_behavior", str | UnsetType, UNSET), *_OPTIONS],
    forbid_unknown_fields=True,
)


class _NewTrigger(Struct):
    db: str
    plugin_filename: str
    trigger_name: str
    trigger_settings: _Settings  # type: ignore[valid-type]  # its fields come from the table of options
    trigger_specification: str
    disabled: bool
    trigger_arguments: dict[str, str] | None = None
    strict: bool = False
    plugin_files: dict[str, str] = msgspec.field(default_factory=dict)


class _ChangedTrigger(Struct, forbid_unknown_fields=True):
    db: str
    trigger_name: str
    plugin_filename: str | UnsetType = UNSET
    trigger_specification: str | UnsetType = UNSET
    trigger_arguments: dict[str, str] | UnsetType | None = UNSET
    trigger_settings: _ChangedSettings | UnsetType = UNSET  # type: ignore[valid-type]
    begin_from: str | int | None = msgspec.field(name="from", default=None)
    strict: bool = False


_NAMES = {"db", "trigger_name", "strict", "begin_from"}
"""What a request has that changes nothing of the definition."""


class _OldTrigger(Struct):
    db: str
    trigger_name: str
    force: bool = False


class _TriggerName(Struct):
    db: str
    trigger_name: str


async def create_trigger(context: Context, request: Request) -> AnyReply:
    """Create a trigger; a header tells of each thing that its author may not have meant.

    ``plugin_files`` (name in the plugin folder, text) come with it, and go if it cannot be created.
    """
    wanted = await read_params(request, _NewTrigger)
    definition = _definition(wanted)
    warnings = await context.workers.change(
        lambda: context.engine.create_trigger(wanted.db, definition, strict=wanted.strict, upload=wanted.plugin_files)
    )
    return with_warnings(warnings)


async def update_trigger(context: Context, request: Request) -> AnyReply:
    """Change what the request names of a trigger, and leave the rest as it is.

    ``from`` (``now``, ``beginning``, a time) lets it begin anew after that.
    """
    wanted = from_json(await read_json(request), _ChangedTrigger)
    edit = _edit(wanted)
    point = None if wanted.begin_from is None else parse_start_point(str(wanted.begin_from))

    def change() -> list[str]:
        if point is not None and not _given(wanted).keys() - _NAMES:
            context.engine.begin_trigger_from(wanted.db, wanted.trigger_name, point)
            return []
        warnings = context.engine.update_trigger(wanted.db, wanted.trigger_name, edit, strict=wanted.strict)
        if point is not None:
            context.engine.begin_trigger_from(wanted.db, wanted.trigger_name, point)
        return warnings

    return with_warnings(await context.workers.change(change))


async def delete_trigger(context: Context, request: Request) -> AnyReply:
    """Delete a trigger, an enabled one only by force."""
    gone = await read_params(request, _OldTrigger)
    await context.workers.change(lambda: context.engine.delete_trigger(gone.db, gone.trigger_name, gone.force))
    return EMPTY


async def enable_trigger(context: Context, request: Request) -> AnyReply:
    """Enable a trigger, also one that is enabled."""
    return await _switch(context, request, enabled=True)


async def disable_trigger(context: Context, request: Request) -> AnyReply:
    """Disable a trigger, also one that is disabled."""
    return await _switch(context, request, enabled=False)


async def _switch(context: Context, request: Request, *, enabled: bool) -> AnyReply:
    named = from_query(request.query, _TriggerName)
    await context.workers.change(lambda: context.engine.set_trigger_enabled(named.db, named.trigger_name, enabled))
    return EMPTY


def _definition(wanted: _NewTrigger) -> TriggerDefinition:
    settings = _given(wanted.trigger_settings)
    definition = TriggerDefinition(
        trigger_id=0,  # the catalog draws it
        name=wanted.trigger_name,
        plugin_filename=wanted.plugin_filename,
        spec=parse_trigger_spec(wanted.trigger_specification),
        arguments=wanted.trigger_arguments,
        run_async=settings["run_async"],
        error_behavior=variant(settings["error_behavior"], _BEHAVIORS, JSON_PREFIX),
        enabled=not wanted.disabled,
    )
    return with_options(definition, settings)


def _edit(wanted: _ChangedTrigger) -> Callable[[TriggerDefinition], TriggerDefinition]:
    """Return what makes the changed trigger of the present one; what is wrong with the request is told at once."""
    given = _given(wanted)
    settings: dict[str, Any] = _given(wanted.trigger_settings) if wanted.trigger_settings is not UNSET else {}
    changes: dict[str, Any] = {}
    if "plugin_filename" in given:
        changes["plugin_filename"] = given["plugin_filename"]
    if "trigger_specification" in given:
        changes["spec"] = parse_trigger_spec(given["trigger_specification"])
    if "trigger_arguments" in given:
        changes["arguments"] = given["trigger_arguments"]
    if "run_async" in settings:
        changes["run_async"] = settings["run_async"]
    if "error_behavior" in settings:
        changes["error_behavior"] = variant(settings["error_behavior"], _BEHAVIORS, JSON_PREFIX)
    return lambda definition: with_options(replace(definition, **changes), settings)


def _given(values: Struct) -> dict[str, Any]:
    """Return the fields that a request gave."""
    return {name: value for name, value in msgspec.structs.asdict(values).items() if value is not UNSET}


_PATH = "/api/v3/configure/processing_engine_trigger"

ROUTES: RouteTable = {
    ("POST", _PATH): Route(create_trigger),
    ("PATCH", _PATH): Route(update_trigger),
    ("DELETE", _PATH): Route(delete_trigger),
    ("POST", f"{_PATH}/enable"): Route(enable_trigger),
    ("POST", f"{_PATH}/disable"): Route(disable_trigger),
}
