"""Commands that run on a terminal, which is a test."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_LINES = 24


@dataclass
class Screen:
    """A terminal, and the command whose standard streams it is."""

    process: subprocess.Popen[bytes]
    terminal: int
    shown: bytes = field(default=b"")

    def read(self, is_enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
        """Return what was shown until it is enough, or the command has ended."""
        while not is_enough(self.shown):
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:  # nobody has it open any more
                break
            if not piece:
                break
            self.shown += piece
        return self.shown

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self.terminal, b"\x03")

    def code(self) -> int:
        """Return the exit code."""
        self.read()
        return self.process.wait(20)


@contextmanager
def on_terminal(
    *words: str, folder: Path, environment: Mapping[str, str] | None = None, columns: int = 80, is_stdout: bool = True
) -> Iterator[Screen]:
    """Run ``influxdb3`` on a terminal; without ``is_stdout`` its standard output is thrown away."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-c", "from influxdb3_cli.app import main; main()", *words],
        stdin=there,
        stdout=there if is_stdout else subprocess.DEVNULL,
        stderr=there,
        cwd=folder,
        env=plain | {"TERM": "xterm-256color"} | dict(environment or {}),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(there, termios.TIOCSCTTY, 0) and None,
    )
    os.close(there)
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        yield Screen(process, here)
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(here)
