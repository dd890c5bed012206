"""Who comes in: every endpoint with no, a wrong and the right token; what the rows of server API §12.5 leave open."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from engine.server.app import ROUTES, App
from engine.server.replies import EMPTY, AnyReply
from engine.server.requests import Request
from engine.server.routes import plugin_requests
from engine.server.routing import Context
from engine.system_tables.tokens import TOKENS
from tests.support.clock import ManualClock
from tests.support.engines import open_engine, query
from tests.support.web import Web, basic, bearer, told, web

TOKEN = "/api/v3/configure/token"
REFUSED = (401, '{"error": "the request was not authenticated"}')
REACHED = (200, "")

OPEN = {
    *(("GET", path) for path in ("/health", "/api/v1/health", "/ping")),
    ("POST", "/ping"),
    ("POST", f"{TOKEN}/admin"),
}
"""The endpoints that need no token; no other may need none unless it is added here, knowingly."""

BELOW = [(method, f"{plugin_requests.PREFIX}x") for method in plugin_requests.ROUTES_BELOW]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path, without_auth=False) as served:
        yield served


@pytest.fixture
def admin(server: Web) -> str:
    """The text of the operator token."""
    token: str = server.post(f"{TOKEN}/admin").json()["token"]
    return token


async def reached(context: Context, request: Request) -> AnyReply:
    return EMPTY


def test_every_endpoint_with_no_a_wrong_and_the_right_token(tmp_path: Path) -> None:
    """No request without a valid token reaches a handler, but for those of ``OPEN``."""

    async def ask(app: App, token: str) -> dict[tuple[str, str], list[tuple[int, str]]]:
        headers: list[dict[str, str]] = [
            {},
            bearer("apiv3_wrong"),
            {"Authorization": basic("", "wrong")},
            bearer(token),
        ]
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return {
                (method, path): [told(await client.request(method, path, headers=h)) for h in headers]
                for method, path in (*ROUTES, *BELOW)
            }

    with open_engine(tmp_path, without_auth=False) as engine:
        token = engine.tokens.create_admin().token
        app = App(engine, {key: replace(route, handler=reached) for key, route in ROUTES.items()})
        try:
            answers = asyncio.run(ask(app, token))
        finally:
            app.close()
    for endpoint in ROUTES:
        refused = REACHED if endpoint in OPEN else REFUSED
        assert answers[endpoint] == [refused, refused, refused, REACHED], endpoint
    for endpoint in BELOW:  # there is no plugin; who may ask is told so
        assert answers[endpoint][:3] == [REFUSED] * 3, endpoint
        assert answers[endpoint][3][0] == 404, endpoint


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("OPTIONS", "/api/v3/query_sql", (204, "")),
        pytest.param("POST", "/api/v3/engine/x", REFUSED, id="B5.17"),
        ("GET", f"{TOKEN}/admin", (404, "Not found")),
        ("HEAD", "/ping/", (401, "")),
    ],
)
def test_without_token_only_this_is_answered(server: Web, method: str, path: str, answer: tuple[int, str]) -> None:
    got = server.send(method, path)
    assert told(got) == answer
    assert "cluster-uuid" in got.headers


@pytest.mark.parametrize("expiry", [-1, "1h", 10**12])
def test_a_token_that_cannot_expire_so(server: Web, admin: str, expiry: object) -> None:
    body = {"token_name": "n1", "expiry_secs": expiry}
    assert server.post(f"{TOKEN}/named_admin", json=body, headers=bearer(admin)).status_code == 400


@pytest.mark.parametrize(("header", "status"), [("Bearer anything", 404), ("nonsense", 400)])
def test_without_authentication_a_header_must_still_be_one(tmp_path: Path, header: str, status: int) -> None:
    with web(tmp_path) as server:
        assert server.get("/nope", headers={"Authorization": header}).status_code == status


def test_a_token_is_in_no_log_and_no_error(server: Web, admin: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = admin[:20]
    forms = [bearer(admin), {"Authorization": f"Bearer {admin} more"}, {"Authorization": f"any {admin}"}]
    answers = [server.post(f"/write?db=&p={admin}", content="bad", headers=headers) for headers in forms]
    answers += [server.get(f"/nope?p={admin}", headers=headers) for headers in forms]
    answers.append(server.post(f"{TOKEN}/named_admin", json={"token_name": 7}, headers=bearer(admin)))
    assert [answer.status_code for answer in answers if answer.status_code < 400] == []
    assert [answer.text for answer in answers if secret in answer.text] == []
    own = [record for record in caplog.records if record.name.startswith("engine")]
    assert any(record.levelno == logging.DEBUG for record in own)
    assert [record.getMessage() for record in own if secret in record.getMessage()] == []


def test_a_new_token_does_not_show_its_text_by_chance(server: Web) -> None:
    made = server.engine.tokens.create_admin()
    assert made.token not in repr(made)


def test_tokens_tell_who_made_and_renewed_them(tmp_path: Path) -> None:
    """Also after a restart."""
    clock = ManualClock()
    with web(tmp_path, clock=clock, without_auth=False) as server:
        operator = server.post(f"{TOKEN}/admin").json()
        body = {"token_name": "ops", "expiry_secs": 60}
        ops = server.post(f"{TOKEN}/named_admin", json=body, headers=bearer(operator["token"])).json()
        clock.advance(10**9)
        server.post(f"{TOKEN}/admin/regenerate", headers=bearer(ops["token"]))
    with open_engine(tmp_path, clock=clock, without_auth=False) as engine:
        rows = query(engine, "_internal", "SELECT * FROM system.tokens ORDER BY name")
    times = [[row.get(name) for name in ("created_at", "updated_at")] for row in rows]
    ids = [[row.get(name) for name in ("created_by_token_id", "updated_by_token_id")] for row in rows]
    noon_ms = clock.now_ns() // 10**6 - 1000
    assert times == [[noon_ms, noon_ms + 1000], [noon_ms, None]]
    assert ids == [[None, ops["id"]], [operator["id"], None]]


def test_the_columns_are_those_of_the_product() -> None:
    assert TOKENS.names == [
        *("token_id", "name", "hash", "created_at", "description", "created_by_token_id"),
        *("updated_at", "updated_by_token_id", "expiry", "permissions"),
    ]
