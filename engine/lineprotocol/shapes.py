"""The shape that a line gives to a group of lines, and which lines have it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.lineprotocol.groups import Fields
from engine.lineprotocol.lines import Line
from engine.lineprotocol.tokens import (
    COMMA,
    EQUALS,
    FIRST_BYTES,
    MIX,
    NEWLINE,
    QUOTE,
    SPACE,
    WORD,
    Bytes,
    Flags,
    Indices,
    Tokens,
    words_of,
)
from engine.model.schema import ColumnType

_BEGINS_BOOLEAN = np.zeros(256, np.bool_)
_BEGINS_BOOLEAN[list(b"tTfF")] = True
# The ends of values, as far as they tell a type: a digit, a letter of a boolean, and those that stand for themselves.
_VALUE_ENDS = np.zeros(256, np.uint8)
_VALUE_ENDS[list(b'iu"')] = list(b'iu"')
_VALUE_ENDS[list(b"0123456789")] = ord("0")
_VALUE_ENDS[list(b"tTfFeE")] = ord("t")
_MINUS = b"-"[0]
_ZERO = np.uint8(b"0"[0])

_SUFFIX = {ColumnType.INTEGER: b"i"[0], ColumnType.UINTEGER: b"u"[0]}


@dataclass(frozen=True, slots=True)
class Shape:
    """Table, tag keys, field keys and types of a line, and of which tokens it consists.

    A token is named by its place in the line, counted from 0; token n ends at separator n.

    Attributes:
        kinds: the separators in their order.
        names: place and text of the tokens that are equal in all lines of the shape: table, tag keys, field keys.
        tag_places: the tokens that are tag values.
        field_places: the tokens that are field values.
        time_place: the token that is the timestamp, ``None`` = there is none.
    """

    table: str
    tags: tuple[str, ...]
    fields: Fields
    kinds: bytes
    names: tuple[tuple[int, bytes], ...]
    tag_places: tuple[int, ...]
    field_places: tuple[int, ...]
    time_place: int | None

    def places(self, kind: ColumnType) -> list[int]:
        """Return the tokens that are values of fields of the type ``kind``."""
        return [place for place, (_, of) in zip(self.field_places, self.fields, strict=True) if of is kind]


@dataclass(frozen=True, slots=True)
class Rows:
    """Lines that have the same number of separators, with one row for each.

    Attributes:
        lines: the physical lines.
        stops: the position at which each token ends, a column for each.
        kinds: the byte at that position.
    """

    lines: Indices
    stops: Indices
    kinds: Bytes

    def select(self, chosen: Flags | Indices | slice) -> "Rows":
        """Return the rows that are ``chosen``."""
        return Rows(self.lines[chosen], self.stops[chosen], self.kinds[chosen])


def shape_of(line: Line) -> Shape:
    """Return the shape of ``line`` as its plain spelling has it: no escapes, single blanks."""
    tag_count, field_count = len(line.tags), len(line.fields)
    first_field = 1 + 2 * tag_count
    tag_keys = [(1 + 2 * i, key.encode()) for i, key in enumerate(line.tags)]
    field_keys = [(first_field + 2 * i, key.encode()) for i, (key, _) in enumerate(line.fields)]
    end = first_field + 2 * field_count
    has_time = line.timestamp is not None
    pairs = [COMMA, EQUALS] * tag_count + [SPACE, EQUALS] + [COMMA, EQUALS] * (field_count - 1)
    return Shape(
        table=line.table,
        tags=line.tags,
        fields=line.fields,
        kinds=bytes([*pairs, SPACE, NEWLINE] if has_time else [*pairs, NEWLINE]),
        names=((0, line.table.encode()), *tag_keys, *field_keys),
        tag_places=tuple(range(2, first_field, 2)),
        field_places=tuple(range(first_field + 1, end, 2)),
        time_place=end if has_time else None,
    )


def rows_of(tokens: Tokens, lines: Indices) -> Rows:
    """Return ``lines``, which rise and have equally many separators, as rows."""
    count = int(tokens.counts[lines[0]])
    first, last = int(lines[0]), int(lines[-1])
    if last - first + 1 == len(lines):
        begin, end = int(tokens.last[first]) - count + 1, int(tokens.last[last]) + 1
        return Rows(lines, tokens.separators[begin:end].reshape(-1, count), tokens.kinds[begin:end].reshape(-1, count))
    places = tokens.last[lines][:, np.newaxis] + np.arange(1 - count, 1)
    return Rows(lines, tokens.separators[places], tokens.kinds[places])


def looks_of(tokens: Tokens, rows: Rows) -> npt.NDArray[np.uint64]:
    """Return a number per row: rows of one shape have the same, those of different shapes mostly not.

    It comes from the separators, the beginning, end and length of each name, and the last byte of each field's value,
    which tells its type.
    """
    begins = np.empty_like(rows.stops)
    begins[:, 0] = tokens.starts[rows.lines]
    begins[:, 1:] = rows.stops[:, :-1] + 1
    lengths = np.minimum(rows.stops - begins, WORD)
    is_name = rows.kinds == EQUALS
    is_name[:, 0] = True
    words = words_of(tokens.data)
    texts = words[begins] & FIRST_BYTES[lengths]
    texts ^= (words[rows.stops - lengths] & FIRST_BYTES[lengths]) * MIX
    texts += (rows.stops - begins).astype(np.uint64)
    is_field = np.zeros(rows.kinds.shape, np.bool_)
    np.logical_or.accumulate(rows.kinds[:, :-1] == SPACE, axis=1, out=is_field[:, 1:])
    marks = np.where(is_field, _VALUE_ENDS[tokens.data[rows.stops - 1]], 0).astype(np.uint64)
    looks = np.where(is_name, texts, marks) * np.uint64(256) + rows.kinds
    factors = np.cumprod(np.full(rows.stops.shape[1], MIX))
    total: npt.NDArray[np.uint64] = (looks * factors).sum(axis=1)
    return total


def has_shape(tokens: Tokens, shape: Shape, rows: Rows) -> Flags:
    """Return which of ``rows`` have ``shape``, none of them a line that needs care.

    Such a line holds what the line by line parser would read in it, if Arrow can convert its values: what Arrow reads
    otherwise – ``.5``, ``1.``, ``+1``, ``nan``, hexadecimal – is told apart here.
    """
    fits: Flags = tokens.quotes[rows.lines] == 2 * len(shape.places(ColumnType.STRING))
    if rows.kinds.shape[1] != len(shape.kinds):
        return np.zeros(len(rows.lines), np.bool_)
    fits &= _all_in_row(rows.kinds == np.frombuffer(shape.kinds, np.uint8))
    fits &= _has_names(tokens, shape, rows)
    if shape.tag_places:
        begins, stops = _spans(rows, shape.tag_places)
        fits &= _all_in_row(stops > begins)
    for kind in ColumnType:
        if places := shape.places(kind):
            fits &= _all_in_row(_holds(tokens, rows, places, kind))
    if shape.time_place is not None:
        fits &= _all_in_row(_is_number(tokens, rows, [shape.time_place], 1))
    return fits


def _all_in_row(flags: Flags) -> Flags | np.bool_:
    """Return the rows in which all ``flags`` are set; that all are set everywhere is the usual case, and soon known."""
    return np.True_ if flags.all() else flags.all(axis=1)


def _spans(rows: Rows, places: Sequence[int]) -> tuple[Indices, Indices]:
    """Return where the tokens at ``places``, none of which is the first of its line, begin and end."""
    columns = np.array(places)
    return rows.stops[:, columns - 1] + 1, rows.stops[:, columns]


def _has_names(tokens: Tokens, shape: Shape, rows: Rows) -> Flags | np.bool_:
    """Return the rows whose tokens that are not values are those of ``shape``, compared eight bytes at a time."""
    places = np.array([place for place, _ in shape.names])
    begins = rows.stops[:, places - 1] + 1
    begins[:, 0] = tokens.starts[rows.lines]  # the first token is the table
    lengths = rows.stops[:, places] - begins
    has_lengths = _all_in_row(lengths == [len(name) for _, name in shape.names])
    parts = [
        (index, offset, name[offset : offset + WORD])
        for index, (_, name) in enumerate(shape.names)
        for offset in range(0, len(name), WORD)
    ]
    names, offsets, texts = zip(*parts, strict=True)
    positions = begins[:, names]
    positions += np.array(offsets)
    last_position = len(tokens.data) - WORD
    if int(begins[-1, -1]) + max(offsets) > last_position:
        # A token at the very end that is too short is ruled out by its length, but compared all the same.
        np.minimum(positions, last_position, out=positions)
    words = words_of(tokens.data)[positions]
    words &= np.array([(1 << 8 * len(text)) - 1 for text in texts], np.uint64)
    return has_lengths & _all_in_row(words == np.array([int.from_bytes(text, "little") for text in texts], np.uint64))


def _holds(tokens: Tokens, rows: Rows, places: list[int], kind: ColumnType) -> Flags:
    """Return which tokens of ``places`` have the form of a value of the type ``kind``."""
    if kind is ColumnType.FLOAT:
        return _is_number(tokens, rows, places, 1)
    begins, stops = _spans(rows, places)
    first, last = tokens.data[begins], tokens.data[stops - 1]
    if kind is ColumnType.BOOLEAN:
        return _BEGINS_BOOLEAN[first]
    if kind is ColumnType.STRING:
        is_value: Flags = (first == QUOTE) & (last == QUOTE) & (stops - begins > 1)
        return is_value
    is_value = _is_number(tokens, rows, places, 2)
    is_value &= last == _SUFFIX[kind]
    if kind is ColumnType.UINTEGER:
        is_value &= _is_digit(first)
    return is_value


def _is_number(tokens: Tokens, rows: Rows, places: Sequence[int], from_end: int) -> Flags:
    """Return which tokens of ``places`` begin and end like a number.

    It ends with a digit, its last byte but ``from_end`` - 1, and begins with a digit, a minus before it or not.
    """
    begins, stops = _spans(rows, places)
    first = tokens.data[begins]
    is_number = _is_digit(first)
    if not is_number.all():
        is_number |= (first == _MINUS) & _is_digit(tokens.data[begins + 1])
    is_number &= _is_digit(tokens.data[stops - from_end])
    if tokens.suspects is not None:
        first_separators = tokens.last[rows.lines] - (rows.stops.shape[1] - 1)
        is_number &= ~tokens.suspects[first_separators[:, np.newaxis] + np.array(places)]
    return is_number


def _is_digit(characters: Bytes) -> Flags:
    is_digit: Flags = characters - _ZERO < 10  # what lies before the zero wraps around to more than ten
    return is_digit
