"""Create and delete last-value and distinct-value caches."""

from typing import Annotated, Any

import msgspec

from engine.caches.definitions import CreatedCache, DistinctRequest, LastRequest
from engine.errors import InvalidRequest
from engine.model.caches import DEFAULT_MAX_AGE_S, DEFAULT_MAX_CARDINALITY, DEFAULT_TTL_S, DistinctCache, LastCache
from engine.model.schema import TIME_COLUMN, ColumnType, TableSchema
from engine.server.body import read_json, read_params
from engine.server.params import JSON_PREFIX, from_json
from engine.server.replies import EMPTY, AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable

_Unsigned = Annotated[int, msgspec.Meta(ge=0)]


class _NewLast(msgspec.Struct):
    db: str
    table: str
    name: str | None = None
    key_columns: list[str] | None = None
    value_columns: list[str] | None = None
    count: _Unsigned | None = None
    ttl: _Unsigned | None = None


class _NewDistinct(msgspec.Struct):
    db: str
    table: str
    columns: list[str]
    name: str | None = None
    max_cardinality: _Unsigned | None = None
    max_age: _Unsigned | None = None


class _OldCache(msgspec.Struct):
    db: str
    table: str
    name: str


async def create_last(context: Context, request: Request) -> AnyReply:
    """Create a last-value cache."""
    wanted = from_json(await read_json(request), _NewLast)
    if wanted.count == 0:
        raise InvalidRequest(f"{JSON_PREFIX}last cache size must be greater than 0")
    asked = LastRequest(
        wanted.name,
        wanted.key_columns,
        wanted.value_columns,
        _or(wanted.count, 1),
        _or(wanted.ttl, DEFAULT_TTL_S),
    )
    create = context.engine.caches.create_last
    return _created(await context.workers.change(lambda: create(wanted.db, wanted.table, asked)))


async def create_distinct(context: Context, request: Request) -> AnyReply:
    """Create a distinct-value cache."""
    wanted = from_json(await read_json(request), _NewDistinct)
    if wanted.max_cardinality == 0:
        raise InvalidRequest(f"{JSON_PREFIX}invalid value: integer `0`, expected a nonzero usize")
    asked = DistinctRequest(
        wanted.columns,
        wanted.name,
        _or(wanted.max_cardinality, DEFAULT_MAX_CARDINALITY),
        _or(wanted.max_age, DEFAULT_MAX_AGE_S),
    )
    create = context.engine.caches.create_distinct
    return _created(await context.workers.change(lambda: create(wanted.db, wanted.table, asked)))


async def delete_last(context: Context, request: Request) -> AnyReply:
    """Delete a last-value cache."""
    gone = await read_params(request, _OldCache)
    delete = context.engine.caches.delete
    await context.workers.change(lambda: delete(gone.db, LastCache, gone.table, gone.name))
    return EMPTY


async def delete_distinct(context: Context, request: Request) -> AnyReply:
    """Delete a distinct-value cache."""
    gone = await read_params(request, _OldCache)
    delete = context.engine.caches.delete
    await context.workers.change(lambda: delete(gone.db, DistinctCache, gone.table, gone.name))
    return EMPTY


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _created(made: CreatedCache) -> AnyReply:
    """Return the product's own record of the change (server-api §4.8)."""
    batch = {
        "time_ns": made.time_ns,
        "database_id": made.database.database_id,
        "database_name": made.database.name,
        "ops": [_operation(made)],
    }
    return json_reply({"catalog_batch": {"Database": batch}, "sequence_number": made.position}, 201)


def _operation(made: CreatedCache) -> dict[str, Any]:
    cache, schema = made.cache, made.schema
    keys = [_column_id(schema, name) for name in cache.key_columns]
    if isinstance(cache, LastCache):
        values = cache.value_columns
        ids = (
            "all_non_key_columns"
            if values is None
            else {"explicit": {"columns": [_column_id(schema, v) for v in values]}}
        )
        described = {"table_id": schema.table_id, "table": cache.table, "id": cache.cache_id, "node_spec": "all"}
        limits = {
            "name": cache.name,
            "key_columns": keys,
            "value_columns": ids,
            "count": cache.count,
            "ttl": cache.ttl_s,
        }
        return {"CreateLastCache": {**described, **limits}}
    described = {"table_id": schema.table_id, "table_name": cache.table, "node_spec": "all", "cache_id": cache.cache_id}
    limits = {"column_ids": keys, "max_cardinality": cache.max_cardinality, "max_age_seconds": cache.max_age_s}
    return {
        "CreateDistinctCache": {**described, "cache_name": cache.name, **limits, "source": {"type": "User"}},
    }


def _column_id(schema: TableSchema, name: str) -> Any:
    """Return the product's id of a column: the time, the n-th tag, or the n-th field of the only family."""
    if name == TIME_COLUMN:
        return "timestamp"
    if schema.type_of(name) is ColumnType.TAG:
        return {"tag": schema.tags.index(name)}
    fields = [c.name for c in schema.columns if c.type not in (ColumnType.TAG, ColumnType.TIME)]
    return {"field": [0, fields.index(name)]}


_LAST = "/api/v3/configure/last_cache"
_DISTINCT = "/api/v3/configure/distinct_cache"

ROUTES: RouteTable = {
    ("POST", _LAST): Route(create_last),
    ("DELETE", _LAST): Route(delete_last),
    ("POST", _DISTINCT): Route(create_distinct),
    ("DELETE", _DISTINCT): Route(delete_distinct),
}
