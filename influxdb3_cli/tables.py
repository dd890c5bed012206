"""Grids as a server makes them, made to fit a terminal: as they are, with folded cells, or a line for each value."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice, repeat

from influxdb3_cli.texts import harmless

_RULE = re.compile(r"\+(-{3,}\+)+")
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_PADDING = 3  # what a column takes beside its text: two blanks and a bar
_LEAST_COLUMN = 8
_LEAST_VALUE = 10
_BATCH_ROWS = 200

Row = list[str]


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a table goes: a terminal of so many characters a line."""

    width: int
    is_coloured: bool = False

    def bold(self, text: str) -> str:
        """Return ``text``, bold if there are colours."""
        return f"{_BOLD}{text}{_PLAIN}" if self.is_coloured else text

    def dim(self, text: str) -> str:
        """Return ``text``, dim if there are colours."""
        return f"{_DIM}{text}{_PLAIN}" if self.is_coloured else text


def fit(pieces: Iterable[bytes], screen: Screen) -> Iterator[str]:
    """Yield the lines of a grid so that they fit ``screen``, while the grid comes; what is no grid stays as it is.

    A cell with line breaks has several lines in a grid. They count as one row where the first cell of a line and most
    others are blank.
    """
    lines = map(harmless, _lines(pieces))
    rule = next(lines, "")
    if not _RULE.fullmatch(rule):
        yield from filter(None, chain([rule], lines))
        return
    columns = [len(dashes) - 2 for dashes in rule[1:-1].split("+")]
    if len(rule) <= screen.width:
        yield from _as_it_is(rule, lines, screen)
        return
    rows = _rows(filter(None, lines), rule, columns)
    names = next(rows)
    widths = share(columns, screen.width - 1 - _PADDING * len(columns))
    yield from _records(names, rows, screen) if widths is None else _folded(names, rows, widths, screen)


def share(columns: Sequence[int], available: int) -> list[int] | None:
    """Return how wide the ``columns`` may be that share ``available`` characters; narrow ones stay as they are.

    ``None``: some would be so narrow that nobody could read them.
    """
    if sum(min(width, _LEAST_COLUMN) for width in columns) > available:
        return None
    cap = next(
        cap
        for cap in range(min(max(columns), available), 0, -1)
        if sum(min(width, cap) for width in columns) <= available
    )
    shared = [min(width, cap) for width in columns]
    rest = available - sum(shared)
    for number, width in enumerate(columns):
        if rest and shared[number] < width:
            shared[number] += 1
            rest -= 1
    return shared


def _as_it_is(rule: str, lines: Iterator[str], screen: Screen) -> Iterator[str]:
    yield rule
    is_header = True
    for line in lines:
        is_header = is_header and line != rule
        yield screen.bold(line) if is_header else line


def _folded(names: Sequence[str], rows: Iterator[Row], widths: Sequence[int], screen: Screen) -> Iterator[str]:
    """Yield a grid whose columns have these widths, with a rule between rows."""
    is_first = True
    while batch := list(islice(rows, _BATCH_ROWS)):
        drawn = _drawn(names if is_first else None, batch, widths, screen)
        yield from drawn if is_first else drawn[1:]  # its first rule is the last one of the batch before
        is_first = False
    if is_first:
        yield from _drawn(names, [], widths, screen)


def _drawn(names: Sequence[str] | None, rows: list[Row], widths: Sequence[int], screen: Screen) -> list[str]:
    """Return the lines of a grid, its header only if there are ``names``."""
    from rich.box import ASCII2  # here: start-up time, and only a terminal needs it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=ASCII2, show_lines=True, show_header=names is not None, header_style="bold")
    for name, width in zip(names or repeat(""), widths, strict=names is not None):
        table.add_column(Text(name), width=width, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    paper = Console(
        file=StringIO(),
        width=screen.width,
        force_terminal=screen.is_coloured,
        color_system="standard" if screen.is_coloured else None,
        legacy_windows=False,
    )
    with paper.capture() as drawing:
        paper.print(table)
    return drawing.get().splitlines()


def _records(names: Sequence[str], rows: Iterator[Row], screen: Screen) -> Iterator[str]:
    """Yield a line for each value, with the name of its column before it."""
    from rich.cells import cell_len, chop_cells  # here: start-up time, and only a terminal needs it

    longest = min(max(map(cell_len, names)), screen.width // 2)
    room = max(screen.width - longest - _PADDING, _LEAST_VALUE)
    for number, row in enumerate(rows, 1):
        yield screen.dim(f"-[ {number} ]".ljust(screen.width, "-"))
        for name, value in zip(names, row, strict=True):
            label = name + " " * (longest - cell_len(name))
            parts = [part for line in value.split("\n") for part in chop_cells(line, room) or [""]]
            for part in parts:
                yield f"{screen.bold(label)} | {part}".rstrip()
                label = " " * longest


def _rows(lines: Iterator[str], rule: str, columns: Sequence[int]) -> Iterator[Row]:
    """Yield the cells of each row, those of a header first; lines of a grid that are one row are put together."""
    row: Row = []
    for line in lines:
        cells = [] if line == rule else _cells(line, columns)
        if row and cells and _goes_on(cells):
            row = [f"{above}\n{cell}" if cell else above for above, cell in zip(row, cells, strict=True)]
            continue
        if row:
            yield row
        row = cells
    if row:
        yield row


def _goes_on(cells: Row) -> bool:
    """Return whether ``cells`` belong to the row above them."""
    return not cells[0] and sum(map(bool, cells)) < len(cells) / 2


def _cells(line: str, columns: Sequence[int]) -> Row:
    """Return the texts between the bars of ``line``; where texts have bars too, the widths of ``columns`` tell."""
    texts = line[2:-2].split(" | ")
    if len(texts) != len(columns):
        texts = list(_cut(line, columns))
    return [text.rstrip() for text in texts]


def _cut(line: str, columns: Sequence[int]) -> Iterator[str]:
    from rich.cells import cell_len

    place = 2
    for width in columns:
        end = place + width
        while end > place and cell_len(line[place:end]) > width:
            end -= 1
        yield line[place:end]
        place = end + _PADDING


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    yield rest.decode(errors="replace")
