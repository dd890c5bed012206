"""Run plugins without effects."""

import msgspec

from engine.server.body import read_json
from engine.server.params import from_json
from engine.server.replies import AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.workers import in_own_thread


class _WalTest(msgspec.Struct):
    filename: str
    database: str
    input_lp: str
    cache_name: str | None = None
    input_arguments: dict[str, str] | None = None


class _ScheduleTest(msgspec.Struct):
    filename: str
    database: str
    schedule: str | None = None
    cache_name: str | None = None
    input_arguments: dict[str, str] | None = None


async def test_wal(context: Context, request: Request) -> AnyReply:
    """Run a plugin for data writes on lines that are not stored."""
    t = from_json(await read_json(request), _WalTest)
    run = context.engine.test_wal
    result = await in_own_thread(lambda: run(t.filename, t.database, t.input_lp, t.cache_name, t.input_arguments))
    return json_reply(result)


async def test_schedule(context: Context, request: Request) -> AnyReply:
    """Run a plugin for schedules now, with the next time of the schedule."""
    t = from_json(await read_json(request), _ScheduleTest)
    run = context.engine.test_schedule
    result = await in_own_thread(lambda: run(t.filename, t.database, t.schedule, t.cache_name, t.input_arguments))
    return json_reply(result)


ROUTES: RouteTable = {
    ("POST", "/api/v3/plugin_test/wal"): Route(test_wal),
    ("POST", "/api/v3/plugin_test/schedule"): Route(test_schedule),
}
