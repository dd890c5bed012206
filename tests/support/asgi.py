"""ASGI by hand: a request whose body comes in pieces, and what an application sent for it."""

import asyncio
from collections.abc import Iterable
from typing import Any

from engine.server.requests import Message, Request

LIMIT = 100


class Wire:
    """A connection: gives the pieces of a body, then waits for the client to leave; keeps what was sent."""

    def __init__(self, pieces: Iterable[bytes], *, is_complete: bool = True) -> None:
        pieces = list(pieces)
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not is_complete or number < len(pieces)}
            for number, piece in enumerate(pieces, start=1)
        ]
        self._left = asyncio.Event()
        self.received = 0
        self.sent: list[Message] = []

    def leave(self) -> None:
        """Let the client go away once it has sent its body."""
        self._left.set()

    async def receive(self) -> Message:
        if self._messages:
            self.received += 1
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def is_complete(self) -> bool:
        return not self.sent[-1].get("more_body", False)


def scope(method: str = "GET", target: str = "/", headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what a server says of a request for ``target``, a path with or without query string."""
    path, _, query = target.partition("?")
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": pairs,
    }


def request(wire: Wire, headers: dict[str, str] | None = None, target: str = "/") -> Request:
    """Return a request whose body may have ``LIMIT`` bytes."""
    return Request(scope("POST", target, headers), wire.receive, LIMIT)
