import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caches.distinct import DistinctValues
from engine.columns.types import storage_schema
from engine.model.caches import DistinctCache
from engine.model.schema import Column, ColumnType, TableSchema
from tests.support.caches import DistinctModel, Row

TABLE = TableSchema(
    1,
    2,
    "m",
    (
        Column("host", ColumnType.TAG),
        Column("time", ColumnType.TIME),
        Column("text", ColumnType.STRING),
        Column("room", ColumnType.TAG),
    ),
)
S = 10**9


def add(values: DistinctValues, rows: list[Row], version: int = TABLE.version) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=storage_schema(TABLE.at(version)))
    values.add(batch, np.zeros(len(rows), dtype=np.int64))


def found(values: DistinctValues, now_ns: int) -> list[tuple[str | None, ...]]:
    table = values.read(now_ns, TABLE)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


ROWS = st.fixed_dictionaries(
    {"time": st.integers(900, 1010).map(lambda s: s * S)},
    optional={
        "host": st.sampled_from(["a", "b", "ü", ""]),
        "room": st.sampled_from(["1", "2"]),
        "text": st.sampled_from(["x", "y" * 20]),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([("host",), ("room", "host"), ("text", "host", "room")]), st.data())
def test_content_is_that_of_a_loop_over_rows(columns: tuple[str, ...], data: st.DataObject) -> None:
    cache = DistinctCache(1, "m", "c", columns, max_age_s=30)
    values, model, now_ns = DistinctValues(cache), DistinctModel(cache), 950 * S
    for _ in range(data.draw(st.integers(1, 6))):
        now_ns += data.draw(st.integers(0, 20)) * S
        version = data.draw(st.sampled_from([2, TABLE.version]))
        names = {c.name for c in TABLE.columns[:version]}
        added = [{k: v for k, v in row.items() if k in names} for row in data.draw(st.lists(ROWS, max_size=12))]
        add(values, added, version)
        model.add(added)
        match data.draw(st.integers(0, 3)):
            case 0:
                values.evict(now_ns)
            case 1:
                dumped, came = values.dump(now_ns, TABLE)
                values = DistinctValues(cache)
                for batch in dumped.to_batches():
                    values.add(batch, came)
            case 2:
                assert found(values, now_ns) == model.read(now_ns)
    assert found(values, now_ns) == model.read(now_ns)


def test_above_the_limit_those_of_the_oldest_rows_go() -> None:
    values = DistinctValues(DistinctCache(1, "m", "c", ("host",), max_cardinality=10, max_age_s=10**6))
    add(values, [{"host": f"h{n:05}", "time": n} for n in range(5000)])
    assert [host for (host,) in found(values, S)] == [f"h{n:05}" for n in range(4990, 5000)]
    assert values.row_count == 10
    add(values, [{"host": f"g{n:05}", "time": 10_000 + n} for n in range(5)])
    expected = [f"g{n:05}" for n in range(5)] + [f"h{n:05}" for n in range(4995, 5000)]
    assert [host for (host,) in found(values, S)] == expected
    values.evict(S)
    assert values.row_count == 10
