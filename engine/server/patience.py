"""HTTP with a client that sends without end, or not at all: both are cut off."""

import asyncio
from enum import Enum
from typing import Any, cast

from engine.server.upgrades import StayingHttp

MOST_HEAD_BYTES = 128 * 1024
"""So long may request line and headers be together; what comes with the end of an earlier body is not counted. The same holds
for what stands between two pieces of a body, and behind it."""

HEAD_S = 30.0
"""So long they may take, from the beginning of a connection on."""

BODY_S = 60.0
"""So long a body may pause while the server waits for it."""

LINGER_S = 1.0
"""So long a client that was refused may go on sending, so that it gets to read why: a connection that is closed with bytes
unread takes the answer with it."""


class _Part(Enum):
    NOTHING = 0
    HEAD = 1
    BODY = 2
    REFUSED = 3


class PatientHttp(StayingHttp):
    """Uvicorn's protocol with bounds for what is not complete."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._part = _Part.NOTHING
        self._head_bytes = 0
        self._gets_on = False
        self._idle_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._wait(HEAD_S)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        before = self._part
        if before is _Part.REFUSED:
            return
        self._gets_on = False
        super().data_received(data)
        if self._part is _Part.HEAD:
            self._head_bytes = self._head_bytes + len(data) if before is _Part.HEAD else 0
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(f"request line and headers are longer than {MOST_HEAD_BYTES} bytes")
            elif before is not _Part.HEAD or self._timer is None:
                self._wait(HEAD_S)
        elif self._part is _Part.BODY:
            self._idle_bytes = 0 if self._gets_on else self._idle_bytes + len(data)
            if self._idle_bytes > MOST_HEAD_BYTES:
                self._forget()
                self.transport.close()  # trailers without end, or what stands between chunks
            else:
                self._wait(BODY_S)
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._forget()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin with request line and headers."""
        self._part = _Part.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._part = _Part.BODY
        self._gets_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._gets_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        self._part = _Part.NOTHING
        super().on_message_complete()

    def _wait(self, longest_s: float) -> None:
        self._forget()
        self._timer = self.loop.call_later(longest_s, self._too_slow)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._part is _Part.HEAD:
            self._refuse(f"request line and headers took longer than {HEAD_S:.0f} seconds")
        elif self.flow.read_paused:
            self._wait(BODY_S)  # it is the server that is slow
        else:
            self.transport.close()

    def _refuse(self, reason: str) -> None:
        """Answer, and end the connection when the client has, or soon."""
        self._forget()
        self._part = _Part.REFUSED
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # the answer to an earlier request would stand behind this one
            return
        text = reason.encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(text), text))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.close)
