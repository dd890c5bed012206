"""Many payloads in the compact form → columns, without a Python object for each value.

A compact payload is a MessagePack array of columns, each an array of values. Payloads of one writer differ in their values
and hardly in their shape, so the first of those with one length serves as a template: where it has its marks, as many others
have the same, and between the marks stand the values, at the same places in all of them. What fits no template is left over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.disk import Bytes

MOST_TEMPLATES = 64
"""Of one length. With more shapes than that it is not worth the while."""
LEAST_SHARE = 256
"""A template that fits less than one in so many ends the search."""
FEWEST = 32
"""So does one that fits fewer: its columns cost microseconds for each value of a payload, however few share it, and a payload
by itself a fraction of one."""

Matrix = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one value stands: ``size`` bytes at ``at``; ``kind``: a numpy type, or ``text``, ``bool``, ``nil``."""

    kind: str
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Template:
    """The shape of a payload.

    Attributes:
        columns: for each column the slots of its values, one for each row.
        marks: (place, mask, value) of each byte that belongs to the shape.
    """

    columns: tuple[tuple[Slot, ...], ...]
    marks: tuple[tuple[int, int, int], ...]

    @property
    def rows(self) -> int:
        """Return how many rows a payload has."""
        return len(self.columns[0]) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Part:
    """The values of one row of each of many payloads, by column; ``payloads`` are the numbers of these, ``row`` that of it."""

    payloads: Numbers
    row: int
    columns: tuple[pa.Array, ...]


def read_template(payload: bytes) -> Template | None:
    """Return the shape of ``payload``; ``None`` if it has one that this module does not know."""
    try:
        return _Reader(payload).template()
    except (_Unknown, IndexError):
        return None


def decode_alike(payloads: Sequence[Bytes]) -> tuple[list[Part], list[int]]:
    """Return the rows of those payloads that are like many others, and the numbers of those that are left over, in order."""
    lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
    parts: list[Part] = []
    left: list[int] = []
    for length in np.unique(lengths).tolist():
        numbers = np.flatnonzero(lengths == length)
        data = b"".join([payloads[number] for number in numbers.tolist()])
        left += _decode_matrix(np.frombuffer(data, np.uint8).reshape(-1, max(length, 1)), numbers, parts)
    return parts, sorted(left)


def _decode_matrix(matrix: Matrix, numbers: Numbers, parts: list[Part]) -> list[int]:
    """Add to ``parts`` what fits; ``matrix`` has a payload per row. Return the numbers of what does not."""
    total = len(matrix)
    for _ in range(MOST_TEMPLATES):
        template = read_template(matrix[0].tobytes()) if len(matrix) >= FEWEST else None
        if template is None:
            break
        fits = _fits(template, matrix)
        share = int(fits.sum())
        if share < FEWEST or share * LEAST_SHARE < total:
            break
        whole = share == len(matrix)
        alike, mine = (matrix, numbers) if whole else (matrix[fits], numbers[fits])
        for row in range(template.rows):
            columns = tuple([_values(alike, column[row]) for column in template.columns])
            parts.append(Part(mine, row, columns))
        if whole:
            return []
        matrix, numbers = matrix[~fits], numbers[~fits]
    left: list[int] = numbers.tolist()
    return left


def _fits(template: Template, matrix: Matrix) -> npt.NDArray[np.bool_]:
    places, masks, values = (np.array(words, np.intp) for words in zip(*template.marks, strict=True))
    marks = matrix[:, places]
    fits: npt.NDArray[np.bool_] = ((marks & masks.astype(np.uint8)) == values.astype(np.uint8)).all(axis=1)
    return fits


def _values(matrix: Matrix, slot: Slot) -> pa.Array:
    count = len(matrix)
    if slot.kind == "nil":
        return pa.nulls(count)
    if slot.kind == "bool":
        return pa.array(matrix[:, slot.at] == _TRUE)
    data = np.ascontiguousarray(matrix[:, slot.at : slot.at + slot.size])
    if slot.kind != "text":
        native = np.dtype(slot.kind).newbyteorder("=")
        return pa.array(data.view(slot.kind).ravel().astype(native))
    ends = np.arange(count + 1, dtype=np.int32) * np.int32(slot.size)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(data))


class _Unknown(Exception):
    """A mark that no compact payload has."""


_TRUE = 0xC3
_ALL = 0xFF
_PLAIN = {
    0xCA: (">f4", 4),
    0xCB: (">f8", 8),
    0xCC: (">u1", 1),
    0xCD: (">u2", 2),
    0xCE: (">u4", 4),
    0xCF: (">u8", 8),
    0xD0: (">i1", 1),
    0xD1: (">i2", 2),
    0xD2: (">i4", 4),
    0xD3: (">i8", 8),
}
"""Marks of numbers: type and size of what follows."""


class _Reader:
    """Reads one payload for its shape."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._marks: list[tuple[int, int, int]] = []

    def template(self) -> Template:
        columns = tuple([tuple([self._slot() for _ in range(self._count())]) for _ in range(self._count())])
        if self._at != len(self._data) or len({len(column) for column in columns}) != 1:
            raise _Unknown
        return Template(columns, tuple(self._marks))

    def _mark(self, mask: int = _ALL) -> int:
        """Take the next byte, of which the bits in ``mask`` belong to the shape."""
        byte = self._data[self._at]
        self._marks.append((self._at, mask, byte & mask))
        self._at += 1
        return byte

    def _count(self) -> int:
        """Take the head of an array; return how many elements follow."""
        byte = self._mark()
        if byte & 0xF0 == 0x90:
            return byte & 0x0F
        if byte != 0xDC:
            raise _Unknown
        return self._mark() << 8 | self._mark()

    def _slot(self) -> Slot:
        byte = self._data[self._at]
        if byte < 0x80 or byte >= 0xE0:
            self._mark(0x80 if byte < 0x80 else 0xE0)
            return Slot("u1" if byte < 0x80 else "i1", self._at - 1, 1)
        if byte in (0xC2, _TRUE):
            self._mark(0xFE)
            return Slot("bool", self._at - 1, 1)
        self._mark()
        if byte == 0xC0:
            return Slot("nil", self._at, 0)
        if byte in _PLAIN:
            return self._skip(*_PLAIN[byte])
        return self._skip("text", self._text_length(byte))

    def _text_length(self, byte: int) -> int:
        if byte & 0xE0 == 0xA0:
            return byte & 0x1F
        sizes = {0xD9: 1, 0xDA: 2, 0xDB: 4}
        if byte not in sizes:
            raise _Unknown
        return int.from_bytes(bytes([self._mark() for _ in range(sizes[byte])]), "big")

    def _skip(self, kind: str, size: int) -> Slot:
        slot = Slot(kind, self._at, size)
        self._at += size
        if self._at > len(self._data):
            raise _Unknown
        return slot
