"""Clients that send without end, or stop in the midst of it."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from engine.server import patience
from engine.server.patience import MOST_HEAD_BYTES, PatientHttp


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**parts: Any) -> None:
        asyncio.run(test(**parts))

    return run


class Pipe(asyncio.Transport):
    """A connection of which a test is the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed.set()

    def is_closing(self) -> bool:
        return self.is_closed.is_set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def connected() -> tuple[PatientHttp, Pipe]:
    config = uvicorn.Config(answer, interface="asgi3", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol, pipe = PatientHttp(config=config, server_state=ServerState(), app_state={}), Pipe()
    protocol.connection_made(pipe)
    return protocol, pipe


@in_loop
async def test_whole_requests_are_answered() -> None:
    protocol, pipe = connected()
    for _ in range(2):
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
        await asyncio.wait(set(protocol.tasks))
    assert pipe.sent.count(b"204 No Content") == 2
    assert not pipe.is_closing()
    protocol.connection_lost(None)


@pytest.mark.parametrize("piece", [b"a" * 4096, b"a: b\r\n" * 700], ids=["one header", "many headers"])
@in_loop
async def test_headers_without_end_are_refused(piece: bytes) -> None:
    protocol, pipe = connected()
    protocol.data_received(b"GET / HTTP/1.1\r\nx: ")
    sent = 0
    while not pipe.is_closing():
        protocol.data_received(piece)
        sent += len(piece)
        assert sent < 2 * MOST_HEAD_BYTES
    assert pipe.sent.startswith(b"HTTP/1.1 400 ")
    assert b"longer than 131072 bytes" in pipe.sent


@in_loop
async def test_headers_drop_by_drop_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    protocol, pipe = connected()
    for piece in (b"GET / HT", b"TP/1.1\r\n", b"a: b\r\n"):
        protocol.data_received(piece)
    await asyncio.wait_for(pipe.is_closed.wait(), 10)
    assert b"took longer than" in pipe.sent


@in_loop
async def test_a_body_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BODY_S", 0.05)
    protocol, pipe = connected()
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na")
    await asyncio.wait_for(pipe.is_closed.wait(), 10)
    protocol.connection_lost(None)
