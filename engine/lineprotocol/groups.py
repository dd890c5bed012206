"""What a parsed body consists of: groups of lines of one shape as Arrow columns, and the lines that were rejected."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns.types import ARROW, TAG_TYPE
from engine.errors import InvalidRequest
from engine.lineprotocol.lines import Line, Value
from engine.model.schema import TIME_COLUMN, ColumnType

Fields = tuple[tuple[str, ColumnType], ...]

MOST_REJECTED = 100_000
"""A body with more lines that do not parse is refused whole: to tell of five million would take gigabytes."""

_MOST_EXCERPT_BYTES = 20

# Most bodies are a line or two, and ``pa.array`` takes twice as long for one value as to put its buffers together.
_INDEX_OF_ONE = pa.py_buffer(np.zeros(1, np.int32))
_NUMBERS: dict[ColumnType, type[np.generic]] = {
    ColumnType.TIME: np.int64,
    ColumnType.INTEGER: np.int64,
    ColumnType.UINTEGER: np.uint64,
    ColumnType.FLOAT: np.float64,
}


@dataclass(frozen=True, slots=True)
class LineGroup:
    """The good lines of one shape: the same table, tag keys, field keys and field types, in the same order.

    Attributes:
        fields: key and type of each field.
        tag_columns: per tag its values, ``dictionary(int32, string)``.
        field_columns: per field its values, of the type in ``engine.columns.types.ARROW``. Lines leave no nulls; rows
            that a plugin wrote as columns may.
        time: ``timestamp("ns")`` without nulls; the time of ingestion where a line has none.
        lines: the number of each line, strictly rising.
    """

    table: str
    tags: tuple[str, ...]
    fields: Fields
    tag_columns: tuple[pa.Array, ...]
    field_columns: tuple[pa.Array, ...]
    time: pa.Array
    lines: npt.NDArray[np.int64]

    @property
    def row_count(self) -> int:
        """Return how many lines there are."""
        return len(self.lines)

    @property
    def numbers(self) -> list[int]:
        """Return the number of each line."""
        numbers: list[int] = self.lines.tolist()
        return numbers

    @property
    def first_number(self) -> int:
        """Return the number of the first line."""
        return int(self.lines[0])

    @property
    def columns(self) -> "LineGroup":
        """Return the group as columns."""
        return self

    def shifted(self, by: int) -> "LineGroup":
        """Return the group with ``by`` added to the number of each line."""
        return replace(self, lines=self.lines + by)

    def by_table(self, tables: Sequence[str], of_line: npt.NDArray[np.int64]) -> "list[ValueGroup]":
        """Return a group for each of ``tables``, of the lines for which ``of_line`` says its place; for few lines each."""
        order = np.argsort(of_line, kind="stable")
        ends = np.cumsum(np.bincount(of_line, minlength=len(tables))).tolist()
        indices = pa.array(order)
        tags = [_texts(column, order) for column in self.tag_columns]
        fields = [column.take(indices).to_pylist() for column in self.field_columns]
        times: list[int] = self.time.view(pa.int64()).to_numpy()[order].tolist()
        numbers: list[int] = self.lines[order].tolist()
        return [
            ValueGroup(
                table,
                self.tags,
                self.fields,
                numbers[begin:end],
                times[begin:end],
                tuple([values[begin:end] for values in tags]),
                tuple([values[begin:end] for values in fields]),
            )
            for table, begin, end in zip(tables, [0, *ends], ends, strict=False)
            if end > begin
        ]

    def select(self, chosen: npt.NDArray[np.bool_]) -> "LineGroup":
        """Return the group with only the ``chosen`` lines."""
        mask = pa.array(chosen)
        return LineGroup(
            self.table,
            self.tags,
            self.fields,
            tuple(column.filter(mask) for column in self.tag_columns),
            tuple(column.filter(mask) for column in self.field_columns),
            self.time.filter(mask),
            self.lines[chosen],
        )


@dataclass(frozen=True)
class ValueGroup:
    """A group as plain values, which is what a few rows need; as Arrow columns when somebody asks for them.

    Attributes:
        table, tags, fields: see ``LineGroup``.
        numbers: the number of each line, strictly rising.
        times: the time of each line, in ns.
        tag_values, field_values: per tag and per field its values.
    """

    table: str
    tags: tuple[str, ...]
    fields: Fields
    numbers: list[int]
    times: list[int]
    tag_values: tuple[Sequence[str], ...]
    field_values: tuple[Sequence[Value], ...]

    @property
    def row_count(self) -> int:
        """Return how many lines there are."""
        return len(self.numbers)

    @property
    def first_number(self) -> int:
        """Return the number of the first line."""
        return self.numbers[0]

    def values(self) -> dict[str, Sequence[Value]]:
        """Return the values of each column by its name, those of the time as ``time``."""
        names = (*self.tags, *(name for name, _ in self.fields), TIME_COLUMN)
        return dict(zip(names, (*self.tag_values, *self.field_values, self.times), strict=True))

    def shifted(self, by: int) -> "ValueGroup":
        """Return the group with ``by`` added to the number of each line."""
        return replace(self, numbers=[number + by for number in self.numbers])

    @cached_property
    def columns(self) -> LineGroup:
        """Return the group as columns."""
        kinds = [kind for _, kind in self.fields]
        return LineGroup(
            self.table,
            self.tags,
            self.fields,
            tuple(map(_tag_column, self.tag_values)),
            tuple(map(_column, self.field_values, kinds)),
            _column(self.times, ColumnType.TIME),
            np.array(self.numbers, np.int64),
        )


class RowGroup:
    """A group that grows line by line."""

    def __init__(self, table: str, tags: tuple[str, ...], fields: Fields) -> None:
        self.table = table
        self.tags = tags
        self.fields = fields
        self._numbers: list[int] = []
        self._times: list[int] = []
        self._tag_values: list[Sequence[str]] = []
        self._values: list[Sequence[Value]] = []

    def add(self, number: int, line: Line, time_ns: int) -> None:
        """Take a line of this shape; numbers rise from call to call."""
        self._numbers.append(number)
        self._times.append(time_ns)
        self._tag_values.append(line.tag_values)
        self._values.append(line.values)

    def taken(self) -> ValueGroup:
        """Return the lines so far."""
        return ValueGroup(
            self.table,
            self.tags,
            self.fields,
            self._numbers,
            self._times,
            tuple(zip(*self._tag_values, strict=True)),
            tuple(zip(*self._values, strict=True)),
        )


Group = LineGroup | ValueGroup


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that is not written.

    Attributes:
        line_number: counted from 1 over lines that are neither blank nor comments.
        original_line: the beginning of the line as it was sent, see ``excerpt``.
    """

    line_number: int
    message: str
    original_line: str


def refuse_line(rejected: list[RejectedLine], line: RejectedLine) -> None:
    """Put ``line`` to those of a body that do not parse.

    Raises:
        InvalidRequest: there are more than ``MOST_REJECTED``.
    """
    rejected.append(line)
    if len(rejected) > MOST_REJECTED:
        first = rejected[0]
        raise InvalidRequest(
            f"nothing was written, for more than {MOST_REJECTED} lines are no line protocol; "
            f"the first is line {first.line_number}, `{first.original_line}`: {first.message}"
        )


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """The lines of one write.

    Attributes:
        groups: one per shape, in the order of their first lines.
        rejected: the lines that do not parse, by number.
        line_count: how many lines there are, good and rejected.
        original_line: returns what ``RejectedLine.original_line`` holds, for any line's number.
    """

    groups: Sequence[Group]
    rejected: list[RejectedLine]
    line_count: int
    original_line: Callable[[int], str]


def excerpt(line: bytes) -> str:
    """Return the first 20 bytes of ``line``, cut back to whole characters."""
    return line[:_MOST_EXCERPT_BYTES].decode(errors="ignore")


class RowCollector:
    """Gathers lines that were parsed one by one into groups."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, tuple[str, ...], Fields], RowGroup] = {}

    def add(self, number: int, line: Line, time_ns: int) -> None:
        """Take a good line; numbers must rise from call to call."""
        shape = line.table, line.tags, line.fields
        group = self._groups.get(shape)
        if group is None:
            group = self._groups[shape] = RowGroup(*shape)
        group.add(number, line, time_ns)

    def groups(self) -> list[ValueGroup]:
        """Return the lines so far, in the order of the groups' first lines."""
        return [group.taken() for group in self._groups.values()]


def _texts(column: pa.DictionaryArray, order: npt.NDArray[np.int64]) -> list[str]:
    """Return the values of a tag without nulls at the places ``order``."""
    texts: list[str] = np.array(column.dictionary.to_pylist(), object)[column.indices.to_numpy()[order]].tolist()
    return texts


def _tag_column(values: Sequence[str]) -> pa.Array:
    """Return the values of a tag as a column."""
    if len(values) > 1:
        return pa.array(values, TAG_TYPE)
    text = values[0].encode()
    offsets = pa.py_buffer(np.array([0, len(text)], np.int32))
    dictionary = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(text)])
    return pa.DictionaryArray.from_buffers(TAG_TYPE, 1, [None, _INDEX_OF_ONE], dictionary)


def _column(values: Sequence[Value], kind: ColumnType) -> pa.Array:
    """Return ``values`` as a column."""
    if (number := _NUMBERS.get(kind)) is None:
        return pa.array(values, ARROW[kind])
    return pa.Array.from_buffers(ARROW[kind], len(values), [None, pa.py_buffer(np.array(values, number))])


def merge_groups(groups: Iterable[Group]) -> list[Group]:
    """Return ``groups`` with those of equal shape made one, in the order of their first lines."""
    shapes: defaultdict[tuple[str, tuple[str, ...], Fields], list[Group]] = defaultdict(list)
    for group in groups:
        shapes[group.table, group.tags, group.fields].append(group)
    merged = [same[0] if len(same) == 1 else _merge([group.columns for group in same]) for same in shapes.values()]
    return sorted(merged, key=lambda group: group.first_number)


def _merge(groups: list[LineGroup]) -> LineGroup:
    """Return groups of equal shape as one, its rows in the order of their lines."""
    lines = np.concatenate([group.lines for group in groups])
    order = np.argsort(lines)
    indices = pa.array(order)

    def column(parts: Iterable[pa.Array]) -> pa.Array:
        # Arrow's concatenation of dictionary arrays makes one dictionary of theirs.
        return pa.concat_arrays(list(parts)).take(indices)

    first = groups[0]
    return LineGroup(
        first.table,
        first.tags,
        first.fields,
        tuple(column(parts) for parts in zip(*(group.tag_columns for group in groups), strict=True)),
        tuple(column(parts) for parts in zip(*(group.field_columns for group in groups), strict=True)),
        column(group.time for group in groups),
        lines[order],
    )
