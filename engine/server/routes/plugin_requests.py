"""Requests that plugins answer: everything below ``/api/v3/engine/``."""

import asyncio

from engine.errors import EngineError, NotFound, PluginError, Unavailable
from engine.host.protocol import RequestData, Response
from engine.server.body import read_body
from engine.server.errors import body_for
from engine.server.params import query_pairs
from engine.server.replies import AnyReply, Reply
from engine.server.requests import Request
from engine.server.routing import Context, Route
from engine.server.texts import compact_json

PREFIX = "/api/v3/engine/"

_NOT_FOUND = b'{error: "not found"}'  # sic: what the product says
_SECRET = b"authorization"
_OURS = frozenset({"access-control-allow-origin", "cluster-uuid"})
_HIGHEST_STATUS = 599


async def run_plugin(context: Context, request: Request) -> AnyReply:
    """Hand the request to the trigger of its path; answer what the plugin returns, after its commit."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers if name != _SECRET}
    data = RequestData(dict(query_pairs(request.query)), headers, await read_body(request))
    response = await asyncio.wrap_future(context.engine.request(request.path.removeprefix(PREFIX), data))
    return _reply(response)


def plugin_error_body(error: EngineError) -> bytes:
    """Return what is said when the plugin did not answer."""
    if isinstance(error, NotFound):
        return _NOT_FOUND
    if isinstance(error, PluginError | Unavailable):
        return compact_json({"error": str(error)})
    return body_for(error)


def _reply(response: Response) -> Reply:
    headers = tuple(
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
        if name.lower() not in _OURS
    )
    return Reply(response.status if response.status <= _HIGHEST_STATUS else 500, response.body, headers)


_ROUTE = Route(run_plugin, plugin_error_body, tells_origins_of_errors=True)

ROUTES_BELOW = {"GET": _ROUTE, "POST": _ROUTE}
"""Routes of all paths below the prefix, by method."""
