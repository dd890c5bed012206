"""Requests that ask for another protocol are answered as if they had not."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from engine.server.patience import PatientHttp

ASKING = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
WITH_BODY = b"POST /a%20b?c=d HTTP/1.1\r\nHost: a\r\nX: y\r\n" + ASKING + b"Content-Length: 3\r\n\r\nabc"


class Pipe(asyncio.Transport):
    """A connection of which a test is the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def exchange(pieces: list[bytes]) -> tuple[list[tuple[str, str, bytes, dict[bytes, bytes]]], Pipe]:
    """Return the requests that arrive when ``pieces`` are read one after another, and the connection."""
    asked: list[tuple[str, str, bytes, dict[bytes, bytes]]] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        asked.append((scope["method"], scope["raw_path"].decode(), body, dict(scope["headers"])))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> Pipe:
        config = uvicorn.Config(answer, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        config.load()
        protocol, pipe = PatientHttp(config=config, server_state=ServerState(), app_state={}), Pipe()
        protocol.connection_made(pipe)
        for piece in pieces:
            protocol.data_received(piece)
        while protocol.tasks:
            await asyncio.wait(set(protocol.tasks))
        protocol.connection_lost(None)
        return pipe

    pipe = asyncio.run(run())
    return asked, pipe


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([WITH_BODY], id="at once"),
        pytest.param([WITH_BODY[:-3], WITH_BODY[-3:]], id="body later"),
        pytest.param([WITH_BODY[at : at + 1] for at in range(len(WITH_BODY))], id="byte by byte"),
    ],
)
def test_a_body_behind_an_upgrade_arrives(pieces: list[bytes]) -> None:
    asked, _ = exchange(pieces)
    headers = {b"host": b"a", b"x": b"y", b"connection": b"", b"content-length": b"3"}
    assert asked == [("POST", "/a%20b", b"abc", headers)]


def test_a_body_in_chunks_arrives() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + ASKING + b"Transfer-Encoding: chunked\r\n\r\n"
    asked, _ = exchange([head + b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"])
    assert [body for _, _, body, _ in asked] == [b"abcde"]


def test_what_follows_on_the_connection_is_answered() -> None:
    plain = b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
    asked, pipe = exchange([WITH_BODY + plain + WITH_BODY, plain])
    assert [path for _, path, _, _ in asked] == ["/a%20b", "/plain", "/a%20b", "/plain"]
    assert pipe.sent.count(b"204 No Content") == 4


def test_the_connection_ends_if_the_client_said_so() -> None:
    _, pipe = exchange([b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n"])
    assert pipe.is_closed


def test_thousands_of_such_requests_in_one_piece_are_answered() -> None:
    asked, _ = exchange([b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 2000])
    assert len(asked) == 2000


@pytest.mark.parametrize("target", [b"a:1", b"/a"])
def test_connect_switches_to_nothing(target: bytes) -> None:
    _, pipe = exchange([b"CONNECT %b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" % target])
    assert b" 101 " not in pipe.sent
    assert pipe.is_closed
