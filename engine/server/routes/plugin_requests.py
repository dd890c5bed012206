"""Requests that plugins answer: everything below ``/api/v3/engine/``."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future

from engine.errors import EngineError, NotFound, PluginError, TriggerIsOff, Unavailable
from engine.host.protocol import RequestData
from engine.server.body import read_body
from engine.server.errors import body_for
from engine.server.params import query_pairs
from engine.server.replies import AnyReply, Reply, StreamedReply
from engine.server.requests import Request
from engine.server.routing import Context, Route
from engine.server.texts import compact_json
from engine.triggers.replies import Answered, Parts, StreamedResponse

PREFIX = "/api/v3/engine/"

_NOT_FOUND = b'{error: "not found"}'  # sic: what the product says
_SECRET = b"authorization"
_OURS = frozenset({"access-control-allow-origin", "cluster-uuid"})
_HIGHEST_STATUS = 599

LONGEST_STALL_S = 60.0
"""A client that takes no part of an answer for so long counts as gone; its plugin need not wait for it any more."""


async def run_plugin(context: Context, request: Request) -> AnyReply:
    """Hand the request to the trigger of its path; answer what the plugin returns, complete after its commit."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers if name != _SECRET}
    data = RequestData(
        dict(query_pairs(request.query)),
        headers,
        await read_body(request),
        method=request.method,
        path=request.path,
        query_string=request.query.decode("latin-1"),
    )
    answered = context.engine.request(request.path.removeprefix(PREFIX), data)
    try:
        answer = await request.unless_gone(asyncio.wrap_future(answered))
    except BaseException:
        answered.add_done_callback(_leave)  # the answer may have come at this moment
        raise
    return _reply(answer, request)


def plugin_error_body(error: EngineError) -> bytes:
    """Return what is said when the plugin did not answer."""
    if isinstance(error, NotFound) and not isinstance(error, TriggerIsOff):
        return _NOT_FOUND
    if isinstance(error, PluginError | Unavailable | TriggerIsOff):
        return compact_json({"error": str(error)})
    return body_for(error)


def _reply(answer: Answered, request: Request) -> AnyReply:
    headers = tuple(
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers if name.lower() not in _OURS
    )
    status = answer.status if answer.status <= _HIGHEST_STATUS else 500
    if isinstance(answer, StreamedResponse):
        return StreamedReply(status, _pieces(answer.parts, request), headers)
    return Reply(status, answer.body, headers)


async def _pieces(parts: Parts, request: Request) -> AsyncGenerator[bytes]:
    """Yield the parts of an answer as the plugin makes them, until its client leaves or takes none for too long."""
    later = asyncio.get_running_loop().call_later
    try:
        while (piece := await request.unless_gone(asyncio.wrap_future(parts.take()))) is not None:
            stalled = later(LONGEST_STALL_S, parts.leave)
            try:
                yield piece
            finally:
                stalled.cancel()
    finally:
        parts.leave()


def _leave(answered: "Future[Answered]") -> None:
    if not answered.cancelled() and answered.exception() is None:
        answer = answered.result()
        if isinstance(answer, StreamedResponse):
            answer.parts.leave()


_ROUTE = Route(run_plugin, plugin_error_body, tells_origins_of_errors=True)

ROUTES_BELOW = {"GET": _ROUTE, "POST": _ROUTE}
"""Routes of all paths below the prefix, by method."""
