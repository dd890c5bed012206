"""What the application does with odd requests, and with handlers that fail; rows of the checklist are in tests/conformance."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from engine.errors import QueryFailed
from engine.server.app import App
from engine.server.bodies import Bodies
from engine.server.replies import AnyReply, StreamedReply
from engine.server.requests import Request
from engine.server.routing import Context, Handler, Route
from tests.support.asgi import Wire, scope
from tests.support.web import Web, told, web


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("transport")) as served:
        yield served


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/%68ealth", id="not decoded"),
        pytest.param("GET", "/api/v3/engine", id="the prefix alone"),
        pytest.param("PUT", "/api/v3/engine/x", id="B5.16 PUT"),
        pytest.param("DELETE", "/api/v3/engine/x", id="B5.16 DELETE"),
    ],
)
def test_what_is_not_exactly_an_endpoint_is_not_found(server: Web, method: str, path: str) -> None:
    answer = server.send(method, path)
    assert told(answer) == (404, "Not found")
    assert "cluster-uuid" in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "content-type" not in answer.headers


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


def test_a_body_is_counted_until_its_request_is_answered(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.app, "_bodies", Bodies(most_bytes=100))
    query = {"db": "_internal", "q": "SELECT 1 AS one" + " " * 50}
    for _ in range(5):
        assert told(server.post("/api/v3/query_sql", json=query)) == (200, '[{"one":1}]')
