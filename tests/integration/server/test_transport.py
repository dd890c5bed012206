"""Server API §12.1: transport, health, routing."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from engine.errors import QueryFailed
from engine.server.app import App
from engine.server.replies import AnyReply, StreamedReply
from engine.server.requests import Request
from engine.server.routing import Context, Handler, Route
from tests.support.asgi import Wire, scope
from tests.support.web import Web, told, web

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("transport")) as served:
        yield served


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_health_is_ok(server: Web, path: str) -> None:  # facts 1, 2
    answer = server.get(path)
    assert told(answer) == (200, "OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_names_product_and_version(server: Web, method: str) -> None:  # facts 3, 4
    answer = server.send(method, "/ping")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["product_name", "version", "revision", "process_id"]
    assert answer.json()["product_name"] == "InfluxDB 3 Core"
    assert answer.headers["x-influxdb-version"] == answer.json()["version"]
    assert answer.headers["x-influxdb-build"] == "Core"
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["request-id"] != server.send(method, "/ping").headers["request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("HEAD", "/ping", id="5"),
        pytest.param("GET", "/nope", id="7"),
        pytest.param("PUT", "/api/v3/write_lp?db=foo", id="8"),
        pytest.param("GET", "/health/", id="9"),
        pytest.param("GET", "/ready", id="10"),
        pytest.param("GET", "/HEALTH", id="case"),
        pytest.param("GET", "/%68ealth", id="not decoded"),
        pytest.param("GET", "/api/v3/engine", id="the prefix alone"),
        pytest.param("PUT", "/api/v3/engine/x", id="B5.16 PUT"),
        pytest.param("DELETE", "/api/v3/engine/x", id="B5.16 DELETE"),
    ],
)
def test_what_is_not_exactly_an_endpoint_is_not_found(server: Web, method: str, path: str) -> None:
    answer = server.send(method, path)
    assert told(answer) == (404, "" if method == "HEAD" else "Not found")
    assert "cluster-uuid" in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "content-type" not in answer.headers


def test_a_browser_may_ask_for_anything_first(server: Web) -> None:  # fact 11
    answer = server.send("OPTIONS", "/anything")
    assert told(answer) == (204, "")
    assert {name: answer.headers[f"access-control-{name}"] for name in ("allow-origin", "allow-methods")} == {
        "allow-origin": "*",
        "allow-methods": "*",
    }
    assert answer.headers["access-control-allow-headers"] == "*"
    assert answer.headers["access-control-max-age"] == "86400"
    assert "cluster-uuid" in answer.headers


def test_the_cluster_uuid_survives_a_restart(tmp_path: Path) -> None:  # fact 12
    seen = []
    for _ in range(2):
        with web(tmp_path) as server:
            seen += [server.get(path).headers["cluster-uuid"] for path in ("/health", "/nope")]
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    ("content", "headers", "status", "text"),
    [
        pytest.param("{}", {}, 415, "unacceptable content-type, expected: application/json", id="13: none"),
        pytest.param(
            "a=b",
            {"Content-Type": "application/x-www-form-urlencoded"},
            415,
            "unacceptable content-type, expected: application/json",
            id="13: form",
        ),
        pytest.param('{"db":"x1"}', {"Content-Type": "application/json; charset=utf-8"}, 200, "", id="14"),
        pytest.param("{", JSON, 400, "serde json error: EOF while parsing an object at line 1 column 1", id="15"),
        pytest.param("{}", JSON, 400, "serde json error: missing field `db` at line 1 column 2", id="missing"),
    ],
)
def test_bodies_of_json(server: Web, content: str, headers: dict[str, str], status: int, text: str) -> None:
    assert told(server.post("/api/v3/configure/database", content=content, headers=headers)) == (status, text)


def test_the_limit_for_bodies_is_an_option(tmp_path: Path) -> None:
    with web(tmp_path, max_http_request_size_bytes=10) as server:
        assert told(server.write("12345678901")) == (413, "max request size (10 bytes) exceeded")


async def broken(context: Context, request: Request) -> AnyReply:
    raise KeyError("secret detail")


async def breaking_off(context: Context, request: Request) -> AnyReply:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"[1"
        raise QueryFailed("no memory left")

    return StreamedReply(200, pieces())


def answer_of(server: Web, handler: Handler) -> Wire:
    async def ask() -> Wire:
        wire = Wire([b""])
        await App(server.engine, {("GET", "/"): Route(handler)})(scope(), wire.receive, wire.send)
        return wire

    return server.run(ask())


def test_an_unexpected_exception_is_logged_and_told_without_its_text(
    server: Web, caplog: pytest.LogCaptureFixture
) -> None:
    answer = answer_of(server, broken)
    assert (answer.status, answer.body) == (500, b"internal error")
    assert "secret detail" in caplog.text
    assert "Traceback" in caplog.text


def test_an_answer_that_breaks_off_is_not_completed(server: Web, caplog: pytest.LogCaptureFixture) -> None:
    answer = answer_of(server, breaking_off)
    assert (answer.status, answer.body, answer.is_complete) == (200, b"[1", False)
    assert "answer broke off method=GET path=/: no memory left" in caplog.text


def test_a_closed_engine_is_not_healthy(tmp_path: Path) -> None:
    with web(tmp_path) as server:
        server.engine.close()
        assert server.get("/health").status_code == 503


def test_only_http_is_served(server: Web) -> None:
    with pytest.raises(RuntimeError, match="only HTTP"):
        asyncio.run(App(server.engine)({"type": "websocket"}, Wire([]).receive, Wire([]).send))
