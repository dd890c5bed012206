"""What may be done with the stream that a person looks at: colours, progress, the width of tables."""

import os
from typing import Protocol, TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
BOLD_RED = f"{BOLD};{RED}"
_LEAST_WIDTH = 20


class MaybeTerminal(Protocol):
    """A stream, of which it is asked whether somebody looks at it."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""


def is_terminal(stream: MaybeTerminal | None) -> bool:
    """Return whether ``stream`` is a terminal that obeys escapes; one that is called ``dumb`` is none."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def is_coloured(stream: MaybeTerminal | None) -> bool:
    """Return whether colours are wanted there: on a terminal, unless ``NO_COLOR`` is set to something."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def painted(text: str, style: str, stream: MaybeTerminal | None) -> str:
    """Return ``text`` in a style such as ``BOLD_RED`` if ``stream`` shows colours, else as it is."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and is_coloured(stream) else text


def width_of(stream: TextIO) -> int:
    """Return how many characters a line of the terminal ``stream`` takes; ``COLUMNS`` goes before what it says."""
    try:
        given = os.environ.get("COLUMNS", "")
        columns = int(given) if given.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = 0
    return max(columns, _LEAST_WIDTH) if columns else 80
