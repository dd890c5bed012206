"""What a plugin host prints itself, beside what its runs log: lines from a pipe, bounded."""

import contextlib
import os

from engine.host.allowance import MOST_LINE_BYTES, Allowance, cut_line

CHUNK_BYTES = 1 << 16
MOST_CHUNKS_AT_END = 64
"""So much is still read of what a process printed before it ended."""


class Printed:
    """One output of a host; the pipe is read whatever becomes of the lines, so that nobody waits for a reader.

    Attributes:
        level: what its lines are logged as.
        fd: the server's end of the pipe, which does not block; -1 when it is closed.
    """

    def __init__(self, fd: int, level: str, allowance: Allowance) -> None:
        self.fd = fd
        self.level = level
        self._allowance = allowance
        self._rest = b""
        os.set_blocking(fd, False)

    def read(self, now_ns: int) -> list[str] | None:
        """Return lines that have come, ``None`` at the end."""
        try:
            data = os.read(self.fd, CHUNK_BYTES)
        except BlockingIOError:
            return []
        return self.take(data, now_ns) if data else None

    def read_last(self, now_ns: int) -> list[str]:
        """Return the lines of a process that has ended, and close the pipe."""
        lines: list[str] = []
        for _ in range(MOST_CHUNKS_AT_END):
            found = self.read(now_ns) if self.fd >= 0 else None
            if not found:
                break
            lines += found
        lines += self.take(b"\n", now_ns) if self._rest else []
        self.close()
        return lines

    def take(self, data: bytes, now_ns: int) -> list[str]:
        """Return the lines that ``data`` ends and that may be logged, and now and then how much may not."""
        if self._allowance.is_spent(now_ns):
            self._rest = b""
            self._allowance.drop(data.count(b"\n"), len(data))
            lines = []
        else:
            *whole, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > MOST_LINE_BYTES:
                whole.append(self._rest)
                self._rest = b""
            lines = [_text(line) for line in whole if line and self._allowance.take(len(line), now_ns)]
        notice = self._allowance.notice(now_ns)
        return lines if notice is None else [*lines, notice]

    def close(self) -> None:
        """Close the server's end."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def _text(line: bytes) -> str:
    return cut_line(line.decode("utf-8", "backslashreplace").rstrip("\r").replace("\0", "\\0"))
