"""One port for two protocols: the first bytes of a connection decide whether it speaks HTTP or gRPC."""

import asyncio
from enum import Enum
from typing import Any, cast

from engine.server.grpc import GrpcSide, NotServing
from engine.server.patience import PatientHttp

PREFACE = b"PRI * HTTP/2.0"
"""With this a client of HTTP/2 begins, and all gRPC is HTTP/2."""


class Speaks(Enum):
    """What a client speaks."""

    HTTP = "HTTP"
    GRPC = "gRPC"


def spoken(first: bytes) -> Speaks | None:
    """Return what a connection speaks that begins with ``first``, ``None`` if that is too short to tell."""
    if first.startswith(PREFACE):
        return Speaks.GRPC
    return None if PREFACE.startswith(first) else Speaks.HTTP


def first_bytes_of(grpc: GrpcSide) -> type[asyncio.Protocol]:
    """Return what Uvicorn makes the protocol of a new connection with, in place of its own class."""

    def protocol(**http: Any) -> asyncio.Protocol:
        return FirstBytes(grpc, http)

    return cast(type[asyncio.Protocol], protocol)


class FirstBytes(asyncio.Protocol):
    """A connection of which nobody knows yet what it speaks; hands its transport over as soon as that is clear.

    Args:
        grpc: where connections go that speak gRPC.
        http: what Uvicorn makes its protocol of.
    """

    def __init__(self, grpc: GrpcSide, http: dict[str, Any]) -> None:
        self._grpc = grpc
        self._http = http
        self._connections: set[Any] = http["server_state"].connections
        self._read = b""
        self._joining: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Decide, and hand over with what was read."""
        self._read = self._read + data if self._read else data
        speaks = spoken(self._read)
        if speaks is None:
            return
        if speaks is Speaks.GRPC:
            self.transport.pause_reading()
            self._joining = asyncio.get_running_loop().create_task(self._join())
            return
        self._connections.discard(self)
        protocol = PatientHttp(**self._http)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._connections.discard(self)
        if self._joining is not None:
            self._joining.cancel()

    def shutdown(self) -> None:
        """End; Uvicorn calls it when the server ends."""
        self.transport.close()

    async def _join(self) -> None:
        """Connect with the Flight server; from then on bytes go from one side to the other."""
        end = _ClientEnd(self._grpc, self._connections)
        try:
            path = await self._grpc.address()
            inside, _ = await asyncio.get_running_loop().create_unix_connection(lambda: _End(self.transport), path)
        except (NotServing, OSError):
            self.transport.close()
            return
        self._connections.discard(self)
        end.join(self.transport, inside)
        inside.write(self._read)


class _End(asyncio.Protocol):
    """One end of a pipe: what it reads goes to ``other``, which is read no faster than this end is written."""

    def __init__(self, other: asyncio.Transport) -> None:
        self._other = other

    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    def pause_writing(self) -> None:
        self._other.pause_reading()

    def resume_writing(self) -> None:
        self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._other.close()


class _ClientEnd(_End):
    """The end of a pipe at which the client is."""

    def __init__(self, grpc: GrpcSide, connections: set[Any]) -> None:
        self._grpc = grpc
        self._connections = connections

    def join(self, client: asyncio.Transport, inside: asyncio.Transport) -> None:
        """Take ``client`` over, which is not being read."""
        super().__init__(inside)
        self.transport = client
        self._connections.add(self)
        self._grpc.clients.add(client)
        client.set_protocol(self)
        client.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._grpc.clients.discard(self.transport)
        self._other.abort()

    def shutdown(self) -> None:
        """Let the Flight server end its connections, each after its last call; Uvicorn waits for that."""
        self._grpc.begin_end()
