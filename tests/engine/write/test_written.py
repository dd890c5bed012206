import pyarrow as pa
import pytest

from engine.columns.types import TAG_TYPE
from engine.errors import InvalidRequest
from engine.host.arrow_message import encode_columns
from engine.host.protocol import ArrowRows, Written
from engine.write.validator import assemble, plan_write
from engine.write.written import parse_written
from tests.support.batches import rows_of, table_schema

NOW = 99


def columns(table: str, hosts: list[str | None], values: list[float | None], times: list[int] | None) -> ArrowRows:
    made = {"host": pa.array(hosts).cast(TAG_TYPE), "v": pa.array(values, pa.float64())}
    if times is not None:
        made["time"] = pa.array(times, pa.timestamp("ns"))
    return encode_columns(table, pa.RecordBatch.from_pydict(made))


def test_lines_and_columns_stay_in_the_order_of_the_calls() -> None:
    parts: list[Written] = [
        "m v=1 1",
        "m v=2 2\nother v=1 1",
        columns("m", ["a", None], [3, 4], [3, 4]),
        "m v=5 5",
        columns("m", ["b"], [6], None),
    ]
    parsed = parse_written(parts, NOW)
    assert parsed.line_count == 7
    plan = plan_write(parsed, lambda name: None)
    assert not plan.rejected
    (table, other) = plan.tables
    assert (table.name, table.row_count, other.row_count) == ("m", 6, 1)
    schema = table_schema({column.name: column.type.short for column in table.added})
    assert rows_of(assemble(table.groups, schema)) == [
        {"v": 1.0, "time": 1},
        {"v": 2.0, "time": 2},
        {"host": "a", "v": 3.0, "time": 3},
        {"v": 4.0, "time": 4},
        {"v": 5.0, "time": 5},
        {"host": "b", "v": 6.0, "time": NOW},
    ]


def test_refusal_says_which_part_it_means() -> None:
    parts: list[Written] = ["m v=1 1\n\nm v= 1", columns("m", ["a", "b"], [1, 2], [1, 2]), "m v=1i 5\nm x"]
    parsed = parse_written(parts, NOW)
    assert [r.line_number for r in parsed.rejected] == [2, 6]
    assert [parsed.original_line(n) for n in range(1, 7)] == [
        "m v=1 1",
        "m v= 1",
        "m (row 1)",
        "m (row 2)",
        "m v=1i 5",
        "m x",
    ]
    base = table_schema({"host": "tag", "v": "integer", "time": "time"}, name="m")
    plan = plan_write(parsed, lambda name: base, tells_all=False)
    assert [r.line_number for r in plan.rejected] == [1, 2, 3, 6]
    assert len(plan_write(parsed, lambda name: base).rejected) == 5


def test_columns_that_are_not_as_announced_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="columns for table 'm' cannot be read"):
        parse_written([ArrowRows("m", 1, b"x")], NOW)
