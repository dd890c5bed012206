"""Show the catalog: its file, whether an edit of it was refused, what is defined."""

from typing import Any

from engine.catalog.state import Database, TableEntry
from engine.model.caches import CacheDefinition, LastCache
from engine.model.retention import format_period
from engine.model.times import utc_text
from engine.model.trigger_keys import plain_trigger
from engine.server.replies import AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable


async def show_catalog(context: Context, request: Request) -> AnyReply:
    """Tell what is in force, and why the last edit by hand was refused if it was."""
    catalog = context.engine.catalog
    return json_reply(
        {
            "path": str(context.engine.paths.catalog),
            "problem": catalog.problem,
            "databases": [_database(database) for database in catalog.state.databases],
        }
    )


def _database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name,
        "deleted": database.is_deleted,
        **_kept(database),
        "tables": [{"name": t.name, "deleted": t.is_deleted, **_kept(t)} for t in database.tables],
        "triggers": [plain_trigger(trigger) for trigger in database.triggers],
        "caches": [_cache(cache) for cache in database.caches],
    }


def _kept(entry: Database | TableEntry) -> dict[str, str]:
    """Return how long rows are kept, and when the data of something deleted goes, as far as that is said."""
    found = {}
    if entry.retention_s is not None:
        found["retention_period"] = format_period(entry.retention_s)
    if entry.hard_delete_ns is not None:
        found["hard_delete_at"] = utc_text(entry.hard_delete_ns)
    return found


def _cache(cache: CacheDefinition) -> dict[str, Any]:
    kind = "last_cache" if isinstance(cache, LastCache) else "distinct_cache"
    return {"kind": kind, "table": cache.table, "name": cache.name, "key_columns": list(cache.key_columns)}


ROUTES: RouteTable = {("GET", "/api/v3/configure/catalog"): Route(show_catalog)}
