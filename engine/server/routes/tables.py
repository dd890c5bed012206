"""Create, change and delete tables."""

import msgspec

from engine.model.names import check_database_name
from engine.model.retention import parse_hard_delete_at
from engine.server.body import read_json
from engine.server.params import from_json, from_query
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routes.databases import period_of
from engine.server.routing import Context, Route, RouteTable


class _Field(msgspec.Struct):
    name: str
    type: str


class _NewTable(msgspec.Struct):
    db: str
    table: str
    tags: list[str]
    fields: list[_Field]
    retention_period: str | None = None


class _ChangedTable(msgspec.Struct):
    db: str
    table: str
    retention_period: str | None = None


class _OldTable(msgspec.Struct):
    db: str
    table: str
    hard_delete_at: str | None = None


async def create_table(context: Context, request: Request) -> AnyReply:
    """Create an empty table, and its database if that is missing."""
    wanted = from_json(await read_json(request), _NewTable)
    check_database_name(wanted.db)
    fields = [(field.name, field.type) for field in wanted.fields]
    period_s = period_of(wanted.retention_period)
    tables = context.engine.tables
    await context.workers.change(lambda: tables.create(wanted.db, wanted.table, wanted.tags, fields, period_s))
    return EMPTY


async def update_table(context: Context, request: Request) -> AnyReply:
    """Give a table a retention period of its own, or that of its database."""
    wanted = from_json(await read_json(request), _ChangedTable)
    period_s = period_of(wanted.retention_period)
    await context.workers.change(lambda: context.engine.tables.set_retention(wanted.db, period_s, wanted.table))
    return EMPTY


async def delete_table(context: Context, request: Request) -> AnyReply:
    """Delete a table, or change when the data of a deleted one goes."""
    gone = from_query(request.query, _OldTable)
    hard_delete = parse_hard_delete_at(gone.hard_delete_at)
    await context.workers.change(lambda: context.engine.tables.delete(gone.db, gone.table, hard_delete))
    return EMPTY


_PATH = "/api/v3/configure/table"

ROUTES: RouteTable = {
    ("POST", _PATH): Route(create_table),
    ("PUT", _PATH): Route(update_table),
    ("DELETE", _PATH): Route(delete_table),
}
