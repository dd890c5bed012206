"""Upload plugin files."""

import msgspec

from engine.server.body import read_json
from engine.server.params import from_json
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


class _PluginFile(msgspec.Struct):
    plugin_name: str
    content: str


async def write_file(context: Context, request: Request) -> AnyReply:
    """Create or replace one file in the plugin folder; ``plugin_name`` is its path there (processing-engine §2.4)."""
    file = from_json(await read_json(request), _PluginFile)
    await context.workers.change(lambda: context.engine.write_plugin_file(file.plugin_name, file.content))
    return EMPTY


ROUTES: RouteTable = {("POST", "/api/v3/plugins/files"): Route(write_file)}
