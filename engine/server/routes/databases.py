"""Create, delete and list databases."""

import msgspec
import pyarrow as pa

from engine.errors import InvalidRequest
from engine.model.names import check_database_name
from engine.query.format_choice import parse_format
from engine.server.body import read_json
from engine.server.params import from_json, from_query
from engine.server.replies import EMPTY, AnyReply, typed
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable

NAME_COLUMN = "iox::database"
DELETED_COLUMN = "deleted"


class _Listing(msgspec.Struct):
    format: str
    show_deleted: bool = False


class _NewDatabase(msgspec.Struct):
    db: str
    retention_period: str | None = None


class _OldDatabase(msgspec.Struct):
    db: str
    hard_delete_at: str | None = None


async def list_databases(context: Context, request: Request) -> AnyReply:
    """List the databases by name."""
    from engine.query.formats import encode_all  # start-up time: 30 ms that only an answer needs

    wanted = from_query(request.query, _Listing)
    format_ = parse_format(wanted.format)
    rows = sorted(context.engine.tables.databases(wanted.show_deleted))
    columns = {NAME_COLUMN: pa.array([name for name, _ in rows], pa.string())}
    if wanted.show_deleted:
        columns[DELETED_COLUMN] = pa.array([deleted for _, deleted in rows], pa.bool_())
    batch = pa.RecordBatch.from_pydict(columns)
    return typed(b"".join(encode_all(format_, batch.schema, [batch])), format_.value.encode())


async def create_database(context: Context, request: Request) -> AnyReply:
    """Create a database."""
    wanted = from_json(await read_json(request), _NewDatabase)
    if wanted.retention_period is not None:
        raise InvalidRequest(
            f"retention_period '{wanted.retention_period}' cannot be kept: retention is not available yet, "
            "leave retention_period out"
        )
    check_database_name(wanted.db)
    await context.workers.change(lambda: context.engine.tables.create_database(wanted.db))
    return EMPTY


async def delete_database(context: Context, request: Request) -> AnyReply:
    """Delete a database."""
    gone = from_query(request.query, _OldDatabase)
    check_hard_delete(gone.hard_delete_at)
    await context.workers.change(lambda: context.engine.tables.delete_database(gone.db))
    return EMPTY


def check_hard_delete(text: str | None) -> None:
    """Accept when the data of something that was deleted shall go, which cannot be chosen yet.

    Raises:
        InvalidRequest: it is something else than ``default``.
    """
    if text not in (None, "default"):
        raise InvalidRequest(
            f"hard_delete_at '{text}' cannot be kept: the time cannot be chosen yet, leave hard_delete_at out"
        )


_PATH = "/api/v3/configure/database"

ROUTES: RouteTable = {
    ("GET", _PATH): Route(list_databases),
    ("POST", _PATH): Route(create_database),
    ("DELETE", _PATH): Route(delete_database),
}
