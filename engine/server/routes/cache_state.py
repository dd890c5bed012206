"""Take away what plugins keep in their caches."""

import msgspec

from engine.errors import InvalidRequest
from engine.server.params import from_query
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable

_GLOBAL = "global"
_TRIGGER = "trigger"


class _State(msgspec.Struct):
    db: str
    trigger_name: str | None = None
    scope: str = _TRIGGER
    key: str | None = None


async def delete_cache_state(context: Context, request: Request) -> AnyReply:
    """Take away one value of a cache, or all of them."""
    wanted = from_query(request.query, _State)
    if wanted.scope not in (_TRIGGER, _GLOBAL):
        raise InvalidRequest(f"scope {wanted.scope!r} must be {_TRIGGER} or {_GLOBAL}")
    if (wanted.scope == _GLOBAL) != (wanted.trigger_name is None):
        raise InvalidRequest(f"name a trigger by trigger_name, or say scope={_GLOBAL} for what all triggers share")
    await context.workers.change(lambda: context.engine.delete_cache_state(wanted.db, wanted.trigger_name, wanted.key))
    return EMPTY


ROUTES: RouteTable = {("DELETE", "/api/v3/configure/processing_engine_trigger/cache_state"): Route(delete_cache_state)}
