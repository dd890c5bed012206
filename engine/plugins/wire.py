"""The server's end of the connection to a plugin host: sends that never wait, messages put together from what comes."""

import socket
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from engine.host.channel import LENGTH
from engine.host.protocol import FromHost, ToHost

CHUNK_BYTES = 1 << 18
SEND_BUFFER_BYTES = 1 << 20
LONGEST_MESSAGE_BYTES = 1 << 30


def encode_frame(message: ToHost) -> bytearray:
    """Return ``message`` as it travels: its length, then its bytes."""
    frame = bytearray(LENGTH.size)
    msgspec.msgpack.Encoder().encode_into(message, frame, LENGTH.size)
    LENGTH.pack_into(frame, 0, len(frame) - LENGTH.size)
    return frame


class Wire:
    """One non-blocking socket; ``send`` may be called from any thread, the rest from one.

    Args:
        sock: the server's end; the wire closes it.
        on_waiting: called, from the thread of ``send``, when the first bytes have to wait for the other end to read.

    Attributes:
        has_ended: whether the other end was closed, and all that it sent was received.
    """

    def __init__(self, sock: socket.socket, on_waiting: Callable[[], None]) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._socket = sock
        self._on_waiting = on_waiting
        self._lock = threading.Lock()
        self._queue: deque[memoryview] = deque()
        self._is_closed = False
        self.has_ended = False
        self._decoder = msgspec.msgpack.Decoder(FromHost)
        self._unread = bytearray()

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def send(self, frame: bytearray | bytes) -> None:
        """Send ``frame`` at once as far as the other end's buffer takes it; what is left goes with ``flush``.

        A connection that is closed or broken takes everything and delivers nothing: the death of the host tells more.
        """
        with self._lock:
            if self._is_closed:
                return
            if self._queue:
                self._queue.append(memoryview(frame))
                return
            sent = self._try_send(frame)
            if sent == len(frame):
                return
            self._queue.append(memoryview(frame)[sent:])
        self._on_waiting()

    def flush(self) -> bool:
        """Send what waits, as far as the other end takes it; return whether nothing waits any more."""
        with self._lock:
            while self._queue and not self._is_closed:
                part = self._queue[0]
                sent = self._try_send(part)
                if sent < len(part):
                    self._queue[0] = part[sent:]
                    return False
                self._queue.popleft()
            return True

    def receive(self) -> list[FromHost] | None:
        """Return the messages that the next bytes complete; ``None`` when there is nothing to read now (see ``has_ended``).

        Raises:
            msgspec.DecodeError: what came is no message.
        """
        try:
            chunk = self._socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            chunk = b""
        if not chunk:
            self.has_ended = True
            return None
        if self._unread:
            self._unread += chunk
            messages, used = self._split(memoryview(self._unread))
            del self._unread[:used]
        else:
            messages, used = self._split(memoryview(chunk))
            self._unread += chunk[used:]
        return messages

    def close(self) -> None:
        """Close the socket; what waits is dropped."""
        with self._lock:
            self._is_closed = True
            self._queue.clear()
            self._socket.close()

    def _try_send(self, data: bytearray | bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _split(self, data: memoryview) -> tuple[list[FromHost], int]:
        messages: list[FromHost] = []
        start = 0
        with data:
            while start + LENGTH.size <= len(data):
                length = LENGTH.unpack_from(data, start)[0]
                if length > LONGEST_MESSAGE_BYTES:
                    raise msgspec.DecodeError(f"a message of {length} bytes")
                end = start + LENGTH.size + length
                if end > len(data):
                    break
                messages.append(self._decoder.decode(data[start + LENGTH.size : end]))
                start = end
        return messages, start
