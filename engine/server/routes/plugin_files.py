"""Put plugin files into the plugin folder, and replace those of triggers."""

import msgspec

from engine.server.body import read_json
from engine.server.errors import engine_body_for
from engine.server.params import from_json, from_query
from engine.server.replies import EMPTY, AnyReply, with_warnings
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


class _PluginFile(msgspec.Struct):
    plugin_name: str
    content: str


class _FolderFile(msgspec.Struct):
    relative_path: str
    content: str


class _PluginFolder(msgspec.Struct):
    plugin_name: str
    files: list[_FolderFile]


class _Place(msgspec.Struct):
    db: str | None = None


async def write_file(context: Context, request: Request) -> AnyReply:
    """Create or replace a file; its name is a path in the plugin folder."""
    wanted = from_json(await read_json(request), _PluginFile)
    await context.workers.change(lambda: context.engine.write_plugin_file(wanted.plugin_name, wanted.content))
    return EMPTY


async def update_file(context: Context, request: Request) -> AnyReply:
    """Replace the file of the trigger ``plugin_name``, or the ``__init__.py`` of its folder."""
    place = from_query(request.query, _Place)
    wanted = from_json(await read_json(request), _PluginFile)
    return with_warnings(
        await context.workers.change(
            lambda: context.engine.update_plugin_file(wanted.plugin_name, wanted.content, place.db)
        )
    )


async def update_folder(context: Context, request: Request) -> AnyReply:
    """Replace the folder of the trigger ``plugin_name`` as a whole."""
    place = from_query(request.query, _Place)
    wanted = from_json(await read_json(request), _PluginFolder)
    files = [(file.relative_path, file.content) for file in wanted.files]
    return with_warnings(
        await context.workers.change(lambda: context.engine.update_plugin_folder(wanted.plugin_name, files, place.db))
    )


_says = engine_body_for("plugin error")

ROUTES: RouteTable = {
    ("POST", "/api/v3/plugins/files"): Route(write_file, _says),
    ("PUT", "/api/v3/plugins/files"): Route(update_file, _says),
    ("PUT", "/api/v3/plugins/directory"): Route(update_folder, _says),
}
