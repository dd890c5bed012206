from typing import Any

import pytest

from engine.lineprotocol.body import parse_body
from engine.model.precision import Precision
from engine.model.schema import TableSchema
from engine.write.ceilings import Ceilings, Room, tells_ceiling
from engine.write.validator import plan_write
from tests.support.batches import table_schema

KNOWN = table_schema({"host": "tag", "f": "float", "time": "time"}, name="known")
EXCEEDS = "Update to schema would exceed number of "
TABLES = EXCEEDS + "tables limit: attempted to create table but already have {} table(s) (limit: {})"
COLUMNS = EXCEEDS + "columns per table limit of {} columns"


def refused(body: str, ceilings: Ceilings, known: TableSchema = KNOWN) -> Any:
    parsed = parse_body(body.encode(), Precision.NANOSECOND, 5)
    plan = plan_write(parsed, {known.name: known}.get, room=Room(ceilings, lambda: 1))
    return [(line.line_number, line.message) for line in plan.rejected]


@pytest.mark.parametrize(
    ("body", "ceilings", "told"),
    [
        pytest.param("a f=1\nb f=1\nc f=1", Ceilings(), [], id="none"),
        pytest.param("known f=1\na f=1", Ceilings(tables=1), [(2, TABLES.format(1, 1))], id="a table too many"),
        pytest.param(
            "a f=1\nb f=1\na f=2\nb f=2\na g=1\nc f=1",
            Ceilings(tables=2),
            [(2, TABLES.format(2, 2)), (4, TABLES.format(2, 2)), (6, TABLES.format(2, 2))],
            id="tables of the same body count",
        ),
        pytest.param(
            "a time=1\nb f=1",
            Ceilings(tables=2),
            [(1, "'time' is a reserved column")],
            id="a refused table does not count",
        ),
        pytest.param("known f=1,g=2", Ceilings(columns=2), [(1, COLUMNS.format(2))], id="a column too many"),
        pytest.param("known f=1,g=2", Ceilings(columns=3), [], id="the time is no column"),
        pytest.param("known f=1 1\nknown f=2 2", Ceilings(columns=1), [], id="what is there stays in use"),
        pytest.param("a,b=1 c=1\na d=1\na c=1", Ceilings(columns=2), [(2, COLUMNS.format(2))], id="a new table"),
        pytest.param("a b=1,c=1,d=1\na b=1", Ceilings(columns=2), [(1, COLUMNS.format(2))], id="a new table, too wide"),
    ],
)
def test_lines_beyond_a_ceiling_are_refused(body: str, ceilings: Ceilings, told: list[tuple[int, str]]) -> None:
    assert refused(body, ceilings) == told
    assert all(tells_ceiling(message) for _, message in told if "reserved" not in message)


def test_tables_are_counted_only_when_one_is_made() -> None:
    def count() -> int:
        raise AssertionError("nobody makes a table")

    assert Room(Ceilings(columns=5), count).refuses_table() is None
    parsed = parse_body(b"known f=1", Precision.NANOSECOND, 5)
    assert plan_write(parsed, {"known": KNOWN}.get, room=Room(Ceilings(tables=1), count)).rejected == ()
