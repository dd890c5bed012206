"""Begin and end backfills: stored rows through a trigger once more."""

from msgspec import Struct

from engine.model.backfill import DEFAULT_BATCH_ROWS, BackfillRequest, Span
from engine.model.times import parse_time
from engine.server.body import read_json, read_params
from engine.server.params import from_json
from engine.server.replies import EMPTY, AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


class _NewBackfill(Struct, forbid_unknown_fields=True):
    db: str
    trigger_name: str
    start: str | int | None = None
    end: str | int | None = None
    batch_rows: int = DEFAULT_BATCH_ROWS


class _TriggerName(Struct):
    db: str
    trigger_name: str


async def begin_backfill(context: Context, request: Request) -> AnyReply:
    """Begin a backfill; return its id and of how many rows it consists. ``start`` and ``end``: RFC 3339 or nanoseconds."""
    wanted = from_json(await read_json(request), _NewBackfill)
    asked = BackfillRequest(Span(_time(wanted.start), _time(wanted.end)), wanted.batch_rows)
    begun = await context.workers.change(lambda: context.engine.backfill(wanted.db, wanted.trigger_name, asked))
    return json_reply({"backfill_id": begun.backfill_id, "rows": begun.rows_total})


async def cancel_backfill(context: Context, request: Request) -> AnyReply:
    """End the backfill of a trigger before its time."""
    gone = await read_params(request, _TriggerName)
    await context.workers.change(lambda: context.engine.cancel_backfill(gone.db, gone.trigger_name))
    return EMPTY


def _time(given: str | int | None) -> int | None:
    return None if given is None else parse_time(str(given))


_PATH = "/api/v3/configure/processing_engine_trigger/backfill"

ROUTES: RouteTable = {
    ("POST", _PATH): Route(begin_backfill),
    ("DELETE", _PATH): Route(cancel_backfill),
}
