from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.merge import merge_rows
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema({"host": "tag", "region": "tag", "a": "float", "b": "string", "time": "time"})
KEYS = ("host", "region", "time")

row = st.fixed_dictionaries(
    {"time": st.integers(0, 3)},
    optional={
        "host": st.sampled_from(["x", "y"]),
        "region": st.sampled_from(["x", ""]),
        "a": st.floats(allow_nan=False),
        "b": st.sampled_from(["one", "two"]),
    },
)


def model_of(batches: list[list[dict[str, Any]]]) -> dict[Any, dict[str, Any]]:
    """What a database of plain dicts would hold after these writes."""
    table: dict[Any, dict[str, Any]] = {}
    for rows in batches:
        for r in rows:
            table.setdefault(tuple(r.get(k) for k in KEYS), {}).update(r)
    return table


@given(st.lists(st.lists(row, max_size=6), min_size=1, max_size=5))
def test_merged_rows_equal_a_dict_of_dicts(batches: list[list[dict[str, Any]]]) -> None:
    merged = merge_rows([batch_of(SCHEMA, rows) for rows in batches], SCHEMA)
    expected = model_of(batches)
    assert {tuple(r.get(k) for k in KEYS): r for r in rows_of(merged)} == expected
    assert merged.num_rows == len(expected)


def test_rows_come_sorted_by_tags_then_time() -> None:
    rows = [{"host": "b", "time": 1}, {"host": "a", "time": 2}, {"host": "a", "time": 1}, {"time": 9}]
    keys = [(r.get("host"), r["time"]) for r in rows_of(merge_rows([batch_of(SCHEMA, rows)], SCHEMA))]
    assert keys == [(None, 9), ("a", 1), ("a", 2), ("b", 1)]


def test_a_later_null_does_not_erase() -> None:
    older, newer = {"host": "a", "time": 1, "a": 1.0, "b": "x"}, {"host": "a", "time": 1, "b": "y"}
    merged = merge_rows([batch_of(SCHEMA, [older]), batch_of(SCHEMA, [newer])], SCHEMA)
    assert rows_of(merged) == [{"host": "a", "time": 1, "a": 1.0, "b": "y"}]


def test_batches_of_an_older_schema_read_null_in_newer_columns() -> None:
    older = batch_of(SCHEMA.at(1).with_columns(SCHEMA.columns[4:]), [{"host": "a", "time": 1}])
    newest = table_schema({"host": "tag", "time": "time", "v": "integer"})
    assert rows_of(merge_rows([older], newest)) == [{"host": "a", "time": 1}]


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_stay_as_they_are(count: int) -> None:
    rows = [{"host": "a", "time": 5, "a": 2.0}][:count]
    assert rows_of(merge_rows([batch_of(SCHEMA, rows)], SCHEMA)) == rows
