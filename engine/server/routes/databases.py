"""Create, change, delete and list databases."""

import msgspec
import pyarrow as pa

from engine.errors import InvalidRequest
from engine.model.names import check_database_name
from engine.model.retention import parse_hard_delete_at, parse_period
from engine.query.format_choice import parse_format
from engine.server.body import read_json
from engine.server.params import JSON_PREFIX, from_json, from_query
from engine.server.replies import EMPTY, NO_CONTENT, AnyReply, typed
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


class _Period(msgspec.Struct):
    db: str
    duration: str


class _NoPeriod(msgspec.Struct):
    db: str


async def list_databases(context: Context, request: Request) -> AnyReply:
    """List the databases by name, those that are deleted behind the others."""
    from engine.query.formats import encode_all  # start-up time: 30 ms that only an answer needs

    wanted = from_query(request.query, _Listing)
    format_ = parse_format(wanted.format)
    rows = sorted(context.engine.tables.databases(wanted.show_deleted), key=lambda row: (row[1], row[0]))
    columns = {NAME_COLUMN: pa.array([name for name, _ in rows], pa.string())}
    if wanted.show_deleted:
        columns[DELETED_COLUMN] = pa.array([deleted for _, deleted in rows], pa.bool_())
    batch = pa.RecordBatch.from_pydict(columns)
    return typed(b"".join(encode_all(format_, batch.schema, [batch])), format_.value.encode())


async def create_database(context: Context, request: Request) -> AnyReply:
    """Create a database."""
    wanted = from_json(await read_json(request), _NewDatabase)
    period_s = period_of(wanted.retention_period)
    check_database_name(wanted.db)
    await context.workers.change(lambda: context.engine.tables.create_database(wanted.db, period_s))
    return EMPTY


async def update_database(context: Context, request: Request) -> AnyReply:
    """Give a database another retention period, or none."""
    wanted = from_json(await read_json(request), _NewDatabase)
    period_s = period_of(wanted.retention_period)
    await context.workers.change(lambda: context.engine.tables.set_retention(wanted.db, period_s))
    return EMPTY


async def set_retention_period(context: Context, request: Request) -> AnyReply:
    """Give a database a retention period."""
    wanted = from_query(request.query, _Period)
    try:
        period_s = parse_period(wanted.duration)
    except ValueError as error:
        raise InvalidRequest(f"Cannot parse the given human time: {error}") from error
    await context.workers.change(lambda: context.engine.tables.set_retention(wanted.db, period_s))
    return NO_CONTENT


async def clear_retention_period(context: Context, request: Request) -> AnyReply:
    """Keep the rows of a database for ever."""
    wanted = from_query(request.query, _NoPeriod)
    await context.workers.change(lambda: context.engine.tables.set_retention(wanted.db, None))
    return NO_CONTENT


async def delete_database(context: Context, request: Request) -> AnyReply:
    """Delete a database, or change when the data of a deleted one goes."""
    gone = from_query(request.query, _OldDatabase)
    hard_delete = parse_hard_delete_at(gone.hard_delete_at)
    await context.workers.change(lambda: context.engine.tables.delete_database(gone.db, hard_delete))
    return EMPTY


def period_of(text: str | None) -> int | None:
    """Return the seconds of a retention period in a JSON body, ``None`` where there is none.

    Raises:
        InvalidRequest: it is no period.
    """
    if text is None:
        return None
    try:
        return parse_period(text)
    except ValueError as error:
        shown = msgspec.json.encode(text).decode()
        raise InvalidRequest(f"{JSON_PREFIX}invalid value: string {shown}, expected a duration: {error}") from error


_PATH = "/api/v3/configure/database"
_PERIOD = f"{_PATH}/retention_period"

ROUTES: RouteTable = {
    ("GET", _PATH): Route(list_databases),
    ("POST", _PATH): Route(create_database),
    ("PUT", _PATH): Route(update_database),
    ("DELETE", _PATH): Route(delete_database),
    ("POST", _PERIOD): Route(set_retention_period),
    ("DELETE", _PERIOD): Route(clear_retention_period),
}
