"""A process that writes bodies which were made beforehand, with next to no work of its own.

It is given a file of bodies (each behind its length, eight bytes, little-endian), says ``ready``, waits for a line on its
standard input, and prints when it began and ended and how long each write took until it was acknowledged. Standard library
and plain sockets only: a real client library would be the greater part of what is measured.
"""

import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_LENGTH_BYTES = 8
_END_OF_HEAD = b"\r\n\r\n"
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Job:
    """What a client has to do; ``path`` is that of the URL with its query, ``headers`` stand in each request."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    bodies: str
    connections: int = 1


def save_bodies(path: Path, bodies: list[bytes]) -> None:
    """Write ``bodies`` for a client to read."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)


def load_bodies(path: Path) -> list[bytes]:
    """Return the bodies in ``path``."""
    data, at, bodies = path.read_bytes(), 0, []
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "little")
        bodies.append(data[begin:at])
    return bodies


@dataclass(slots=True)
class _Connection:
    """A connection and what became of the write that is on its way."""

    socket: socket.socket
    began: float = 0.0
    reply: bytearray = field(default_factory=bytearray)

    def send(self, head: bytes, body: bytes) -> None:
        self.reply.clear()
        self.began = time.perf_counter()
        request = head + str(len(body)).encode() + _END_OF_HEAD
        if len(body) < _PIECE_BYTES:
            self.socket.sendall(request + body)
        else:
            self.socket.sendall(request, socket.MSG_MORE)
            self.socket.sendall(body)

    def is_answered(self) -> bool:
        """Read what came; return whether it is the whole answer.

        Raises:
            SystemExit: the write was refused, or the connection ended.
        """
        piece = self.socket.recv(_PIECE_BYTES)
        self.reply += piece
        end = self.reply.find(_END_OF_HEAD)
        if not piece:
            raise SystemExit(f"the server ended the connection: {self.reply.decode(errors='replace')}")
        if end < 0:
            return False
        if self.reply[9:12] != b"204":
            raise SystemExit(f"a write was refused: {self.reply.decode(errors='replace')}")
        return True


def run(job: Job) -> dict[str, object]:
    """Write the bodies over ``job.connections`` connections; return beginning and end, in seconds of a clock that all
    processes share, the seconds until each acknowledgement, and the CPU seconds that it took."""
    bodies = load_bodies(Path(job.bodies))
    extra = "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
    head = f"POST {job.path} HTTP/1.1\r\nHost: {job.host}:{job.port}\r\n{extra}Content-Length: ".encode()
    connections = [_Connection(_connect(job)) for _ in range(job.connections)]
    print("ready", flush=True)
    sys.stdin.readline()
    before = os.times()
    began = time.monotonic()
    took = _write_one(connections[0], head, bodies) if len(connections) == 1 else _write_many(connections, head, bodies)
    ended = time.monotonic()
    after = os.times()
    return {"began": began, "ended": ended, "took": took, "cpu_s": sum(after[:2]) - sum(before[:2])}


def _connect(job: Job) -> socket.socket:
    connection = socket.create_connection((job.host, job.port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _write_one(connection: _Connection, head: bytes, bodies: list[bytes]) -> list[float]:
    took = []
    for body in bodies:
        connection.send(head, body)
        while not connection.is_answered():
            pass
        took.append(time.perf_counter() - connection.began)
    return took


def _write_many(connections: list[_Connection], head: bytes, bodies: list[bytes]) -> list[float]:
    took: list[float] = []
    waiting = iter(bodies)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(head, next(waiting))
        while len(took) < len(bodies):
            for key, _ in selector.select():
                connection = key.data
                if connection.is_answered():
                    took.append(time.perf_counter() - connection.began)
                    body = next(waiting, None)
                    if body is not None:
                        connection.send(head, body)
    return took


if __name__ == "__main__":
    print(json.dumps(run(Job(**json.loads(sys.argv[1])))))
