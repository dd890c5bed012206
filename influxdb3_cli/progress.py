"""Progress of long work, for the person at a terminal: a bar on stderr that is gone when the work is done."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from threading import Lock, Timer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from influxdb3_cli import output, terminal
from influxdb3_cli.texts import format_size

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether the caller wants no progress at all."""

_SHORTEST_S = 0.001
DELAY_S = 0.4
"""Work that takes no longer shows no bar."""


class Unit(Enum):
    """What is counted."""

    BYTES = "bytes"
    ROWS = "rows"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Work:
    """What takes long: its name, and how much it is in all, ``None`` = nobody knows."""

    name: str
    unit: Unit = Unit.NOTHING
    total: int | None = None


def tell(work: Work, done: int, elapsed_s: float) -> str:
    """Return how much is done and how fast it goes, for people; nothing before anything is done."""
    if work.unit is Unit.NOTHING or not done:
        return ""
    in_words = format_size if work.unit is Unit.BYTES else _rows
    of = "" if work.total is None else f" of {in_words(work.total)}"
    return f"{in_words(done)}{of}, {in_words(done / max(elapsed_s, _SHORTEST_S))}/s"


def _rows(count: float) -> str:
    return f"{round(count)} rows"


def is_shown() -> bool:
    """Return whether somebody looks at stderr who wants to see progress."""
    return terminal.is_terminal(sys.stderr) and not QUIET.get()


class Bar:
    """A bar for one piece of work, on a terminal; elsewhere nothing."""

    def __init__(self, work: Work, *, is_wanted: bool = True) -> None:
        self._work = work
        self._lock = Lock()
        self._done = 0
        self._start_s = time.monotonic()
        self._progress: Progress | None = None
        self._timer = Timer(DELAY_S, self._begin) if is_wanted and is_shown() else None

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._progress is not None:
            self._progress.stop()

    def reach(self, done: int) -> None:
        """Show that so much of the work is done."""
        with self._lock:
            self._done = done
            self._update()

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield ``pieces``, and show how many bytes they were."""
        size = 0
        for piece in pieces:
            yield piece
            size += len(piece)
            self.reach(size)

    def note(self, text: str) -> None:
        """Print one line that is no result above the bar."""
        with self._lock:
            if self._progress is None:
                output.note(text)
            else:
                self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _begin(self) -> None:
        with self._lock:
            self._progress = _started(self._work)
            self._update()

    def _update(self) -> None:
        if self._progress is not None:
            told = tell(self._work, self._done, time.monotonic() - self._start_s)
            self._progress.update(self._progress.task_ids[0], completed=self._done, told=told)


def _started(work: Work) -> "Progress":
    from rich.console import Console  # here: start-up time, and only long work on a terminal needs it
    from rich.progress import Progress

    console = Console(
        file=sys.stderr, force_terminal=True, no_color=not terminal.is_coloured(sys.stderr), legacy_windows=False
    )
    progress = Progress(*_columns(work), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    progress.add_task(work.name, total=work.total, told="")
    progress.start()
    return progress


def _columns(work: Work) -> list[Any]:
    from rich import progress as rich

    known = work.total is not None
    times = [rich.TimeRemainingColumn(), rich.TextColumn("left")] if known else [rich.TimeElapsedColumn()]
    first = rich.BarColumn() if known else rich.SpinnerColumn("line")
    return [rich.TextColumn("{task.description}"), first, rich.TextColumn("{task.fields[told]}"), *times]
