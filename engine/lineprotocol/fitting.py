"""Lines held against a shape: which of them have it, and their values as Arrow columns."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.columns import compute as pc
from engine.lineprotocol.shapes import Rows, Shape
from engine.lineprotocol.texts import Texts, parts_of, without_escapes
from engine.lineprotocol.tokens import QUOTE, Flags, Indices, Tokens
from engine.lineprotocol.values import are_numbers, numbers, spelled_booleans
from engine.model.schema import ColumnType

_MOST_GATHERED = 2**16
"""So many numbers are gathered and converted at once: their texts stay in the processor's cache."""

_SUFFIX = {ColumnType.INTEGER: b"i"[0], ColumnType.UINTEGER: b"u"[0]}


@dataclass(frozen=True, slots=True)
class Columns:
    """The values of lines of one shape.

    Attributes:
        tags: a column per tag.
        fields: a column per field.
        time: the timestamps as they stand in the lines, ``None`` = the shape has none.
    """

    tags: tuple[pa.Array, ...]
    fields: tuple[pa.Array, ...]
    time: pa.Array | None


class ShapedRows:
    """Rows that may have a shape; none of them is a line that needs care, and all have as many separators as the shape.

    What was gathered to see whether they fit is what their columns are made of. With ``any_table`` rows of other tables
    fit, too, if they are of the shape otherwise.
    """

    def __init__(self, tokens: Tokens, texts: Texts, shape: Shape, rows: Rows, *, any_table: bool = False) -> None:
        self._tokens = tokens
        self._texts = texts
        self._shape = shape
        self._rows = rows
        self._any_table = any_table
        first = 1 if any_table else 0
        self._names_of_tags = shape.names[first : len(shape.tags) + 1] if shape.tags else ()
        self._names_of_fields = shape.names[len(shape.tags) + 1 if shape.tags else first :]
        self._count = len(rows.lines)
        self._numbers: dict[ColumnType, list[pa.StringArray]] = {}

    def fits(self) -> Flags:
        """Return which rows have the shape.

        Such a line holds what the line by line parser would read in it, if Arrow can convert its values.
        """
        rows, shape = self._rows, self._shape
        fits: Flags = self._tokens.quotes[rows.lines] == 2 * len(shape.places(ColumnType.STRING))
        fits &= _all_in_row(rows.kinds == np.frombuffer(shape.kinds, np.uint8))
        if not fits.any():
            return fits
        if self._any_table:
            fits &= rows.stops[:, 0] > self._tokens.starts[rows.lines]
        fits &= self._have_names(rows, self._names_of_fields)
        if shape.tags:
            fits &= self._have_tags()
        for kind in shape.kinds_of_values:
            fits &= self._have_values(kind)
        return fits

    def columns(self) -> Columns:
        """Return the values; all rows must fit.

        Raises:
            ArrowInvalid: a value in one of the rows is none of its field's type.
        """
        shape = self._shape
        by_place: dict[int, pa.Array] = {}
        for kind in shape.kinds_of_values:
            by_place.update(zip(shape.places(kind), self._columns_of(kind), strict=True))
        time = None if shape.time_place is None else by_place[shape.time_place]
        return Columns(self._tags(), tuple([by_place[place] for place in shape.field_places]), time)

    def tables(self) -> tuple[list[str], Indices]:
        """Return the names of the rows' tables, and per row the place of its own among them."""
        encoded = self._texts.between(self._tokens.starts[self._rows.lines], self._rows.stops[:, 0]).dictionary_encode()
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)

    def _have_names(self, rows: Rows, names: Sequence[tuple[int, bytes]]) -> Flags | np.bool_:
        """Return the rows whose tokens at the places of ``names`` are these, and end with the separators of the shape."""
        wanted = [name + self._shape.kinds[place : place + 1] for place, name in names]
        first = self._tokens.last[rows.lines] - (len(self._shape.kinds) - 1)
        found = self._texts.of_tokens((first[:, np.newaxis] + np.array([place for place, _ in names])).ravel())
        # Each ends with the only separator in it, so the texts are equal if they are equal one behind the other.
        size = len(parts_of(found)[1])
        expected = b"".join(wanted) * len(first)
        if size == len(expected) and found.buffers()[2].slice(0, size).equals(pa.py_buffer(expected)):
            return np.True_
        beside = pa.array(wanted, pa.binary()).take(pa.array(np.tile(np.arange(len(wanted)), len(first))))
        is_name = pc.equal(found, beside).to_numpy(zero_copy_only=False)
        have_names: Flags = is_name.reshape(-1, len(names)).all(axis=1)
        return have_names

    # Tags: lines of one series begin with the same bytes, so that one line of each is looked at.

    @functools.cached_property
    def _series(self) -> tuple[Indices, Rows]:
        """Return the number of each row's series, counted from 0, and a row of each."""
        blanks = self._rows.stops[:, 2 * len(self._shape.tags)]
        encoded = self._texts.between(self._tokens.starts[self._rows.lines], blanks + 1).dictionary_encode()
        numbers = encoded.indices.to_numpy().astype(np.int64)
        of_series = np.empty(len(encoded.dictionary), np.int64)
        of_series[numbers] = np.arange(self._count)
        return numbers, self._rows.select(of_series)

    @functools.cached_property
    def _tag_texts(self) -> pa.StringArray:
        """Return the values of each tag in one row of each series, tag after tag."""
        return self._texts.between(*_spans(self._series[1], self._shape.tag_places))

    def _have_tags(self) -> Flags | np.bool_:
        numbers, rows = self._series
        offsets, _ = parts_of(self._tag_texts)
        have_values = _all_of_places(offsets[1:] > offsets[:-1], len(rows.lines))
        have_tags = have_values & self._have_names(rows, self._names_of_tags)
        return have_tags[numbers] if isinstance(have_tags, np.ndarray) else have_tags

    def _tags(self) -> tuple[pa.Array, ...]:
        if not self._shape.tags:
            return ()
        numbers, rows = self._series
        count = len(rows.lines)
        columns = []
        for tag in range(len(self._shape.tags)):
            encoded = self._tag_texts.slice(tag * count, count).dictionary_encode()
            indices = encoded.indices.to_numpy()[numbers]
            columns.append(pa.DictionaryArray.from_arrays(indices, encoded.dictionary, safe=False))
        return tuple(columns)

    # Fields and timestamp.

    def _have_values(self, kind: ColumnType) -> Flags | np.bool_:
        """Return the rows whose values of the type ``kind`` look like it; Arrow tells whether numbers are some."""
        if kind is ColumnType.BOOLEAN:
            return _all_of_places(self._spelled_booleans >= 0, self._count)
        if kind is ColumnType.STRING:
            data = self._tokens.data
            begins, stops = _spans(self._rows, self._shape.places(kind))
            are_strings = (data[begins] == QUOTE) & (data[stops - 1] == QUOTE) & (stops - begins > 1)
            return _all_of_places(are_strings, self._count)
        has_sign = kind is not ColumnType.UINTEGER
        are_values = np.concatenate([are_numbers(texts, has_sign=has_sign) for texts in self._number_texts(kind)])
        are_values = are_values.reshape(self._count, -1)
        if kind in _SUFFIX:
            are_values &= (
                self._tokens.data[self._rows.stops[:, _columns(self._shape.places(kind))] - 1] == _SUFFIX[kind]
            )
        return _all_in_row(are_values)

    def _columns_of(self, kind: ColumnType) -> list[pa.Array]:
        """Return a column for each field of the type ``kind``."""
        places = self._shape.places(kind)
        if kind is ColumnType.BOOLEAN:
            return [pa.array(column == 1) for column in self._spelled_booleans.reshape(len(places), -1)]
        if kind is ColumnType.STRING:
            begins, stops = _spans(self._rows, places)
            texts = self._texts.between(begins + 1, stops - 1)
            strings = without_escapes(texts) if self._tokens.has_escapes else texts
            return [strings.slice(number * self._count, self._count) for number in range(len(places))]
        parts = [numbers(texts, kind).to_numpy() for texts in self._number_texts(kind)]
        columns = np.empty((len(places), self._count), parts[0].dtype)
        done = 0
        for part in parts:
            by_row = part.reshape(-1, len(places))
            columns[:, done : done + len(by_row)] = by_row.T
            done += len(by_row)
        return [pa.array(column) for column in columns]

    @functools.cached_property
    def _spelled_booleans(self) -> "np.typing.NDArray[np.int8]":
        """Return the booleans, column after column, as ``spelled_booleans`` does."""
        return spelled_booleans(self._texts.between(*_spans(self._rows, self._shape.places(ColumnType.BOOLEAN))))

    def _number_texts(self, kind: ColumnType) -> list[pa.StringArray]:
        """Return the texts of the numbers of the type ``kind``, row after row, without what marks their type."""
        gathered = self._numbers.get(kind)
        if gathered is None:
            places = self._shape.places(kind)
            rows_at_once = max(1, _MOST_GATHERED // len(places))
            before, at = _columns([place - 1 for place in places]), _columns(places)
            gathered = []
            for begin in range(0, self._count, rows_at_once):
                stops = self._rows.stops[begin : begin + rows_at_once]
                last = stops[:, at] - 1 if kind in _SUFFIX else stops[:, at]
                gathered.append(self._texts.between((stops[:, before] + 1).ravel(), last.ravel()))
            self._numbers[kind] = gathered
        return gathered


def _columns(places: Sequence[int]) -> slice | Indices:
    """Return ``places``, which rise, as an index; in equal steps, as fields of one type mostly are, that is the quicker one."""
    steps = set(np.diff(places).tolist())
    if len(steps) > 1:
        return np.array(places)
    return slice(places[0], places[-1] + 1, steps.pop() if steps else 1)


def _spans(rows: Rows, places: Sequence[int]) -> tuple[Indices, Indices]:
    """Return where the tokens at ``places``, none of which is the first of its line, begin and end, place after place."""
    columns = np.array(places)
    by_place = rows.stops.T
    return (by_place[columns - 1] + 1).ravel(), by_place[columns].ravel()


def _all_of_places(flags: Flags, rows: int) -> Flags | np.bool_:
    """Return the rows in which the flags of all places are set."""
    return np.True_ if flags.all() else flags.reshape(-1, rows).all(axis=0)


def _all_in_row(flags: Flags) -> Flags | np.bool_:
    """Return the rows in which all ``flags`` are set; that all are set everywhere is the usual case, and soon known."""
    return np.True_ if flags.all() else flags.all(axis=1)
