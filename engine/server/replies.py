"""Answers to requests, and how they go out."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from engine.server.requests import Request, Send
from engine.server.texts import compact_json, header_text

Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
ALLOW_ORIGIN = (b"access-control-allow-origin", b"*")
PREFLIGHT_HEADERS: Headers = (
    ALLOW_ORIGIN,
    (b"access-control-allow-methods", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)

WARNING = b"x-influxdb3-warning"

WITHOUT_BODY = frozenset({204, 304})

LONGEST_LINGER_S = 1.0
"""So long an answer that comes before the end of a body waits for that body, so that the client gets to read it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is known; a header stands there only if it is named."""

    status: int
    body: bytes = b""
    headers: Headers = ()

    def with_headers(self, more: Iterable[tuple[bytes, bytes]]) -> "Reply":
        """Return the answer with ``more`` headers."""
        return replace(self, headers=(*self.headers, *more))


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """An answer whose body is made while it is sent; if ``pieces`` raises, the connection ends without the end of the body."""

    status: int
    pieces: AsyncGenerator[bytes]
    headers: Headers = ()

    def with_headers(self, more: Iterable[tuple[bytes, bytes]]) -> "StreamedReply":
        """Return the answer with ``more`` headers."""
        return replace(self, headers=(*self.headers, *more))


AnyReply = Reply | StreamedReply

EMPTY = Reply(200)
NO_CONTENT = Reply(204)
PREFLIGHT = Reply(204, headers=PREFLIGHT_HEADERS)


def with_warnings(warnings: Iterable[str]) -> Reply:
    """Return the answer of something that was done, with a header for each thing that may not be meant so."""
    return EMPTY.with_headers((WARNING, header_text(text)) for text in warnings)


def typed(body: bytes, content_type: bytes, status: int = 200) -> Reply:
    """Return an answer with a body of ``content_type``."""
    return Reply(status, body, ((b"content-type", content_type),))


def json_reply(value: Any, status: int = 200, content_type: bytes = JSON) -> Reply:
    """Return an answer with ``value`` as compact JSON."""
    return typed(compact_json(value), content_type, status)


async def send_reply(reply: AnyReply, request: Request, send: Send, more: Sequence[tuple[bytes, bytes]]) -> int:
    """Send ``reply`` with the headers ``more``; return how many bytes its body has.

    Where a body is still coming, the connection ends after the answer.
    """
    if isinstance(reply, StreamedReply):
        await _send_start(send, reply.status, [*reply.headers, *more])
        sent_bytes = 0
        async with aclosing(reply.pieces):
            async for piece in reply.pieces:
                await _send_body(send, piece, more_body=True)
                sent_bytes += len(piece)
        await _send_body(send, b"", more_body=False)
        return sent_bytes
    body = b"" if reply.status in WITHOUT_BODY else reply.body
    headers = [*reply.headers, *more]
    if reply.status not in WITHOUT_BODY:
        headers.append((b"content-length", b"%d" % len(body)))
    if not request.leaves_body:
        await _send_start(send, reply.status, headers)
        await _send_body(send, body, more_body=False)
        return len(body)
    headers.append((b"connection", b"close"))
    await _send_start(send, reply.status, headers)
    await _send_body(send, body, more_body=True)
    await request.skip(LONGEST_LINGER_S)
    await _send_body(send, b"", more_body=False)
    return len(body)


async def _send_start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_body(send: Send, body: bytes, *, more_body: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more_body})
