import asyncio
from collections.abc import AsyncGenerator

import pytest

from engine.server.replies import EMPTY, NO_CONTENT, Reply, StreamedReply, json_reply, send_reply
from tests.support.asgi import Wire, request

CLUSTER = ((b"cluster-uuid", b"u"),)


def sent(reply: Reply, pieces: list[bytes], headers: dict[str, str]) -> Wire:
    async def go() -> Wire:
        wire = Wire(pieces)
        await send_reply(reply, request(wire, headers), wire.send, CLUSTER)
        return wire

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("reply", "headers", "body"),
    [
        (EMPTY, {b"content-length": b"0"}, b""),
        (NO_CONTENT, {}, b""),
        (Reply(304, b"not allowed here"), {}, b""),
        (Reply(404, b"Not found"), {b"content-length": b"9"}, b"Not found"),
        (json_reply({"a": "é"}), {b"content-type": b"application/json", b"content-length": b"10"}, b'{"a":"\xc3\xa9"}'),
    ],
)
def test_a_reply_says_its_length_and_only_the_headers_that_it_names(
    reply: Reply, headers: dict[bytes, bytes], body: bytes
) -> None:
    wire = sent(reply, [], {})
    assert (wire.status, wire.headers, wire.body) == (reply.status, {**headers, b"cluster-uuid": b"u"}, body)


def test_a_reply_before_the_end_of_a_body_ends_the_connection_after_it_was_read() -> None:
    wire = sent(Reply(413, b"too much"), [b"x" * 30] * 5, {"Transfer-Encoding": "chunked"})
    assert wire.headers[b"connection"] == b"close"
    assert (wire.body, wire.received, wire.is_complete) == (b"too much", 4, True)


def test_a_stream_is_closed_when_sending_fails() -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def go() -> None:
        wire = Wire([])

        async def send(message: object) -> None:
            if len(wire.sent) == 2:
                raise OSError("gone")
            await wire.send(message)  # type: ignore[arg-type]

        with pytest.raises(OSError, match="gone"):
            await send_reply(StreamedReply(200, pieces()), request(wire), send, ())

    asyncio.run(go())
    assert closed == [True]
