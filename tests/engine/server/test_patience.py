"""Clients that send without end, or stop in the midst of it."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from engine.server.patience import BODY_S, HEAD_S, LINGER_S, MOST_HEAD_BYTES, PatientHttp
from tests.support.loop_time import OwnedTime, run_in_owned_time
from tests.support.pipes import Pipe

KEEP_ALIVE_S = 75


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**parts: Any) -> None:
        asyncio.run(test(**parts))

    return run


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def connected() -> tuple[PatientHttp, Pipe]:
    config = uvicorn.Config(
        answer, interface="asgi3", lifespan="off", log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_S
    )
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
def test_headers_without_end_are_refused_and_the_client_gets_to_read_why(piece: bytes) -> None:
    async def go(loop: OwnedTime) -> None:
        protocol, pipe = connected()
        protocol.data_received(b"GET / HTTP/1.1\r\nx: ")
        sent = 0
        while not pipe.is_at_end:
            protocol.data_received(piece)
            sent += len(piece)
            assert sent < 2 * MOST_HEAD_BYTES
        assert pipe.sent.startswith(b"HTTP/1.1 400 ")
        assert b"longer than 131072 bytes" in pipe.sent
        told = len(pipe.sent)
        protocol.data_received(piece)
        assert not pipe.is_closing()
        await loop.pass_s(LINGER_S)
        assert pipe.is_closing()
        assert len(pipe.sent) == told

    run_in_owned_time(go)


def test_headers_drop_by_drop_are_refused() -> None:
    async def go(loop: OwnedTime) -> None:
        protocol, pipe = connected()
        for piece in (b"GET / HT", b"TP/1.1\r\n", b"a: b\r\n"):
            protocol.data_received(piece)
            await loop.pass_s(HEAD_S / 4)
        assert not pipe.is_at_end
        await loop.pass_s(HEAD_S / 4)
        assert pipe.is_at_end
        assert b"took longer than 30 seconds" in pipe.sent

    run_in_owned_time(go)


def test_a_body_that_does_not_come_ends_the_connection() -> None:
    async def go(loop: OwnedTime) -> None:
        protocol, pipe = connected()
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na")
        await loop.pass_s(BODY_S - 1)
        protocol.data_received(b"b")
        await loop.pass_s(BODY_S - 1)
        assert not pipe.is_closing()
        await loop.pass_s(1)
        assert pipe.is_closing()
        protocol.connection_lost(None)

    run_in_owned_time(go)


def test_a_connection_that_sends_nothing_ends() -> None:
    async def go(loop: OwnedTime) -> None:
        _, pipe = connected()
        await loop.pass_s(HEAD_S - 1)
        assert not pipe.is_closing()
        await loop.pass_s(1)
        assert pipe.is_closing()
        assert pipe.sent == b""

    run_in_owned_time(go)


def test_between_two_requests_a_connection_may_rest() -> None:
    async def go(loop: OwnedTime) -> None:
        protocol, pipe = connected()
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.wait(set(protocol.tasks))
        await loop.pass_s(KEEP_ALIVE_S - 1)
        assert not pipe.is_closing()
        await loop.pass_s(1)
        assert pipe.is_closing()

    run_in_owned_time(go)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"a: b\r\n" * 700, id="trailers"),
        pytest.param(b"a" * 4096, id="one trailer"),
    ],
)
@pytest.mark.parametrize("begin", [b"3\r\nabc\r\n0\r\nx: ", b"0\r\nx: "], ids=["after a body", "after none"])
@in_loop
async def test_trailers_without_end_end_the_connection(piece: bytes, begin: bytes) -> None:
    protocol, pipe = connected()
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + begin)
    sent = 0
    while not pipe.is_closing():
        protocol.data_received(piece)
        sent += len(piece)
        assert sent < 2 * MOST_HEAD_BYTES
    protocol.connection_lost(None)


@in_loop
async def test_a_long_body_in_large_and_small_chunks_is_taken() -> None:
    protocol, pipe = connected()
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(3):
        protocol.data_received(b"100000\r\n")
        for _ in range(16):
            protocol.data_received(bytes(2**16))
        protocol.data_received(b"\r\n" + b"1\r\na\r\n" * 50_000)
    protocol.data_received(b"0\r\n\r\n")
    await asyncio.wait(set(protocol.tasks))
    assert pipe.sent.count(b"204 No Content") == 1
    protocol.connection_lost(None)


@in_loop
async def test_headers_without_end_behind_a_request_that_is_answered_end_the_connection() -> None:
    protocol, pipe = connected()
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n")
    while not pipe.is_closing():
        protocol.data_received(b"a: b\r\n" * 700)
    assert b"400" not in pipe.sent
    protocol.connection_lost(None)
