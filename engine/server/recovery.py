"""What answers at the second address, where a lost operator token is renewed without a token, once."""

import asyncio
import logging
from collections.abc import Callable

from engine.auth.admin import NewToken
from engine.errors import EngineError
from engine.server.auth import REGENERATE_PATH
from engine.server.errors import body_for, status_for
from engine.server.replies import Reply, send_reply
from engine.server.requests import Message, Receive, Request, Send
from engine.server.routes.tokens import shown

logger = logging.getLogger(__name__)

NOT_FOUND = Reply(404, b"not found")
_CLOSE = ((b"connection", b"close"),)
_MOST_BODY_BYTES = 0
"""A body is never read."""


class Recovery:
    """An ASGI application: renews the operator token for the first who asks, and then calls ``close``.

    ``renew`` is called from a thread; where it fails, for example because there is no operator token yet, the next
    request may try again.
    """

    def __init__(self, renew: Callable[[], NewToken], close: Callable[[], None]) -> None:
        self._renew = renew
        self._close = close
        self._is_done = False
        self._one_by_one = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, _MOST_BODY_BYTES)
        async with self._one_by_one:
            reply = NOT_FOUND
            if (request.method, request.path) == ("POST", REGENERATE_PATH) and not self._is_done:
                reply = await self._answer()
        await send_reply(reply, request, send, _CLOSE)
        if self._is_done:
            self._close()

    async def _answer(self) -> Reply:
        try:
            made = await asyncio.to_thread(self._renew)
        except EngineError as error:
            return Reply(status_for(error), body_for(error))
        self._is_done = True
        logger.warning("the operator token was renewed without a token; the address for that closes")
        return shown(made)
