"""Who answers at the door: the application once the engine is open, until then a word about how far it is."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

RETRY_AFTER_S = 1


class Door:
    """An ASGI application that can be there before the engine; this file imports nothing, for it shall be there at once.

    Attributes:
        app: answers everything as soon as it is set.
        progress: returns how far the engine is, for people.
    """

    def __init__(self) -> None:
        self.app: AsgiApp | None = None
        self.progress: Callable[[], str] = lambda: "starting"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.app is not None:
            await self.app(scope, receive, send)
            return
        body = self.progress().encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % RETRY_AFTER_S),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})
