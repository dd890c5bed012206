"""Put plugin files into the plugin folder."""

import msgspec

from engine.server.body import read_json
from engine.server.errors import engine_body_for
from engine.server.params import from_json
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


class _PluginFile(msgspec.Struct):
    plugin_name: str
    content: str


async def write_file(context: Context, request: Request) -> AnyReply:
    """Create or replace a file; its name is a path in the plugin folder (processing-engine §2.4)."""
    wanted = from_json(await read_json(request), _PluginFile)
    await context.workers.change(lambda: context.engine.write_plugin_file(wanted.plugin_name, wanted.content))
    return EMPTY


ROUTES: RouteTable = {("POST", "/api/v3/plugins/files"): Route(write_file, engine_body_for("plugin error"))}
