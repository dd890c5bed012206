"""Decides which lines a table takes, which columns it gains by them, and what to tell of the others."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.columns.payload import MOST_VALUE_ROWS, Encoding, encode_rows, encode_values
from engine.columns.types import storage_schema
from engine.lineprotocol.groups import Group, LineGroup, ParsedBody, RejectedLine, ValueGroup
from engine.model.schema import TIME_COLUMN, Column, ColumnType, TableSchema
from engine.write.ceilings import ANY_ROOM, Room

RESERVED = (TIME_COLUMN, "__chunk_order")


@dataclass(frozen=True, slots=True)
class TablePlan:
    """The lines of one table that were accepted.

    Attributes:
        base: the schema that they were held against, ``None`` for a table that does not exist yet.
        added: the columns that they add, in the order of their first appearance.
        groups: the lines, ordered by the first line of each group.
    """

    name: str
    base: TableSchema | None
    added: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def row_count(self) -> int:
        """Return how many lines were accepted."""
        return sum(group.row_count for group in self.groups)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a body comes to: the accepted lines by table, and all rejected lines in their order."""

    tables: tuple[TablePlan, ...]
    rejected: tuple[RejectedLine, ...]


def plan_write(
    parsed: ParsedBody, find: Callable[[str], TableSchema | None], *, room: Room = ANY_ROOM, tells_all: bool = True
) -> WritePlan:
    """Hold parsed lines against the schemas that ``find`` knows (server-api §2.8).

    A column's type is that of its first appearance; lines that come later and do not fit are rejected, all others stay.
    So are lines that need a table or columns for which ``room`` is not left.
    Without ``tells_all`` only the first of several lines that are rejected for the same reason is told.
    """
    drafts: dict[str, _Draft] = {}
    rejected = list(parsed.rejected)
    made = 0
    for group in parsed.groups:
        draft = drafts.get(group.table)
        if draft is None:
            draft = drafts[group.table] = _Draft(group.table, find(group.table), room)
        makes_table = draft.base is None and not draft.groups
        problem = (room.refuses_table(made) if makes_table else None) or draft.take(group)
        made += makes_table and problem is None
        if problem is not None:
            numbers = group.numbers if tells_all else group.numbers[:1]
            rejected += [RejectedLine(n, problem, parsed.original_line(n)) for n in numbers]
    rejected.sort(key=lambda line: line.line_number)
    tables = tuple(d.plan() for d in drafts.values() if d.groups)
    return WritePlan(tables, tuple(rejected))


class _Draft:
    """A table's plan in the making."""

    def __init__(self, name: str, base: TableSchema | None, room: Room) -> None:
        self.name = name
        self.base = base
        self.room = room
        self.types = {c.name: c.type for c in base.columns} if base else {}
        self.added: list[Column] = []
        self.groups: list[Group] = []

    def take(self, group: Group) -> str | None:
        """Accept ``group``, or return why not."""
        if self.base is not None and self.base.is_deleted:
            return f"cannot write to soft-deleted table '{self.name}' - it is marked for deletion"
        wanted = [*((tag, ColumnType.TAG) for tag in group.tags), *group.fields]
        if self.groups and group.tags == self.groups[-1].tags and group.fields == self.groups[-1].fields:
            self.groups.append(group)
            return None
        new: dict[str, ColumnType] = {}
        for name, kind in wanted:
            known = self.types.get(name) or new.get(name)
            if known is None and name in RESERVED:
                return f"'{name}' is a reserved column"
            if known is not None and known is not kind:
                return f"invalid column type for column '{name}', expected {known.value}, got {kind.value}"
            if known is None:
                new[name] = kind
        if TIME_COLUMN not in self.types:
            new[TIME_COLUMN] = ColumnType.TIME
        if new and (problem := self.room.refuses_columns(len(self.types) + len(new) - 1)):  # the time does not count
            return problem
        self.types.update(new)
        self.added += [Column(name, kind) for name, kind in new.items()]
        self.groups.append(group)
        return None

    def plan(self) -> TablePlan:
        return TablePlan(self.name, self.base, tuple(self.added), tuple(self.groups))


def encode(table: TablePlan, schema: TableSchema) -> tuple[Encoding, bytes]:
    """Return the rows of ``table`` for the log, with the columns of ``schema``.

    A few rows that were read as plain values go there as they are; to make columns of them takes ten times as long.
    """
    groups = [group for group in table.groups if isinstance(group, ValueGroup)]
    if len(groups) == len(table.groups) and table.row_count <= MOST_VALUE_ROWS:
        return encode_values(_values(groups, schema))
    return encode_rows(assemble(table.groups, schema))


def _values(groups: Sequence[ValueGroup], schema: TableSchema) -> Sequence[Sequence[object]]:
    """Return the values of each column, the rows in the order of their lines."""
    parts = [_group_values(group, schema) for group in groups]
    if len(parts) == 1:
        return parts[0]
    numbers = [number for group in groups for number in group.numbers]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    columns = [list(itertools.chain.from_iterable(column)) for column in zip(*parts, strict=True)]
    return [[column[i] for i in order] for column in columns]


def _group_values(group: ValueGroup, schema: TableSchema) -> list[Sequence[object]]:
    values = group.values()
    nulls = (None,) * group.row_count
    return [values.get(column.name, nulls) for column in schema.columns]


def assemble(groups: Sequence[Group], schema: TableSchema) -> pa.RecordBatch:
    """Return the rows of ``groups`` in the order of their lines, with all columns of ``schema``."""
    arrow = storage_schema(schema)
    if len(groups) == 1:
        return _group_batch(groups[0].columns, arrow)
    parts = [group.columns for group in groups]
    table = pa.Table.from_batches([_group_batch(g, arrow) for g in parts], schema=arrow).unify_dictionaries()
    lines = np.concatenate([g.lines for g in parts])
    if (lines[1:] < lines[:-1]).any():
        table = table.take(pa.array(np.argsort(lines, kind="stable")))
    (batch,) = table.combine_chunks().to_batches()
    return batch


def _group_batch(group: LineGroup, arrow: pa.Schema) -> pa.RecordBatch:
    columns = dict(zip(group.tags, group.tag_columns, strict=True))
    columns.update(zip((name for name, _ in group.fields), group.field_columns, strict=True))
    columns[TIME_COLUMN] = group.time
    arrays = [columns[f.name] if f.name in columns else pa.nulls(len(group.lines), type=f.type) for f in arrow]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)
