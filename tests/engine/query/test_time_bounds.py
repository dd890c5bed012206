import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.query import time_bounds
from engine.query.time_bounds import TimeRange, batches_within, blocks_of, time_range

S = 10**9
NINE = 1_700_038_800 * S
"""2023-11-15T09:00:00Z"""
LEAST, MOST = TimeRange().first_ns, TimeRange().last_ns


@pytest.mark.parametrize(
    ("where", "first", "last"),
    [
        pytest.param("time >= '2023-11-15T09:00:00Z'", NINE, MOST, id="from"),
        pytest.param("time > '2023-11-15T09:00:00'", NINE + 1, MOST, id="after, without zone"),
        pytest.param("time < '2023-11-15 09:00:00.000000005'", LEAST, NINE + 4, id="before, with a fraction"),
        pytest.param("time <= TIMESTAMP '2023-11-15'", None, None, id="typed texts are left to the planner"),
        pytest.param("time <= '2023-11-15'", LEAST, NINE - 9 * 3600 * S, id="until a day"),
        pytest.param("TIME = '2023-11-15T09:00:00Z'", NINE, NINE, id="at"),
        pytest.param("'2023-11-15T09:00:00Z' <= \"time\"", NINE, MOST, id="the other way round"),
        pytest.param("'2023-11-15T09:00:00Z' > time", LEAST, NINE - 1, id="the other way round, before"),
        pytest.param(
            "time >= '2023-11-15T09:00:00Z' AND (host = 'a' OR host = 'b') AND time < '2023-11-15T09:00:01Z'",
            NINE,
            NINE + S - 1,
            id="brackets are not looked into",
        ),
        pytest.param(
            "time > '2023-11-15T09:00:00Z' AND time > '2023-11-15T08:00:00Z' LIMIT 1", NINE + 1, MOST, id="the narrower"
        ),
        pytest.param("time >= '2023-11-15T09:00:00Z' GROUP BY a HAVING b OR c", None, None, id="OR anywhere outside"),
        pytest.param("time >= '2023-11-15T09:00:00Z' ORDER BY x AND time < '2023-11-15'", NINE, MOST, id="ORDER BY"),
        pytest.param("time >= '2023-11-15T09:00:00Z' OR true", None, None, id="OR"),
        pytest.param("NOT time >= '2023-11-15T09:00:00Z'", None, None, id="NOT"),
        pytest.param("NOT (time >= '2023-11-15T09:00:00Z' AND a)", None, None, id="NOT of brackets"),
        pytest.param("(time >= '2023-11-15T09:00:00Z') IS NULL", None, None, id="a comparison of comparisons"),
        pytest.param("a = time >= '2023-11-15T09:00:00Z'", None, None, id="three sides"),
        pytest.param("a BETWEEN b AND time >= '2023-11-15T09:00:00Z'", None, None, id="BETWEEN"),
        pytest.param("time >= '2023-11-15T09:00:00Z' + INTERVAL '1 hour'", None, None, id="a sum"),
        pytest.param("time != '2023-11-15T09:00:00Z'", None, None, id="not equal"),
        pytest.param("x.time >= '2023-11-15T09:00:00Z'", None, None, id="qualified"),
        pytest.param("\"TIME\" >= '2023-11-15T09:00:00Z'", None, None, id="another column"),
        pytest.param("time >= '2023-11-15T09:00:00+01:00'", None, None, id="a zone"),
        pytest.param("time >= '2023-13-15T09:00:00Z'", None, None, id="no such day"),
        pytest.param("time >= '9999-01-01T00:00:00Z'", None, None, id="past all times"),
        pytest.param("time >= $from", None, None, id="a parameter"),
        pytest.param("time >= now() - INTERVAL '1 hour'", None, None, id="now"),
        pytest.param("time > '2023-11-15' AND a IN (SELECT a FROM cpu)", None, None, id="a subquery"),
        pytest.param("time > '2023-11-15' AND a IN (FROM cpu)", None, None, id="a subquery without SELECT"),
        pytest.param("time > '2023-11-15' AND a IN (TABLE cpu)", None, None, id="a table in brackets"),
        pytest.param("time > '2023-11-15' UNION SELECT 1", None, None, id="UNION"),
    ],
)
def test_the_where_of_one_table_bounds_its_times(where: str, first: int | None, last: int | None) -> None:
    expected = None if first is None or last is None else TimeRange(first, last)
    assert time_range(f"SELECT * FROM cpu WHERE {where}") == expected


SINCE = "WHERE time >= '2023-11-15T09:00:00Z'"


@pytest.mark.parametrize(
    ("sql", "is_read"),
    [
        pytest.param(f'select f(a, \'OR\') /* OR */ FROM "iox"."cpu" AS c {SINCE}', True, id="alias"),
        pytest.param(f"SELECT count(*) FILTER (WHERE a) FROM cpu {SINCE}", True, id="another WHERE in brackets"),
        pytest.param("SELECT time FROM cpu", False, id="no WHERE"),
        pytest.param(f"SELECT * FROM a, b {SINCE}", False, id="two tables"),
        pytest.param(f"SELECT * FROM a JOIN b ON true {SINCE}", False, id="a join"),
        pytest.param(f"SELECT * FROM a JOIN (SELECT * FROM cpu {SINCE}) ON true", False, id="within a join"),
        pytest.param(f"SELECT * FROM cpu AS c(time, host) {SINCE}", False, id="renamed columns"),
        pytest.param(f"SELECT * FROM last_cache('a') {SINCE}", False, id="a function"),
        pytest.param(f"WITH a AS (SELECT 1) SELECT * FROM a {SINCE}", False, id="WITH"),
        pytest.param(f"EXPLAIN SELECT * FROM cpu {SINCE}", False, id="EXPLAIN"),
        pytest.param(f"SELECT CASE WHEN a THEN b END FROM cpu {SINCE}", False, id="CASE"),
        pytest.param(f"SELECT '{'x' * 1000}' FROM cpu {SINCE}", False, id="long"),
        pytest.param("", False, id="nothing"),
        pytest.param(f"SELECT 1 {SINCE} FROM cpu", False, id="out of order"),
        pytest.param("SELECT time FROM cpu WHERE", False, id="an empty WHERE"),
    ],
)
def test_other_statements_are_not_read(sql: str, is_read: bool) -> None:
    assert time_range(sql) == (TimeRange(NINE, MOST) if is_read else None)


def _batch(times: list[int]) -> pa.RecordBatch:
    return pa.record_batch({"n": range(len(times)), "time": pa.array(times, pa.timestamp("ns"))})


@given(
    batches=st.lists(st.lists(st.integers(-5, 40), max_size=5 * 4), max_size=4),
    first=st.integers(-10, 50),
    length=st.integers(-5, 50),
)
def test_no_row_of_the_times_is_left_out(batches: list[list[int]], first: int, length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_bounds, "BLOCK_ROWS", 4)
        made, wanted = [_batch(times) for times in batches], TimeRange(first, first + length)
        found = batches_within(made, [blocks_of(batch) for batch in made], wanted)
    assert _inside(made if found is None else found, wanted) == _inside(made, wanted)


def _inside(batches: list[pa.RecordBatch], wanted: TimeRange) -> list[int]:
    times = [time.value for batch in batches for time in batch["time"]]
    return [time for time in times if wanted.first_ns <= time <= wanted.last_ns]


def test_blocks_of_other_times_are_left_out_and_neighbours_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_bounds, "BLOCK_ROWS", 2)
    batch = _batch([1, 9, 3, 4, 5, 5, 1, 1, 4, 4, 1, 1, 1])
    found = batches_within(
        [batch, batch.slice(6, 2)], [blocks_of(batch), blocks_of(batch.slice(6, 2))], TimeRange(4, 4)
    )
    assert found is not None
    assert [part["n"].to_pylist() for part in found] == [[0, 1, 2, 3], [8, 9]]
    assert batches_within([batch], [blocks_of(batch)], TimeRange(1, 9)) is None
