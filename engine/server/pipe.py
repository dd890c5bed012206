"""The pipe between a client that speaks gRPC and the Flight server: bytes go from one side to the other.

Only pings are answered here. The Flight server takes a client for a nuisance that asks more often than every five
minutes whether the connection lives, and ends it; there is no way to tell it otherwise.
"""

import asyncio

from engine.server.http2 import Gaps, Pings, ping_answer

MOST_PINGS = 100
"""A client that does not take the answers to so many pings is cut off."""


class _End(asyncio.Protocol):
    """One end of the pipe: what it reads goes to ``other``, which is read no faster than this end is written."""

    def __init__(self, other: asyncio.Transport) -> None:
        self._other = other

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._other.write(data)

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._other.pause_reading()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._other.close()


class ServerEnd(_End):
    """The end at which the Flight server is; between its frames answers to pings go to ``client``."""

    def __init__(self, client: asyncio.Transport) -> None:
        super().__init__(client)
        self._gaps = Gaps()
        self._answers: list[bytes] = []
        self._is_slow = False

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        gap = self._gaps.feed(data)
        if gap is None or not self._answers:
            self._other.write(data)
            return
        self._other.write(data[:gap])
        self._flush()
        self._other.write(data[gap:])

    def answer(self, pings: list[bytes]) -> None:
        """Answer pings of the client, as soon as a frame is at its end and the client takes what it is sent."""
        self._answers += map(ping_answer, pings)
        if len(self._answers) > MOST_PINGS:
            self._other.abort()
        elif self._gaps.is_between and not self._is_slow:
            self._flush()

    def client_is_slow(self, is_slow: bool) -> None:
        """Take note whether the client takes what it is sent."""
        self._is_slow = is_slow
        if not is_slow and self._gaps.is_between:
            self._flush()

    def _flush(self) -> None:
        self._other.write(b"".join(self._answers))
        self._answers.clear()


class ClientEnd(_End):
    """The end at which the client is."""

    def __init__(self, server: asyncio.Transport, server_end: ServerEnd) -> None:
        super().__init__(server)
        self._server_end = server_end
        self._pings = Pings()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        kept, pings = self._pings.feed(data)
        if kept:
            self._other.write(kept)
        if pings:
            self._server_end.answer(pings)

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        super().pause_writing()
        self._server_end.client_is_slow(True)

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        super().resume_writing()
        self._server_end.client_is_slow(False)
