"""What plugins print: lines from the thread of a run become its log lines, all else goes to the host's own output."""

import io
import os
import sys
import threading
from collections.abc import Callable
from typing import TextIO

Log = Callable[[str, str], None]  # level, text

LEVELS = {"stdout": "INFO", "stderr": "WARN"}
MOST_WAITING_CHARACTERS = 8192
"""A line without end is logged in pieces of this length."""


class _Speaker(threading.local):
    """Who speaks in this thread: the log of the run that takes place in it, and its unfinished lines."""

    log: Log | None = None

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}


_speaker = _Speaker()


def listen_to(log: Log) -> None:
    """Let what this thread prints go to ``log``, until ``stop_listening``."""
    _speaker.waiting.clear()
    _speaker.log = log


def stop_listening() -> None:
    """Log what was printed without the end of a line, and let the thread print to the host's output again."""
    log, _speaker.log = _speaker.log, None
    waiting, _speaker.waiting = _speaker.waiting, {}
    for level, text in waiting.items():
        if log is not None and text:
            log(level, text)


def capture() -> None:
    """Take over ``sys.stdout`` and ``sys.stderr``; a forked child prints to the host's output."""
    sys.stdout = PluginOutput(sys.stdout, LEVELS["stdout"])
    sys.stderr = PluginOutput(sys.stderr, LEVELS["stderr"])
    os.register_at_fork(after_in_child=_fall_silent)


class PluginOutput(io.TextIOBase):
    """A text stream that knows whose thread writes to it."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self._stream = stream
        self._level = level

    def write(self, text: str) -> int:
        """Log the lines of ``text``; the last one waits for its end."""
        log = _speaker.log
        if log is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, rest = (_speaker.waiting.pop(self._level, "") + text).split("\n")
        while len(rest) > MOST_WAITING_CHARACTERS:
            lines.append(rest[:MOST_WAITING_CHARACTERS])
            rest = rest[MOST_WAITING_CHARACTERS:]
        if rest:
            _speaker.waiting[self._level] = rest
        for line in lines:
            if line:
                log(self._level, line.encode("utf-8", "backslashreplace").decode())
        return len(text)

    def flush(self) -> None:
        """Flush the host's own stream; an unfinished line of a run waits all the same."""
        if not self._stream.closed:
            self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor of the host's output."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether a person reads it directly: no."""
        return False

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def close(self) -> None:
        """Stay open: others print too."""

    @property
    def buffer(self) -> object:
        """The host's output as bytes."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the host's output."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What the host's output does with what it cannot encode."""
        return self._stream.errors


def _fall_silent() -> None:
    _speaker.log = None
    _speaker.waiting.clear()
