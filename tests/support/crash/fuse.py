"""A fuse: a test says at which named step of a process that process shall end, while it runs or before it starts.

The order is a file in a folder that both know; whoever takes the step takes the file away, so a fuse blows once.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

When = Literal["before", "half", "after"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Step:
    """The ``number``-th time, from now on, that a process does something.

    Attributes:
        who: ``server`` or ``host``.
        word: what is done: a method of the disk, or ``send`` or ``receive``.
        to: to what: a kind of file, or a kind of message.
        when: whether the process ends before it, with half of it done, or after it.
    """

    who: str
    word: str
    to: str
    when: When = "before"
    number: int = 1

    def __str__(self) -> str:
        """Return the step for people and for ``from_text``."""
        return f"{self.who} {self.word} {self.to} {self.when} {self.number}"

    @classmethod
    def from_text(cls, text: str) -> "Step":
        """Return what ``str`` gave."""
        who, word, to, when, number = text.split()[:5]
        return cls(who, word, to, when, int(number))  # type: ignore[arg-type]  # one of three words


class Fuse:
    """The fuse in ``folder``; the test calls ``arm`` and ``disarm``, a process ``step`` at each of its steps."""

    def __init__(self, folder: Path, who: str = "") -> None:
        self._armed = folder / "armed"
        self._blown = folder / "blown"
        self._who = who
        self._lock = threading.Lock()
        self._order = ""
        self._left = 0

    def arm(self, step: Step, serial: int) -> None:
        """Let ``step`` be the last one of the process that comes to it; ``serial`` tells equal orders apart."""
        self._armed.parent.mkdir(exist_ok=True)
        self._blown.unlink(missing_ok=True)
        aside = self._armed.with_suffix(".new")
        aside.write_text(f"{step} {serial}")
        aside.replace(self._armed)

    @property
    def is_blown(self) -> bool:
        """Return whether the step was taken."""
        return self._blown.exists()

    def disarm(self) -> bool:
        """Take the order back; return whether the step was not taken."""
        self._armed.unlink(missing_ok=True)
        return not self._blown.exists()

    def step(self, word: str, to: str, do: Callable[[], _T], half: Callable[[], Any] | None = None) -> _T:
        """Do something; end the process if that is the step. ``half`` does a part of it."""
        when = self._at(word, to)
        if when == "before":
            _end()
        if when == "half" and half is not None:
            half()
            _end()
        done = do()
        if when is not None:
            _end()
        return done

    def _at(self, word: str, to: str) -> When | None:
        if not self._armed.exists():
            return None
        with self._lock:
            try:
                order = self._armed.read_text()
            except FileNotFoundError:  # taken back just now
                return None
            step = Step.from_text(order)
            if (step.who, step.word, step.to) != (self._who, word, to):
                return None
            if order != self._order:
                self._order, self._left = order, step.number
            self._left -= 1
            if self._left > 0:
                return None
            try:
                self._armed.replace(self._blown)
            except FileNotFoundError:  # another process was faster
                return None
            return step.when


def _end() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived kill -9")
