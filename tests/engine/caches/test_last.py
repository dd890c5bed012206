from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caches.last import LastConfig, LastRows
from engine.columns.types import storage_schema
from engine.model.caches import LastCache
from engine.model.schema import Column, ColumnType, TableSchema
from tests.support.caches import LastModel, Row

TABLE = TableSchema(
    1,
    2,
    "m",
    (
        Column("host", ColumnType.TAG),
        Column("f", ColumnType.FLOAT),
        Column("time", ColumnType.TIME),
        Column("text", ColumnType.STRING),
        Column("number", ColumnType.INTEGER),
        Column("room", ColumnType.TAG),
        Column("on", ColumnType.BOOLEAN),
        Column("count", ColumnType.UINTEGER),
    ),
)
S = 10**9


def batch_of(rows: list[Row], version: int = TABLE.version) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=storage_schema(TABLE.at(version)))


def content(cache: LastCache, most_rows: int = 10**6) -> LastRows:
    return LastRows(cache, TABLE, LastConfig(most_rows, lambda rows: None))


def add(rows: LastRows, added: list[Row], came_ns: int, version: int = TABLE.version) -> None:
    rows.add(batch_of(added, version), np.full(len(added), came_ns, dtype=np.int64))


def by_key(rows: LastRows, now_ns: int) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    table = rows.read(now_ns, TABLE)
    width = len(rows.definition.key_columns)
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        found.setdefault(row[:width], []).append(row[width:])
    return found


def value_names(cache: LastCache) -> list[str]:
    if cache.value_columns is None:
        return sorted(c.name for c in TABLE.columns if c.name not in cache.key_columns)
    return [*cache.value_columns, "time"]


ROWS = st.fixed_dictionaries(
    {"time": st.integers(-5, 12)},
    optional={
        "host": st.sampled_from(["a", "b", "ü", ""]),
        "room": st.sampled_from(["1", "2"]),
        "f": st.floats(0, 9),
        "text": st.sampled_from(["x", "y" * 20]),
        "number": st.integers(-2, 2),
        "on": st.booleans(),
        "count": st.integers(2**64 - 2, 2**64 - 1),
    },
)
CACHES = st.builds(
    LastCache,
    st.just(1),
    st.just("m"),
    st.just("c"),
    st.sampled_from([("host",), ("room", "host"), ("number", "on", "text"), ("count",), ()]),
    st.sampled_from([None, ("f",), ()]),
    st.integers(1, 4),
    st.integers(1, 6),
)


@settings(max_examples=150, deadline=None)
@given(cache=CACHES, data=st.data())
def test_content_is_that_of_a_loop_over_rows(cache: LastCache, data: st.DataObject) -> None:
    rows, model, now_ns = content(cache), LastModel(cache), 1000 * S
    for _ in range(data.draw(st.integers(1, 6))):
        now_ns += data.draw(st.integers(0, 4)) * S
        version = data.draw(st.sampled_from([3, 5, TABLE.version]))
        names = {c.name for c in TABLE.columns[:version]}
        added = [{k: v for k, v in row.items() if k in names} for row in data.draw(st.lists(ROWS, max_size=12))]
        add(rows, added, now_ns, version)
        model.add(added, now_ns)
        match data.draw(st.integers(0, 3)):
            case 0:
                rows.evict(now_ns)
            case 1:
                dumped, came = rows.dump(now_ns, TABLE)
                rows = content(cache)
                for batch in dumped.to_batches():
                    rows.add(batch, came)
            case 2:
                assert by_key(rows, now_ns) == model.read(now_ns, value_names(cache))
    assert by_key(rows, now_ns) == model.read(now_ns, value_names(cache))


def test_rows_of_a_key_stand_newest_first_and_columns_in_the_order_asked_for() -> None:
    rows = content(LastCache(1, "m", "c", ("room", "host"), ("text", "f"), 2))
    add(rows, [{"host": "a", "room": "1", "f": float(t), "time": t} for t in (1, 2, 3)], S)
    table = rows.read(S, TABLE)
    assert table.schema.names == ["room", "host", "text", "f", "time"]
    assert table.column("f").to_pylist() == [3.0, 2.0]
    assert table.schema.field("room").type == pa.string()


def test_an_empty_content_has_all_columns() -> None:
    table = content(LastCache(1, "m", "c", ("host",))).read(S, TABLE)
    assert table.schema.names == ["host", "count", "f", "number", "on", "room", "text", "time"]
    assert table.num_rows == 0


def test_many_keys_in_many_batches() -> None:
    rows = content(LastCache(1, "m", "c", ("host", "room")))
    for number in range(40):
        added = [
            {"host": f"h{n}", "room": str(n % 7), "f": float(number), "time": number} for n in range(number, 1000, 3)
        ]
        add(rows, added, number * S)
    found = by_key(rows, 40 * S)
    assert len(found) == 1000
    for n in range(1000):
        last = max(number for number in range(40) if number <= n and (n - number) % 3 == 0)
        assert found[f"h{n}", str(n % 7)][0][1] == float(last)


def test_above_its_limit_what_came_first_goes() -> None:
    told: list[int] = []
    rows = LastRows(LastCache(1, "m", "c", ("host",)), TABLE, LastConfig(100, told.append))
    for number in range(150):
        add(rows, [{"host": f"h{number}", "time": 1}], number * S)
    assert {key[0] for key in by_key(rows, 150 * S)} == {f"h{n}" for n in range(60, 150)}
    assert told == [60]


def test_what_was_pushed_out_does_not_stay_in_memory() -> None:
    rows = content(LastCache(1, "m", "c", ("host",)))
    added = [{"host": f"h{n % 50}", "text": "x" * 100, "time": n} for n in range(5000)]
    for number in range(50):
        add(rows, [{**row, "time": row["time"] + 5000 * number} for row in added], S)
    assert rows.row_count == 50
    assert rows.size_bytes < 3_000_000


@pytest.mark.parametrize(
    ("count", "expected"), [pytest.param(1, [3.0], id="fewer"), pytest.param(3, [3.0, 2.0], id="more-from-now-on")]
)
def test_another_count_or_ttl_is_taken_over(count: int, expected: list[float]) -> None:
    cache = LastCache(1, "m", "c", ("host",), ("f",), 2, 100)
    rows = content(cache)
    add(rows, [{"host": "a", "f": float(t), "time": t} for t in (1, 2, 3)], S)
    rows = rows.adopt(replace(cache, count=count))
    assert [row[0] for row in by_key(rows, S)[("a",)]] == expected
    add(rows, [{"host": "a", "f": 4.0, "time": 4}], 2 * S)
    assert [row[0] for row in by_key(rows, S)[("a",)]] == [4.0, *expected][:count]
    assert by_key(rows.adopt(replace(cache, count=count, ttl_s=5)), 7 * S) == {}
