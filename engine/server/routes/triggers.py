"""Create, delete, enable and disable triggers."""

import msgspec

from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_spec import parse_trigger_spec
from engine.server.body import read_params
from engine.server.params import JSON_PREFIX, from_query, variant
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.texts import header_text

WARNING = b"x-influxdb3-warning"

_BEHAVIORS = {behavior.value: behavior for behavior in ErrorBehavior}


class _Settings(msgspec.Struct):
    run_async: bool
    error_behavior: str


class _NewTrigger(msgspec.Struct):
    db: str
    plugin_filename: str
    trigger_name: str
    trigger_settings: _Settings
    trigger_specification: str
    disabled: bool
    trigger_arguments: dict[str, str] | None = None
    timeout_s: float | None = None


class _OldTrigger(msgspec.Struct):
    db: str
    trigger_name: str
    force: bool = False


class _TriggerName(msgspec.Struct):
    db: str
    trigger_name: str


async def create_trigger(context: Context, request: Request) -> AnyReply:
    """Create a trigger; a header tells of each thing that its author may not have meant."""
    wanted = await read_params(request, _NewTrigger)
    definition = _definition(wanted)
    warnings = await context.workers.change(lambda: context.engine.create_trigger(wanted.db, definition))
    return EMPTY.with_headers((WARNING, header_text(text)) for text in warnings)


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
    return TriggerDefinition(
        trigger_id=0,  # the catalog draws it
        name=wanted.trigger_name,
        plugin_filename=wanted.plugin_filename,
        spec=parse_trigger_spec(wanted.trigger_specification),
        arguments=wanted.trigger_arguments,
        run_async=wanted.trigger_settings.run_async,
        error_behavior=variant(wanted.trigger_settings.error_behavior, _BEHAVIORS, JSON_PREFIX),
        enabled=not wanted.disabled,
        timeout_s=wanted.timeout_s,
    )


_PATH = "/api/v3/configure/processing_engine_trigger"

ROUTES: RouteTable = {
    ("POST", _PATH): Route(create_trigger),
    ("DELETE", _PATH): Route(delete_trigger),
    ("POST", f"{_PATH}/enable"): Route(enable_trigger),
    ("POST", f"{_PATH}/disable"): Route(disable_trigger),
}
