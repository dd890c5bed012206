"""Show the catalog: its file, whether an edit of it was refused, what is defined."""

from typing import Any

from engine.catalog.state import Database
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_options import OPTIONS
from engine.model.trigger_spec import format_trigger_spec
from engine.server.replies import AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


async def show_catalog(context: Context, request: Request) -> AnyReply:
    """Tell what is in force, and why the last edit by hand was refused if it was."""
    catalog = context.engine.catalog
    return json_reply(
        {
            "path": str(context.engine.paths.catalog),
            "problem": catalog.problem,
            "databases": [_database(database) for database in catalog.state.databases],
        }
    )


def _database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name,
        "deleted": database.is_deleted,
        "triggers": [_trigger(trigger) for trigger in database.triggers],
    }


def _trigger(trigger: TriggerDefinition) -> dict[str, Any]:
    return {
        "name": trigger.name,
        "plugin_filename": trigger.plugin_filename,
        "trigger_specification": format_trigger_spec(trigger.spec),
        "trigger_arguments": None if trigger.arguments is None else dict(trigger.arguments),
        "run_async": trigger.run_async,
        "error_behavior": trigger.error_behavior.value,
        "enabled": trigger.enabled,
        **{option.name: option.plain(trigger) for option in OPTIONS if option.of(trigger) is not None},
    }


ROUTES: RouteTable = {("GET", "/api/v3/configure/catalog"): Route(show_catalog)}
