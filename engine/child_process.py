"""Child processes of the server that do one kind of work, and how they talk with it: frames over a socket pair."""

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OPTIONS = ("-P", "-m", "engine.child_main")
"""Nothing in the folder where the server was started takes the place of a module."""

OOM_SCORE = "800"
"""When memory is short, the kernel ends these processes before plugin hosts, and those before the server."""

_CPU_CLOCK = 2
"""Of the number of a process's clock, the part that says: as the scheduler counts (clock_getcpuclockid(3))."""

_HEAD = struct.Struct("!cQ")


class ChildProcess:
    """A process that runs ``main`` of a module; ``socket`` is our end of the pair.

    The module is given the descriptor of its end as the first argument, then ``arguments``.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *OPTIONS, module, str(theirs.fileno()), *arguments]
            try:
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            except OSError:
                ours.close()
                raise
        self.socket = ours

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether the process has not ended; may be asked by any thread."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    @property
    def cpu_ns(self) -> int:
        """Return how much time of processors it has taken; ``OSError`` if it is gone."""
        return time.clock_gettime_ns((~self.pid << 3) | _CPU_CLOCK)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def wait(self) -> None:
        """Return when the process has ended."""
        self._process.wait()

    def reap(self) -> None:
        """End the process and wait until it is gone."""
        self.kill()
        self._process.wait()
        self.socket.close()


def open_parent(fd: int) -> socket.socket:
    """Return the socket of descriptor ``fd`` to the server; from now on this process ends when the server is gone."""
    threading.Thread(target=_end_with_server, args=(fd,), daemon=True).start()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    return socket.socket(fileno=fd)


def send_frame(sock: socket.socket, kind: bytes, *parts: "ReadableBuffer") -> None:
    """Send one frame: its kind, a byte, and its content, ``parts`` behind each other."""
    sock.sendall(_HEAD.pack(kind, sum(memoryview(part).nbytes for part in parts)))
    for part in parts:
        sock.sendall(part)


def receive_frame(sock: socket.socket) -> tuple[bytes, bytearray]:
    """Return the kind of the next frame and its content.

    Raises:
        EOFError: the other side has ended.
    """
    kind, size = _HEAD.unpack(receive_exactly(sock, _HEAD.size))
    return kind, receive_exactly(sock, size)


def receive_exactly(sock: socket.socket, size: int) -> bytearray:
    """Return the next ``size`` bytes.

    Raises:
        EOFError: the other side has ended.
    """
    data = bytearray(size)
    view = memoryview(data)
    at = 0
    while at < size:
        count = sock.recv_into(view[at:])
        if not count:
            raise EOFError
        at += count
    return data


def _end_with_server(fd: int) -> None:
    """End with the other side of the socket, also in the midst of work."""
    watch = select.poll()
    watch.register(fd, select.POLLRDHUP)
    watch.poll()
    os._exit(0)
