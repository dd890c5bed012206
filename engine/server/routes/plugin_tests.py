"""Run plugins without effects."""

import base64
import binascii
from urllib.parse import quote, urlencode

import msgspec

from engine.errors import InvalidRequest
from engine.host.protocol import RequestData
from engine.plugins.dry_run import DryRunRequest
from engine.server.body import read_json
from engine.server.params import from_json
from engine.server.replies import AnyReply, json_reply
from engine.server.requests import Request
from engine.server.routes.plugin_requests import PREFIX, ROUTES_BELOW
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


class _RequestTest(msgspec.Struct):
    filename: str
    database: str
    method: str = "GET"
    path: str = "test"
    headers: dict[str, str] = {}
    query_params: dict[str, str] = {}
    body: str = ""
    body_is_base64: bool = False
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


async def test_request(context: Context, request: Request) -> AnyReply:
    """Run a plugin for requests on a request that nobody sent."""
    t = from_json(await read_json(request), _RequestTest)
    asked = DryRunRequest(t.filename, t.database, t.cache_name, t.input_arguments)
    data = _request_data(t)
    run = context.engine.test_request
    return json_reply(await in_own_thread(lambda: run(asked, data)))


def _request_data(t: _RequestTest) -> RequestData:
    """Return the request as a real one would come in."""
    if t.method not in ROUTES_BELOW:
        raise InvalidRequest(f"method '{t.method}' reaches no plugin; allowed are {' and '.join(ROUTES_BELOW)}")
    try:
        body = base64.b64decode(t.body, validate=True) if t.body_is_base64 else t.body.encode()
    except binascii.Error as error:
        raise InvalidRequest(f"the body is not base64: {error}") from error
    headers = {name.lower(): value for name, value in t.headers.items() if name.lower() != "authorization"}
    path = PREFIX + quote(t.path.removeprefix(PREFIX), safe="/%")
    return RequestData(t.query_params, headers, body, t.method, path, urlencode(t.query_params))


ROUTES: RouteTable = {
    ("POST", "/api/v3/plugin_test/wal"): Route(test_wal),
    ("POST", "/api/v3/plugin_test/schedule"): Route(test_schedule),
    ("POST", "/api/v3/plugin_test/request"): Route(test_request),
}
