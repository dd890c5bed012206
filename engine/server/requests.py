"""An HTTP request as routes see it, over the messages of ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from engine.server.bodies import Bodies
from engine.server.errors import BodyTooLarge, ClientGone

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_LEFT_BYTES = 64 * 1024
"""A body of at most this size that nobody read does not end the connection: it is skipped."""

UNWATCHED_S = 0.02
"""So long a request is worked on before anybody looks whether its client is still there."""

T = TypeVar("T")


class Request:
    """One request.

    Attributes:
        path: as it was sent, not decoded, without the query string.
        query: the query string as it was sent, empty where there is none.
        headers: names in lower case, in the order in which they were sent.
        most_body_bytes: the limit for a body, before and after decompression.

    Args:
        bodies: counts the bodies of all requests.
    """

    __slots__ = (
        "_bodies",
        "_held_bytes",
        "_is_read",
        "_receive",
        "_watched_from_s",
        "headers",
        "method",
        "most_body_bytes",
        "path",
        "query",
    )

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Receive, most_body_bytes: int, bodies: Bodies | None = None
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.most_body_bytes = most_body_bytes
        self._receive = receive
        self._bodies = bodies or Bodies()
        self._held_bytes = 0
        self._is_read = False
        self._watched_from_s = 0.0

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first header called ``name``, ``None`` where there is none."""
        for header, value in self.headers:
            if header == name:
                return value
        return None

    async def read(self, count: Callable[[int], None] | None = None) -> bytes:
        """Return the body as it was sent; ``count`` is told how many bytes came, and may raise (by default: see ``Bodies``).

        Raises:
            BodyTooLarge: as soon as that is known; the rest stays unread.
            TooManyBodies: the bodies of others leave no room for it.
            ClientGone: the client went away before it was complete.
        """
        declared = self._declared_bytes()
        if declared is not None and declared > self.most_body_bytes:
            raise BodyTooLarge(self.most_body_bytes)
        pieces: list[bytes] = []
        size = 0
        count = count or self._hold
        while not self._is_read:
            piece = await self._next_piece()
            pieces.append(piece)
            size += len(piece)
            count(len(piece))
            if size > self.most_body_bytes:
                raise BodyTooLarge(self.most_body_bytes)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def release(self) -> None:
        """Count the body no more: the request was answered."""
        self._bodies.leave(self._held_bytes)
        self._held_bytes = 0

    @property
    def leaves_body(self) -> bool:
        """Return whether so much of the body is unread that the connection is of no use any more."""
        if self._is_read:
            return False
        declared = self._declared_bytes()
        if declared is None:
            return self.header(b"transfer-encoding") is not None
        return declared > MOST_LEFT_BYTES

    async def skip(self, longest_s: float) -> None:
        """Throw the rest of the body away, as far as it comes within ``longest_s`` seconds and the limit for bodies."""
        left = self.most_body_bytes
        try:
            async with asyncio.timeout(longest_s):
                while not self._is_read and left > 0:
                    left -= len(await self._next_piece())
        except (TimeoutError, ClientGone):
            return

    async def unless_gone(self, work: Awaitable[T]) -> T:
        """Return what ``work`` gives; the body must have been read, or is thrown away.

        Most work is done before it pays to watch the client, which begins ``UNWATCHED_S`` after the first call.

        Raises:
            ClientGone: the client went away before; ``work`` is cancelled.
        """
        loop = asyncio.get_running_loop()
        doing = asyncio.ensure_future(work)
        watching: list[asyncio.Task[None]] = []

        def watch() -> None:
            watching.append(loop.create_task(self._gone()))
            watching[0].add_done_callback(lambda _: doing.cancel())

        now_s = loop.time()
        self._watched_from_s = self._watched_from_s or now_s + UNWATCHED_S
        later = None
        if self._watched_from_s > now_s:
            later = loop.call_later(self._watched_from_s - now_s, watch)
        else:
            watch()
        try:
            return await doing
        except asyncio.CancelledError:
            if watching and watching[0].done():
                raise ClientGone from None
            raise
        finally:
            if later is not None:
                later.cancel()
            doing.cancel()
            if watching:
                watching[0].cancel()

    def _hold(self, size: int) -> None:
        self._bodies.add(size)
        self._held_bytes += size

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next_piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._is_read = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def _declared_bytes(self) -> int | None:
        text = self.header(b"content-length")
        return int(text) if text is not None and text.isdigit() else None
