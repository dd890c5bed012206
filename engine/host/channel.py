"""Messages over a stream socket, one after the other, in both directions."""

import contextlib
import os
import socket
import struct
import threading
from typing import Generic, TypeVar

import msgspec

from engine.host.protocol import FromHost, ToHost

LENGTH = struct.Struct("<I")
READ_AHEAD_BYTES = 1 << 16
MOST_KEPT_BYTES = 1 << 20
"""A send buffer that grew beyond this is given back after the message."""

Incoming = TypeVar("Incoming")


class Channel(Generic[Incoming]):
    """One end of a connection between the server and a plugin host.

    ``send`` may be called from any thread, ``receive`` from one.

    Args:
        sock: a connected stream socket that blocks; the channel closes it.
        decoder: reads what the other end sends.
    """

    def __init__(self, sock: socket.socket, decoder: msgspec.msgpack.Decoder[Incoming]) -> None:
        self._socket = sock
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()
        self._sending = threading.Lock()
        self._out = bytearray()
        self._reader = sock.makefile("rb", buffering=READ_AHEAD_BYTES)

    def send(self, message: ToHost | FromHost) -> None:
        """Send ``message`` whole; wait while the other end does not read.

        A message goes out in one call that no exception of this thread can cut in two, for plugins' threads are
        interrupted while they are in here.

        Raises:
            OSError: the other end is gone.
            UnicodeEncodeError, OverflowError, TypeError: a value of ``message`` cannot travel; nothing was sent.
        """
        with self._sending:
            out = self._out
            self._encoder.encode_into(message, out, LENGTH.size)
            LENGTH.pack_into(out, 0, len(out) - LENGTH.size)
            self._socket.sendall(out)
            if len(out) > MOST_KEPT_BYTES:
                self._out = bytearray()

    def receive(self) -> Incoming | None:
        """Return the next message, ``None`` when the other end has closed.

        Raises:
            msgspec.DecodeError: what came is no message of the protocol.
            OSError: the connection broke.
        """
        length = self._reader.read(LENGTH.size)
        if len(length) < LENGTH.size:
            return None
        wanted = LENGTH.unpack(length)[0]
        body = self._reader.read(wanted)
        return self._decoder.decode(body) if len(body) == wanted else None

    def abandon(self) -> None:
        """In a forked child: let go of the connection, which is the parent's; sending raises ``OSError`` from now on."""
        self._sending = threading.Lock()  # another thread may have held the old one when the process was forked
        fd = self._socket.detach()
        if fd >= 0:  # else this is a child's child, and its parent has let go
            os.close(fd)

    def close(self) -> None:
        """Close this end; a ``receive`` that waits in another thread returns ``None``."""
        with contextlib.suppress(OSError):  # the other end closed first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
