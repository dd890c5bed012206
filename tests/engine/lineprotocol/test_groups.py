import numpy as np
import pyarrow as pa
import pytest

from engine.columns.types import ARROW, TAG_TYPE
from engine.lineprotocol.groups import RowCollector, excerpt, merge_groups
from engine.lineprotocol.lines import parse_line
from engine.model.schema import ColumnType


def collect(*numbered):
    collector = RowCollector()
    for number, line in numbered:
        collector.add(number, parse_line(line), number * 10)
    return collector.groups()


def test_lines_of_one_shape_are_one_group_in_the_order_of_first_lines():
    groups = collect((1, "a f=1"), (2, "b f=1"), (3, "a f=2"), (4, "a f=1i"), (5, "a,t=x f=1"), (6, "a g=1"))
    assert [(group.table, group.tags, group.fields, group.numbers) for group in groups] == [
        ("a", (), (("f", ColumnType.FLOAT),), [1, 3]),
        ("b", (), (("f", ColumnType.FLOAT),), [2]),
        ("a", (), (("f", ColumnType.INTEGER),), [4]),
        ("a", ("t",), (("f", ColumnType.FLOAT),), [5]),
        ("a", (), (("g", ColumnType.FLOAT),), [6]),
    ]


def test_columns_have_the_types_of_the_engine():
    (rows,) = collect((1, 'm,t=x a=1,b=1i,c=18446744073709551615u,d=t,e="x"'))
    group = rows.columns
    assert [column.type for column in group.tag_columns] == [TAG_TYPE]
    assert [column.type for column in group.field_columns] == [ARROW[kind] for _, kind in group.fields]
    assert [column[0].as_py() for column in group.field_columns] == [1.0, 1, 2**64 - 1, True, "x"]
    assert group.time.type == ARROW[ColumnType.TIME]
    assert group.time.cast(pa.int64()).to_pylist() == [10]
    assert group.lines.dtype == np.int64


def test_groups_of_one_shape_are_merged_in_the_order_of_their_lines():
    first = collect((2, "m,t=b f=2"), (5, "m,t=e f=5"))
    second = collect((1, "x f=1"), (3, "m,t=c f=3"), (9, "m,t=b f=9"))
    merged = merge_groups([group.columns for group in (*first, *second)])
    assert [(group.table, group.lines.tolist()) for group in merged] == [("x", [1]), ("m", [2, 3, 5, 9])]
    assert merged[1].tag_columns[0].type == TAG_TYPE
    assert merged[1].tag_columns[0].to_pylist() == ["b", "c", "e", "b"]
    assert merged[1].field_columns[0].to_pylist() == [2.0, 3.0, 5.0, 9.0]
    assert merged[1].time.cast(pa.int64()).to_pylist() == [20, 30, 50, 90]


def test_a_group_keeps_only_the_lines_that_are_selected():
    (group,) = collect((1, "m,t=a f=1"), (2, "m,t=b f=2"), (4, "m,t=c f=4"))
    selected = group.columns.select(np.array([True, False, True]))
    assert selected.lines.tolist() == [1, 4]
    assert selected.tag_columns[0].to_pylist() == ["a", "c"]
    assert selected.field_columns[0].to_pylist() == [1.0, 4.0]
    assert selected.time.cast(pa.int64()).to_pylist() == [10, 40]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param("short", "short", id="whole"),
        pytest.param("cpu,host=server01 usage=1", "cpu,host=server01 us", id="cut"),
        pytest.param("é" * 20, "é" * 10, id="bytes-are-counted"),
        pytest.param("x" + "é" * 20, "x" + "é" * 9, id="cut-back-to-a-whole-character"),
    ],
)
def test_original_line_is_cut_to_twenty_bytes(line, shown):
    assert excerpt(line.encode()) == shown
