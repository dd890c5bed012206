"""Create, renew and delete tokens."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from engine.auth.admin import NewToken
from engine.server.auth import FIRST_TOKEN_PATH, REGENERATE_PATH, TOKEN_PATHS
from engine.server.body import read_json
from engine.server.params import from_json, from_query
from engine.server.replies import EMPTY, AnyReply, Reply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MS = 1_000_000
_CONTENT_TYPE = b"json"  # sic: what the product says


class _NamedToken(msgspec.Struct):
    token_name: str
    expiry_secs: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _OldToken(msgspec.Struct):
    token_name: str


async def create_admin(context: Context, request: Request) -> AnyReply:
    """Create the operator token, once; whoever comes first gets it."""
    return shown(await context.workers.change(context.engine.tokens.create_admin))


async def regenerate_admin(context: Context, request: Request) -> AnyReply:
    """Give the operator token a new text."""
    by = _asking(context, request)
    return shown(await context.workers.change(lambda: context.engine.tokens.regenerate_admin(by)))


async def create_named(context: Context, request: Request) -> AnyReply:
    """Create a further admin token."""
    wanted = from_json(await read_json(request), _NamedToken)
    create, by = context.engine.tokens.create_named, _asking(context, request)
    return shown(await context.workers.change(lambda: create(wanted.token_name, wanted.expiry_secs, by)))


async def delete_token(context: Context, request: Request) -> AnyReply:
    """Delete a token."""
    gone = from_query(request.query, _OldToken)
    await context.workers.change(lambda: context.engine.tokens.delete(gone.token_name))
    return EMPTY


def _asking(context: Context, request: Request) -> int | None:
    """Return the id of the token with which a request came in."""
    return context.engine.tokens.authenticate(request.header(b"authorization"))


def shown(token: NewToken) -> Reply:
    """Return the answer that shows a new token, this once."""
    value = {
        "id": token.token_id,
        "name": token.name,
        "token": token.token,
        "hash": token.hash,
        "created_at": _rfc3339(token.created_ns),
        "expiry": None if token.expires_ns is None else _rfc3339(token.expires_ns),
    }
    return json_reply(value, 201, _CONTENT_TYPE)


def _rfc3339(time_ns: int) -> str:
    time = _EPOCH + timedelta(milliseconds=time_ns // _NS_PER_MS)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


ROUTES: RouteTable = {
    ("POST", FIRST_TOKEN_PATH): Route(create_admin),
    ("POST", REGENERATE_PATH): Route(regenerate_admin),
    ("POST", f"{TOKEN_PATHS}/named_admin"): Route(create_named),
    ("DELETE", TOKEN_PATHS): Route(delete_token),
}
