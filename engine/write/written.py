"""What a run wrote, lines and columns, as one body: in the order of its calls."""

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from engine.columns.types import ARROW
from engine.host.arrow_message import decode_columns
from engine.host.protocol import ArrowRows, Written
from engine.lineprotocol.body import parse_body
from engine.lineprotocol.groups import Group, LineGroup, ParsedBody, RejectedLine, RowCollector
from engine.lineprotocol.lines import Line
from engine.model.precision import Precision
from engine.model.schema import TIME_COLUMN, ColumnType


def parse_written(parts: Sequence[Written], now_ns: int) -> ParsedBody:
    """Return the rows of ``parts``, numbered through; times in lines are nanoseconds.

    Raises:
        InvalidRequest: columns are not what ``ArrowRows`` says.
    """
    joined: list[Written] = []
    for is_text, group in itertools.groupby(parts, key=lambda part: isinstance(part, str)):
        members = list(group)
        joined += ["\n".join(map(str, members))] if is_text else members
    if len(joined) == 1 and isinstance(joined[0], str):
        return parse_body(joined[0].encode(), Precision.NANOSECOND, now_ns)
    return _numbered_through([_parsed(part, now_ns) for part in joined])


def gathered(lines: Sequence[Line], now_ns: int) -> ParsedBody:
    """Return lines that somebody made as values, as if they had been parsed; times are nanoseconds."""
    collector = RowCollector()
    for number, line in enumerate(lines, start=1):
        collector.add(number, line, now_ns if line.timestamp is None else line.timestamp)
    return ParsedBody(collector.groups(), [], len(lines), lambda number: f"{lines[number - 1].table} (row {number})")


def _parsed(part: Written, now_ns: int) -> ParsedBody:
    if isinstance(part, str):
        return parse_body(part.encode(), Precision.NANOSECOND, now_ns)
    return ParsedBody([_group(part, now_ns)], [], part.row_count, lambda number: f"{part.table} (row {number})")


def _numbered_through(bodies: Sequence[ParsedBody]) -> ParsedBody:
    groups: list[Group] = []
    rejected: list[RejectedLine] = []
    starts = [0]
    for body in bodies:
        start = starts[-1]
        groups += [group.shifted(start) for group in body.groups]
        rejected += [RejectedLine(r.line_number + start, r.message, r.original_line) for r in body.rejected]
        starts.append(start + body.line_count)

    def original_line(number: int) -> str:
        place = next(i for i in range(len(bodies)) if number <= starts[i + 1])
        return bodies[place].original_line(number - starts[place])

    return ParsedBody(groups, rejected, starts[-1], original_line)


def _group(rows: ArrowRows, now_ns: int) -> LineGroup:
    kinds, batch = decode_columns(rows)
    tags = tuple(name for name, kind in kinds.items() if kind is ColumnType.TAG)
    fields = tuple((n, kind) for n, kind in kinds.items() if kind not in (ColumnType.TAG, ColumnType.TIME))
    has_time = TIME_COLUMN in kinds
    return LineGroup(
        rows.table,
        tags,
        fields,
        tuple(batch.column(name) for name in tags),
        tuple(batch.column(name) for name, _ in fields),
        batch.column(TIME_COLUMN) if has_time else pa.repeat(pa.scalar(now_ns, ARROW[ColumnType.TIME]), len(batch)),
        np.arange(1, len(batch) + 1, dtype=np.int64),
    )
