"""Show, retry and delete what triggers gave up."""

import msgspec

from engine.errors import InvalidRequest
from engine.query.format_choice import choose_format
from engine.server.body import read_json
from engine.server.params import from_json, from_query
from engine.server.replies import AnyReply, json_reply, typed
from engine.server.requests import Request
from engine.server.routes.query import SqlQuery, encoded
from engine.server.routing import Context, Route, RouteTable
from engine.server.workers import in_own_thread
from engine.triggers.ends import RetryResult

_LETTERS = (
    "SELECT * FROM system.processing_engine_dead_letters WHERE $name IS NULL OR trigger_name = $name ORDER BY time"
)


class _Listing(msgspec.Struct):
    db: str
    trigger_name: str | None = None
    format: str | None = None


class _Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """Which letters are meant, as a body says it."""

    db: str
    trigger_name: str | None = None
    ids: list[str] | None = None
    all: bool = False


class _ChosenText(msgspec.Struct):
    """Which letters are meant, as a query string says it; ``ids`` are separated by commas."""

    db: str
    trigger_name: str | None = None
    ids: str | None = None
    all: bool = False


async def list_letters(context: Context, request: Request) -> AnyReply:
    """List the open dead letters of a database with all that they hold, the oldest first."""
    wanted = from_query(request.query, _Listing)
    format_ = choose_format(wanted.format, request.header(b"accept"))
    query = SqlQuery(wanted.db, _LETTERS, params={"name": wanted.trigger_name})
    body = await in_own_thread(lambda: b"".join(encoded(context.engine, query, format_)))
    return typed(body, format_.value.encode())


async def retry_letters(context: Context, request: Request) -> AnyReply:
    """Run dead letters again; answers when all of them are done, which goes on without its client too."""
    wanted = await _chosen(request)
    name = wanted.trigger_name
    if name is None:
        raise InvalidRequest('say of which trigger: "trigger_name" is missing')
    results = await in_own_thread(lambda: context.engine.retry_dead_letters(wanted.db, name, wanted.ids))
    return json_reply({"results": [_told(result) for result in results]})


async def delete_letters(context: Context, request: Request) -> AnyReply:
    """Throw dead letters away."""
    wanted = await _chosen(request)
    deleted = await in_own_thread(
        lambda: context.engine.delete_dead_letters(wanted.db, wanted.trigger_name, wanted.ids)
    )
    return json_reply({"deleted": deleted})


async def _chosen(request: Request) -> _Chosen:
    """Return which letters are meant, from the query string if there is one, else from the body; no ``ids`` = all.

    Raises:
        InvalidRequest: neither ``ids`` nor ``all`` is given, or both.
    """
    if request.query:
        text = from_query(request.query, _ChosenText)
        wanted = _Chosen(text.db, text.trigger_name, text.ids.split(",") if text.ids else None, text.all)
    else:
        wanted = from_json(await read_json(request), _Chosen)
    if wanted.all == bool(wanted.ids):
        raise InvalidRequest('say which dead letters: either "ids", or "all": true')
    return msgspec.structs.replace(wanted, ids=wanted.ids or None)


def _told(result: RetryResult) -> dict[str, str | int]:
    told: dict[str, str | int] = {"id": str(result.letter_id), "state": result.state}
    if result.error:
        told["error"] = result.error
    if result.new_letters:
        told["new_letters"] = result.new_letters
    return told


_PATH = "/api/v3/configure/processing_engine_trigger/dead_letters"

ROUTES: RouteTable = {
    ("GET", _PATH): Route(list_letters),
    ("POST", f"{_PATH}/retry"): Route(retry_letters),
    ("DELETE", _PATH): Route(delete_letters),
}
