"""Line protocol in columns: a large body becomes Arrow arrays without a loop over its lines.

Lines of one shape have the same separators in the same order, with the same names between them. So where the separators
stand says where all values of a column are, and Arrow gathers and converts them in one call, after it was made certain for
each line that what Arrow reads is what the line by line parser would read. All other lines go to that parser.
"""

import numpy as np
import pyarrow as pa

from engine.columns.types import ARROW
from engine.errors import LineProtocolError
from engine.lineprotocol.fitting import Columns, ShapedRows
from engine.lineprotocol.groups import (
    Group,
    LineGroup,
    ParsedBody,
    RejectedLine,
    RowCollector,
    ValueGroup,
    excerpt,
    merge_groups,
    refuse_line,
)
from engine.lineprotocol.lines import MOST_STRING_BYTES, parse_line
from engine.lineprotocol.shapes import Rows, Shape, looks_of, rows_of, shape_of
from engine.lineprotocol.texts import Texts
from engine.lineprotocol.timestamps import columns_to_ns, to_ns
from engine.lineprotocol.tokens import FIRST_BYTES, MIX, Indices, lay_out, scan, words_of
from engine.model.precision import Precision
from engine.model.schema import ColumnType

MOST_BYTES = 2**30
"""A larger body does not fit the 32 bit offsets in Arrow's columns."""

# Lines of one shape with fewer tokens altogether are parsed line by line, at about a microsecond each: to compare a
# group with its shape and to set a reader up takes half a millisecond.
FEWEST_TOKENS = 600
# Lines that differ in nothing but their table are parsed together if each table has fewer than so many.
_FEW_LINES = 256
# To look for a shape is to compare all lines that are left: after so many the rest of a bucket is parsed line by line.
_MOST_SHAPES = 8


def parse_columns(
    body: bytes, precision: Precision, ingest_time_ns: int, *, fewest_tokens: int = FEWEST_TOKENS
) -> ParsedBody:
    """Return what ``body`` holds: UTF-8, of at most ``MOST_BYTES``; see ``engine.lineprotocol.body.parse_body``.

    ``ingest_time_ns`` is that of lines without timestamp, cut down to ``precision`` already. Lines of one shape with
    fewer than ``fewest_tokens`` tokens altogether are parsed line by line.
    """
    if not body.endswith(b"\n"):
        body += b"\n"
    return _ColumnarBody(body, precision, ingest_time_ns, fewest_tokens).parse()


class _ColumnarBody:
    """One body on its way into columns."""

    def __init__(self, body: bytes, precision: Precision, ingest_time_ns: int, fewest_tokens: int) -> None:
        self._body = body
        self._precision = precision
        self._ingest_time_ns = ingest_time_ns
        self._fewest_tokens = fewest_tokens
        self._tokens = scan(body, MOST_STRING_BYTES)
        self._layout = lay_out(body, self._tokens)
        self._texts = Texts(self._tokens)
        self._groups: list[Group] = []
        self._rejected: list[RejectedLine] = []
        self._one_by_one = [self._layout.careful]

    def parse(self) -> ParsedBody:
        """Return what the body holds."""
        buckets = self._buckets()
        few = [lines for lines in buckets if len(lines) < _FEW_LINES]
        for lines in buckets:
            if len(lines) >= _FEW_LINES:
                self._parse_bucket(lines, few=few)
        self._parse_few(few)
        collected = self._parse_one_by_one(np.sort(np.concatenate(self._one_by_one)))
        return ParsedBody(
            merge_groups([*self._groups, *collected]),
            sorted(self._rejected, key=lambda line: line.line_number),
            len(self._layout.begins),
            self._original_line,
        )

    def _buckets(self) -> list[Indices]:
        """Return the plain lines, those together that can have the same shape, as far as a glance tells.

        Lines that differ may meet in a bucket; lines of one shape are never in two.
        """
        tokens, lines = self._tokens, self._layout.plain
        if not lines.size:
            return []
        begins = tokens.starts[lines]
        lengths = tokens.separators[tokens.last[lines] - tokens.counts[lines] + 1] - begins
        words = words_of(tokens.data)[begins] & FIRST_BYTES[np.minimum(lengths, 8)]
        sizes = (tokens.counts[lines] << 40) + (tokens.quotes[lines] << 20) + lengths
        keys = words * MIX + sizes.astype(np.uint64)
        if (keys == keys[0]).all():
            return [lines]
        order = np.argsort(keys, kind="stable")
        return np.split(lines[order], np.flatnonzero(np.diff(keys[order])) + 1)

    def _parse_bucket(self, lines: Indices, *, any_table: bool = False, few: list[Indices] | None = None) -> None:
        """Take the shape of its first good line from a bucket, and where that is not all, those that look like others.

        What is too little by itself is added to ``few``, if that is given.
        """
        rows = self._parse_shapes(rows_of(self._tokens, lines), 1, any_table=any_table)
        if rows.stops.size < self._fewest_tokens:
            self._defer(rows.lines)
            return
        for same in _alike(looks_of(self._tokens, rows, any_table=any_table)):
            alike = rows.select(same)
            if alike.stops.size < self._fewest_tokens:
                self._defer(alike.lines)
            elif few is not None and len(same) < _FEW_LINES:
                few.append(alike.lines)
            else:
                self._defer(self._parse_shapes(alike, _MOST_SHAPES, any_table=any_table).lines)

    def _parse_few(self, few: list[Indices]) -> None:
        """Parse lists of few lines each, those together that differ in nothing but their table, as their first lines tell."""
        few.sort(key=lambda lines: int(lines[0]))
        heads = np.array([lines[0] for lines in few], np.int64)
        for sized in _alike((self._tokens.counts[heads] << 20) + self._tokens.quotes[heads]):
            looks = looks_of(self._tokens, rows_of(self._tokens, heads[sized]), any_table=True)
            for same in _alike(looks):
                together = [few[number] for number in sized[same].tolist()]
                self._parse_bucket(np.sort(np.concatenate(together)), any_table=len(together) > 1)

    def _parse_shapes(self, rows: Rows, most: int, *, any_table: bool = False) -> Rows:
        """Take from ``rows`` one shape after the other, that of the first line that is left; return what ``most`` leave."""
        while rows.stops.size >= self._fewest_tokens and most > 0:
            shape = self._shape_of_first(rows)
            if shape is None:
                self._defer(rows.lines[:1])
                rows = rows.select(slice(1, None))
                continue
            most -= 1
            shaped = self._shaped(shape, rows, any_table=any_table)
            fits = shaped.fits()
            chosen, rows = rows, rows.select(~fits)
            if rows.lines.size:
                chosen = chosen.select(fits)
                shaped = self._shaped(shape, chosen, any_table=any_table)
            if chosen.stops.size < self._fewest_tokens:
                self._defer(chosen.lines)
            else:
                self._convert(shape, chosen, shaped, any_table=any_table)
        return rows

    def _shape_of_first(self, rows: Rows) -> Shape | None:
        """Return the shape of the first row, ``None`` if it is not a good line in its plain spelling."""
        number = int(self._layout.numbers[rows.lines[0]])
        try:
            shape = shape_of(parse_line(self._raw(number).decode()))
        except LineProtocolError:
            return None  # line by line it comes up again, with the reason
        return shape if rows.kinds[0].tobytes() == shape.kinds else None

    def _shaped(self, shape: Shape, rows: Rows, *, any_table: bool) -> ShapedRows:
        return ShapedRows(self._tokens, self._texts, shape, rows, any_table=any_table)

    def _convert(self, shape: Shape, rows: Rows, shaped: ShapedRows, *, any_table: bool) -> None:
        """Make a group of ``rows``, or one for each table, leaving out those that Arrow cannot convert."""
        try:
            columns = shaped.columns()
        except pa.ArrowInvalid:
            if rows.stops.size < 2 * self._fewest_tokens or len(rows.lines) == 1:
                self._defer(rows.lines)
                return
            half = len(rows.lines) // 2
            for part in (rows.select(slice(half)), rows.select(slice(half, None))):
                self._convert(shape, part, self._shaped(shape, part, any_table=any_table), any_table=any_table)
        else:
            tables = shaped.tables() if any_table else ([shape.table], None)
            self._add_group(shape, self._layout.numbers[rows.lines], columns, *tables)

    def _add_group(
        self, shape: Shape, numbers: Indices, columns: Columns, tables: list[str], table_of: Indices | None
    ) -> None:
        refused = None
        if columns.time is None:
            times = np.full(len(numbers), self._ingest_time_ns)
        else:
            times, refused = columns_to_ns(columns.time.to_numpy(), self._precision)
        group = LineGroup(
            tables[0],
            shape.tags,
            shape.fields,
            columns.tags,
            columns.fields,
            pa.array(times).view(ARROW[ColumnType.TIME]),
            numbers,
        )
        if refused is not None:
            # Their messages come from the line by line parser.
            self._one_by_one.append(numbers[refused])
            group = group.select(~refused)
            table_of = None if table_of is None else table_of[~refused]
        if len(tables) > 1 and table_of is not None:
            self._groups += group.by_table(tables, table_of)
        elif len(group.lines):
            self._groups.append(group)

    def _defer(self, lines: Indices) -> None:
        """Leave physical ``lines`` to the line by line parser."""
        self._one_by_one.append(self._layout.numbers[lines])

    def _parse_one_by_one(self, numbers: Indices) -> list[ValueGroup]:
        collector = RowCollector()
        for number in numbers.tolist():
            try:
                line = parse_line(self._raw(number).decode())
                time = self._ingest_time_ns if line.timestamp is None else to_ns(line.timestamp, self._precision)
            except LineProtocolError as error:
                refuse_line(self._rejected, RejectedLine(number, str(error), self._original_line(number)))
            else:
                collector.add(number, line, time)
        return collector.groups()

    def _raw(self, number: int) -> bytes:
        return self._body[self._layout.begins[number - 1] : self._layout.stops[number - 1]]

    def _original_line(self, number: int) -> str:
        return excerpt(self._raw(number))


def _alike(values: "np.typing.NDArray[np.generic]") -> list[Indices]:
    """Return the places of equal ``values`` together, each list rising."""
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    return np.split(order, np.flatnonzero(values[order][1:] != values[order][:-1]) + 1)
