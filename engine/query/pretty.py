"""Rows as a box table."""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.query.cell_text import display_text
from engine.query.text_arrays import bytes_of, joined

EMPTY_TABLE = b"++\n++"
"""What is shown of a result without any batch."""

_FIRST_NOT_ASCII = 0x80
_LINE_BREAK = ord("\n")
_WITHOUT_WIDTH = {"Mn", "Me", "Cf"}
_WIDE = {"W", "F"}
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_FIRST_SKIN_TONE, _LAST_SKIN_TONE = "\U0001f3fb", "\U0001f3ff"
_FIRST_JAMO_INSIDE, _LAST_JAMO_INSIDE = "\u1160", "\u11ff"


def box_table(names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> bytes:
    """Return the rows of ``batches`` as a box table, without a line break at its end.

    Cells are as wide as they are on a screen; one with line breaks takes several lines.
    """
    parts = [[pc.fill_null(display_text(column), "") for column in batch.columns] for batch in batches]
    if not parts:
        return EMPTY_TABLE
    texts = (pa.concat_arrays([pa.array([name]), *chunks]) for name, *chunks in zip(names, *parts, strict=True))
    columns, header_lines = _line_by_line(list(texts))
    lines, rule = _boxed(columns)
    header, body = lines[:header_lines], lines[header_lines:]
    return b"\n".join([rule, *header, rule, *body, rule])


def display_width(text: str) -> int:
    """Return how many columns of a screen ``text`` takes; a control character counts as one."""
    width, last, before = 0, 0, ""
    for character in text:
        wide = unicodedata.east_asian_width(character) in _WIDE
        if character == _AS_EMOJI:
            # A character that is narrow by itself becomes a picture.
            own = int(last == 1 and (unicodedata.category(before) == "So" or before in "0123456789#*"))
        elif _adds_nothing(character, before, follows_wide=last == 2):
            own = 0
        else:
            own = last = 2 if wide else 1
        width, before = width + own, character
    return width


def _adds_nothing(character: str, before: str, *, follows_wide: bool) -> bool:
    if unicodedata.category(character) in _WITHOUT_WIDTH:
        return True
    if _FIRST_JAMO_INSIDE <= character <= _LAST_JAMO_INSIDE:
        return True
    return follows_wide and (before == _JOINER or _FIRST_SKIN_TONE <= character <= _LAST_SKIN_TONE)


def _line_by_line(columns: list[pa.Array]) -> tuple[list[pa.Array], int]:
    """Return the columns with a row for each line, and how many of them the first row (the header) takes."""
    if not any((bytes_of(column) == _LINE_BREAK).any() for column in columns):
        return columns, 1
    split = [[cell.split("\n") for cell in column.to_pylist()] for column in columns]
    rows = [list(zip_longest(*cells, fillvalue="")) for cells in zip(*split, strict=True)]
    lines = zip(*(line for row in rows for line in row), strict=True)
    return [pa.array(line, pa.string()) for line in lines], len(rows[0])


def _boxed(columns: Sequence[pa.Array]) -> tuple[list[bytes], bytes]:
    """Return each row as a line, and the rule between them."""
    pieces: list[pa.Array | str] = []
    rule = "+"
    for column in columns:
        widths = _display_widths(column)
        width = int(widths.max())
        pieces += [" | " if pieces else "| ", column, pc.binary_repeat(pa.scalar(" "), pa.array(width - widths))]
        rule += "-" * (width + 2) + "+"
    text = joined(*pieces, " |\n")
    return bytes_of(text).tobytes().split(b"\n")[:-1], rule.encode()


def _display_widths(text: pa.Array) -> npt.NDArray[np.int64]:
    if (bytes_of(text) < _FIRST_NOT_ASCII).all():
        lengths: npt.NDArray[np.int64] = pc.binary_length(text).to_numpy().astype(np.int64)
        return lengths
    once = text.dictionary_encode()
    known = np.array([display_width(value) for value in once.dictionary.to_pylist()], np.int64)
    widths: npt.NDArray[np.int64] = known[once.indices.to_numpy()]
    return widths
