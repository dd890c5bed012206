"""One port for two protocols: the first bytes of a connection decide whether it speaks HTTP or gRPC."""

import asyncio
from enum import Enum
from typing import Any, cast

from engine.server import patience
from engine.server.grpc import GrpcSide, NotServing
from engine.server.http2 import PREFACE
from engine.server.patience import PatientHttp
from engine.server.pipe import ClientEnd, ServerEnd

ENOUGH = PREFACE[:14]
"""With this a client of HTTP/2 begins, ``PRI * HTTP/2.0``, and all gRPC is HTTP/2."""


class Speaks(Enum):
    """What a client speaks."""

    HTTP = "HTTP"
    GRPC = "gRPC"


def spoken(first: bytes) -> Speaks | None:
    """Return what a connection speaks that begins with ``first``, ``None`` if that is too short to tell."""
    if first.startswith(ENOUGH):
        return Speaks.GRPC
    return None if ENOUGH.startswith(first) else Speaks.HTTP


def first_bytes_of(grpc: GrpcSide) -> type[asyncio.Protocol]:
    """Return what Uvicorn makes the protocol of a new connection with, in place of its own class."""

    def protocol(**http: Any) -> asyncio.Protocol:
        return FirstBytes(grpc, http)

    return cast(type[asyncio.Protocol], protocol)


class FirstBytes(asyncio.Protocol):
    """A connection of which nobody knows yet what it speaks; hands its transport over as soon as that is clear.

    One that does not say enough within ``patience.HEAD_S`` is ended.

    Args:
        grpc: where connections go that speak gRPC.
        http: what Uvicorn makes its protocol of.

    Attributes:
        connections: those of the server, of which each has a ``shutdown``.
    """

    def __init__(self, grpc: GrpcSide, http: dict[str, Any]) -> None:
        self.grpc = grpc
        self.connections: set[Any] = http["server_state"].connections
        self.transport: asyncio.Transport
        self._http = http
        self._read = b""
        self._joining: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        self.connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(patience.HEAD_S, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Decide, and hand over with what was read."""
        self._read = self._read + data if self._read else data
        speaks = spoken(self._read)
        if speaks is None or self._joining is not None:
            return
        self._timer.cancel()
        if speaks is Speaks.GRPC:
            self.transport.pause_reading()
            self._joining = asyncio.get_running_loop().create_task(self._join())
            return
        self.connections.discard(self)
        protocol = PatientHttp(**self._http)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.connections.discard(self)
        self._timer.cancel()
        if self._joining is not None:
            self._joining.cancel()

    def shutdown(self) -> None:
        """End; Uvicorn calls it when the server ends."""
        self.transport.close()

    async def _join(self) -> None:
        """Connect with the Flight server; from then on bytes go from one side to the other."""
        loop = asyncio.get_running_loop()
        try:
            path = await self.grpc.address()
            inside, server_end = await loop.create_unix_connection(lambda: ServerEnd(self.transport), path)
        except (NotServing, OSError):
            self.transport.close()
            return
        self.connections.discard(self)
        client_end = _GrpcClient(self, inside, server_end)
        self.transport.set_protocol(client_end)
        self.transport.resume_reading()
        client_end.data_received(self._read)


class _GrpcClient(ClientEnd):
    """The client's end of a pipe, as the server's end sees it."""

    def __init__(self, first: FirstBytes, server: asyncio.Transport, server_end: ServerEnd) -> None:
        super().__init__(server, server_end)
        self._grpc = first.grpc
        self._connections = first.connections
        self.transport = first.transport
        self._connections.add(self)
        self._grpc.clients.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._connections.discard(self)
        self._grpc.clients.discard(self.transport)
        self._other.abort()

    def shutdown(self) -> None:
        """Let the Flight server end its connections, each after its last call; Uvicorn waits for that."""
        self._grpc.begin_end()
