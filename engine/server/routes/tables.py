"""Create and delete tables."""

import msgspec

from engine.model.names import check_database_name
from engine.server.body import read_json
from engine.server.params import from_json, from_query
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routes.databases import check_hard_delete
from engine.server.routing import Context, Route, RouteTable


class _Field(msgspec.Struct):
    name: str
    type: str


class _NewTable(msgspec.Struct):
    db: str
    table: str
    tags: list[str]
    fields: list[_Field]


class _OldTable(msgspec.Struct):
    db: str
    table: str
    hard_delete_at: str | None = None


async def create_table(context: Context, request: Request) -> AnyReply:
    """Create an empty table, and its database if that is missing."""
    wanted = from_json(await read_json(request), _NewTable)
    check_database_name(wanted.db)
    fields = [(field.name, field.type) for field in wanted.fields]
    await context.workers.change(lambda: context.engine.tables.create(wanted.db, wanted.table, wanted.tags, fields))
    return EMPTY


async def delete_table(context: Context, request: Request) -> AnyReply:
    """Delete a table with its rows."""
    gone = from_query(request.query, _OldTable)
    check_hard_delete(gone.hard_delete_at)
    await context.workers.change(lambda: context.engine.tables.delete(gone.db, gone.table))
    return EMPTY


_PATH = "/api/v3/configure/table"

ROUTES: RouteTable = {
    ("POST", _PATH): Route(create_table),
    ("DELETE", _PATH): Route(delete_table),
}
