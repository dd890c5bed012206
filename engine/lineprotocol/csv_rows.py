"""Lines of one shape, their separators turned into commas, as Arrow columns."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import csv

from engine.columns import compute as pc
from engine.columns.types import ARROW, TAG_TYPE
from engine.lineprotocol.shapes import Rows, Shape
from engine.lineprotocol.tokens import MASKED_COMMA, MASKED_RETURN, Tokens
from engine.model.schema import ColumnType

_TRUE = ["t", "T", "true", "True", "TRUE"]
_FALSE = ["f", "F", "false", "False", "FALSE"]
_PARSE_OPTIONS = csv.ParseOptions(delimiter=",", quote_char=False, escape_char=False, newlines_in_values=False)
_UNMASKED = bytes.maketrans(bytes([MASKED_COMMA, MASKED_RETURN]), b",\r")


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


class CsvRows:
    """Reads lines of a body, in the spelling that ``Tokens.csv`` gives them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def read(self, shape: Shape, rows: Rows) -> Columns:
        """Return the values of ``rows``, all of which have ``shape``.

        Raises:
            ArrowInvalid: a value in one of the rows is none of its field's type.
        """
        integers = [*shape.places(ColumnType.INTEGER), *shape.places(ColumnType.UINTEGER)]
        if integers:
            # The suffix becomes a blank, which Arrow's number parser trims.
            self._tokens.csv[rows.stops[:, integers] - 1] = b" "[0]
        text = self._text(rows)
        names, convert_options = _options(shape)
        # One block, so that each column is one array and each tag has one dictionary.
        read_options = csv.ReadOptions(use_threads=False, block_size=text.size + 1, column_names=names)
        # The streaming reader is set up faster than the other one, which counts for small groups.
        with csv.open_csv(pa.BufferReader(text), read_options, _PARSE_OPTIONS, convert_options) as reader:
            table = reader.read_all()
        if table.num_rows != len(rows.lines):
            raise pa.ArrowInvalid(f"{len(rows.lines)} lines were read as {table.num_rows} rows")
        columns = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]
        tags, fields = columns[: len(shape.tags)], columns[len(shape.tags) :]
        time = fields.pop() if shape.time_place is not None else None
        for index, (_, kind) in enumerate(shape.fields):
            if kind is ColumnType.STRING:
                fields[index] = self._restored(fields[index])
        return Columns(tuple(tags), tuple(fields), time)

    def _text(self, rows: Rows) -> pa.Buffer:
        """Return the bytes of ``rows``, line after line."""
        tokens, lines = self._tokens, rows.lines
        first, last = int(lines[0]), int(lines[-1])
        if last - first + 1 == len(lines):
            return pa.py_buffer(tokens.csv[tokens.starts[first] : tokens.stops[last] + 1])
        lines_of_body = pa.BinaryArray.from_buffers(
            pa.binary(), len(tokens.starts), [None, pa.py_buffer(self._offsets), pa.py_buffer(tokens.csv)]
        )
        gathered = lines_of_body.take(pa.array(lines))
        _, offsets, text = gathered.buffers()
        return text.slice(0, int(np.frombuffer(offsets, np.int32)[len(lines)]))

    @functools.cached_property
    def _offsets(self) -> "np.typing.NDArray[np.int32]":
        return np.append(self._tokens.starts, len(self._tokens.csv)).astype(np.int32)

    def _restored(self, column: pa.Array) -> pa.Array:
        """Return a column of strings with what was masked, and without escapes."""
        if self._tokens.has_masked:
            _, offsets, text = column.buffers()
            if text is not None:
                text = pa.py_buffer(text.to_pybytes().translate(_UNMASKED))
            column = pa.StringArray.from_buffers(len(column), offsets, text)
        if self._tokens.has_escapes:
            column = pc.replace_substring_regex(column, r'\\(["\\])', r"\1")
        return column


def _options(shape: Shape) -> tuple[Sequence[str], csv.ConvertOptions]:
    """Return the names of the CSV columns of ``shape``, and which of them to convert to what, in the order of ``Columns``."""
    strings = set(shape.places(ColumnType.STRING))
    count = 0
    column_of: dict[int, str] = {}
    for place in range(len(shape.kinds)):
        # A string stands between two empty columns, in place of its quotes.
        column_of[place] = str(count + (place in strings))
        count += 3 if place in strings else 1
    types = {column_of[place]: TAG_TYPE for place in shape.tag_places}
    for place, (_, kind) in zip(shape.field_places, shape.fields, strict=True):
        types[column_of[place]] = ARROW[kind]
    if shape.time_place is not None:
        types[column_of[shape.time_place]] = pa.int64()
    return [str(column) for column in range(count)], csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=[],
        true_values=_TRUE,
        false_values=_FALSE,
        strings_can_be_null=False,
        check_utf8=False,
    )
