"""Many small bodies as one: parsed by themselves, held against the tables together."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import LineProtocolError
from engine.lineprotocol.groups import ParsedBody, RowCollector
from engine.lineprotocol.lines import Line, parse_line, split_lines
from engine.lineprotocol.timestamps import ingest_time, to_ns
from engine.model.precision import Precision
from engine.model.schema import TableSchema
from engine.write.ceilings import ANY_ROOM, Room
from engine.write.validator import WritePlan, plan_write


class TimedLine(NamedTuple):
    """A good line, and its time in ns."""

    line: Line
    time_ns: int


Rows = Sequence[TimedLine]
"""The lines of one body, all of them good."""


@dataclass(frozen=True, slots=True)
class Together:
    """What bodies come to that are written together: ``plan`` holds the rows of those whose numbers are in ``taken``.

    The others have to be looked at one by one: a line of theirs does not fit its table, or another body.
    """

    plan: WritePlan
    taken: Sequence[int]


def parse_rows(body: str, precision: Precision, now_ns: int) -> Rows | None:
    """Return the lines of ``body``, ``None`` if one of them does not parse or there is none.

    Lines without timestamp get ``now_ns``, cut down to ``precision``.
    """
    rows = []
    try:
        for raw in split_lines(body):
            line = parse_line(raw)
            stated = line.timestamp
            time_ns = ingest_time(now_ns, precision) if stated is None else to_ns(stated, precision)
            rows.append(TimedLine(line, time_ns))
    except LineProtocolError:
        return None
    return rows or None


def plan_together(bodies: Sequence[Rows], find: Callable[[str], TableSchema | None], room: Room = ANY_ROOM) -> Together:
    """Hold ``bodies`` against the tables that ``find`` knows, as one write in their order; see ``plan_write``.

    A body with a line that does not fit is left out whole, and what is left is looked at again, for a column has the type
    of its first appearance – which may have been in a body that does not count.
    """
    taken = list(range(len(bodies)))
    while taken:
        plan, bad = _plan([bodies[i] for i in taken], find, room)
        if not bad:
            return Together(plan, taken)
        taken = [body for place, body in enumerate(taken) if place not in bad]
    return Together(WritePlan((), ()), ())


def _plan(bodies: Sequence[Rows], find: Callable[[str], TableSchema | None], room: Room) -> tuple[WritePlan, set[int]]:
    """Return the plan, and the places of bodies with lines that do not fit."""
    collector = RowCollector()
    ends = []
    number = 0
    for rows in bodies:
        for line, time_ns in rows:
            number += 1
            collector.add(number, line, time_ns)
        ends.append(number)
    plan = plan_write(ParsedBody(collector.groups(), [], number, _untold), find, room=room)
    return plan, {bisect_left(ends, rejected.line_number) for rejected in plan.rejected}


def _untold(number: int) -> str:
    """Stand for the text of a line that nobody is told of from here."""
    return ""
