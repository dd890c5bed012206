"""The shape that a line gives to a group of lines, and lines with equally many separators as rows."""

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
    SPACE,
    WORD,
    Bytes,
    Flags,
    Indices,
    Tokens,
    words_of,
)
from engine.model.schema import ColumnType

# The ends of values, as far as they tell a type: a digit, a letter of a boolean, and those that stand for themselves.
_VALUE_ENDS = np.zeros(256, np.uint8)
_VALUE_ENDS[list(b'iu"')] = list(b'iu"')
_VALUE_ENDS[list(b"0123456789")] = ord("0")
_VALUE_ENDS[list(b"tTfFeE")] = ord("t")


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
        """Return the tokens that are values of fields of the type ``kind``, or the timestamp."""
        if kind is ColumnType.TIME:
            return [] if self.time_place is None else [self.time_place]
        return [place for place, (_, of) in zip(self.field_places, self.fields, strict=True) if of is kind]

    @property
    def kinds_of_values(self) -> list[ColumnType]:
        """Return the types that its fields have, and that of the timestamp if there is one."""
        kinds = dict.fromkeys(kind for _, kind in self.fields)
        return [*kinds, ColumnType.TIME] if self.time_place is not None else [*kinds]


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


def looks_of(tokens: Tokens, rows: Rows, *, any_table: bool = False) -> npt.NDArray[np.uint64]:
    """Return a number per row: rows of one shape have the same, those of different shapes mostly not.

    With ``any_table`` the table does not count. The number comes from the separators, the beginning, end and length of
    each name, and the last byte of each field's value, which tells its type.
    """
    begins = np.empty_like(rows.stops)
    begins[:, 0] = tokens.starts[rows.lines]
    begins[:, 1:] = rows.stops[:, :-1] + 1
    lengths = np.minimum(rows.stops - begins, WORD)
    is_name = rows.kinds == EQUALS
    is_name[:, 0] = not any_table
    words = words_of(tokens.data)
    texts = words[begins] & FIRST_BYTES[lengths]
    texts ^= (words[rows.stops - lengths] & FIRST_BYTES[lengths]) * MIX
    texts ^= texts >> np.uint64(32)  # the ends of names are in the highest bits, which go out below
    texts += (rows.stops - begins).astype(np.uint64)
    is_field = np.zeros(rows.kinds.shape, np.bool_)
    np.logical_or.accumulate(rows.kinds[:, :-1] == SPACE, axis=1, out=is_field[:, 1:])
    marks = np.where(is_field, _VALUE_ENDS[tokens.data[rows.stops - 1]], 0).astype(np.uint64)
    looks = np.where(is_name, texts, marks) * np.uint64(256) + rows.kinds
    factors = np.cumprod(np.full(rows.stops.shape[1], MIX))
    total: npt.NDArray[np.uint64] = (looks * factors).sum(axis=1)
    return total
