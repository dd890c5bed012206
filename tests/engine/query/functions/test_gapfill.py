from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st

from engine.query.functions.gap_bin import MOST_ROWS
from engine.query.functions.gapfill import AGGREGATES
from engine.query.functions.selectors import SELECTORS
from engine.query.functions.statement import planned
from tests.support.web import Web, web

LINES = """\
m,host=a v=1,n=10i 0
m,host=a v=3,n=7i 20
m,host=b v=5,n=1i 10
m,host=a v=9,n=1i 50"""
BIN = "date_bin_gapfill(INTERVAL '10 seconds', time)"
UNTIL_30 = "time >= '1970-01-01T00:00:00Z' AND time < '1970-01-01T00:00:30Z'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("gaps")) as served:
        served.write(LINES, "db=foo&precision=second")
        yield served


def rows(server: Web, sql: str) -> list[list[Any]]:
    """Return the values of the answer; of times the seconds of their minute."""
    answer = server.sql(sql)
    assert answer.status_code == 200, answer.text
    return [[int(v[17:19]) if isinstance(v, str) and "T" in v else v for v in row.values()] for row in answer.json()]


def test_each_bin_of_each_group_has_a_row(server: Web) -> None:
    assert server.rows(
        f"SELECT {BIN} AS t, host, avg(v) AS v, count(v) AS n FROM m WHERE {UNTIL_30} GROUP BY t, host"
    ) == [
        {"t": "1970-01-01T00:00:00", "host": "a", "v": 1.0, "n": 1},
        {"t": "1970-01-01T00:00:10", "host": "a", "n": 0},
        {"t": "1970-01-01T00:00:20", "host": "a", "v": 3.0, "n": 1},
        {"t": "1970-01-01T00:00:00", "host": "b", "n": 0},
        {"t": "1970-01-01T00:00:10", "host": "b", "v": 5.0, "n": 1},
        {"t": "1970-01-01T00:00:20", "host": "b", "n": 0},
    ]


A = "FROM m WHERE host = 'a' AND"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT {BIN} AS t, locf(avg(v)) {A} {UNTIL_30} GROUP BY 1", [[0, 1.0], [10, 1.0], [20, 3.0]]),
        (f"SELECT {BIN} AS t, interpolate(avg(v)) AS i {A} {UNTIL_30} GROUP BY t", [[0, 1.0], [10, 2.0], [20, 3.0]]),
        (f"SELECT {BIN} AS t, interpolate(max(n)) AS i {A} {UNTIL_30} GROUP BY t", [[0, 10], [10, 8], [20, 7]]),
        (
            f"SELECT {BIN} AS time, locf(max(n)) * 2 + count(*) AS i {A} {UNTIL_30} GROUP BY 1",
            [[0, 21], [10, 20], [20, 15]],
        ),
        (f"SELECT {BIN}, coalesce(avg(v), -1) AS i {A} {UNTIL_30} GROUP BY {BIN}", [[0, 1.0], [10, -1.0], [20, 3.0]]),
        (
            f"SELECT {BIN} AS t, locf(selector_last(v, time)['value']) AS l {A} {UNTIL_30} GROUP BY t",
            [[0, 1.0], [10, 1.0], [20, 3.0]],
        ),
        (f"SELECT {BIN} AS t, count(*) AS n {A} {UNTIL_30} GROUP BY t HAVING count(*) = 0", [[10, 0]]),
        (
            f"SELECT {BIN} AS t, count(*) {A} {UNTIL_30} GROUP BY t ORDER BY count(*), t DESC LIMIT 2",
            [[10, 0], [20, 1]],
        ),
        (f"SELECT {BIN} AS t, count(*) {A} {UNTIL_30} GROUP BY t ORDER BY t LIMIT 1 OFFSET 1", [[10, 0]]),
        (f"SELECT {BIN} AS t {A} {UNTIL_30} AND v > 100 GROUP BY t", []),
        (
            f"SELECT x.t FROM (SELECT {BIN} AS t {A} {UNTIL_30} GROUP BY 1) AS x WHERE x.t > '1970-01-01T00:00:05Z'",
            [[10], [20]],
        ),
        (
            f"WITH g AS (SELECT {BIN} AS t, count(*) AS n {A} {UNTIL_30} GROUP BY 1) SELECT sum(n), max(t) FROM g",
            [[2, 20]],
        ),
        (
            f"SELECT {BIN} AS t, sum(count(*)) OVER (ORDER BY {BIN}) AS s {A} {UNTIL_30} GROUP BY 1",
            [[0, 1], [10, 1], [20, 2]],
        ),
        (
            "SELECT date_bin_gapfill(INTERVAL '10 seconds', m.time, TIMESTAMP '1970-01-01T00:00:05') AS t, count(*) AS n "
            f"{A} time > '1970-01-01T00:00:04Z' AND '1970-01-01T00:00:35Z' > m.time GROUP BY t",
            [[55, 0], [5, 0], [15, 1], [25, 0]],
        ),
        (
            f"SELECT {BIN} AS t, v AS value {A} (time BETWEEN '1970-01-01T00:00:10Z' AND '1970-01-01T00:00:30Z' AND v > 0) "
            "GROUP BY t, value",
            [[10, 3.0], [20, 3.0], [30, 3.0]],
        ),
        (
            f"SELECT {BIN} AS t {A} {UNTIL_30} GROUP BY 1 UNION ALL SELECT time AS t FROM m WHERE v = 9 ORDER BY t DESC",
            [[50], [20], [10], [0]],
        ),
    ],
)
def test_gaps_are_filled(server: Web, sql: str, expected: Sequence[Sequence[object]]) -> None:
    assert rows(server, sql) == expected


def test_a_zone_stays(server: Web) -> None:
    text = BIN.replace("time", "tz(time, 'Asia/Tokyo')")
    assert server.rows(f"SELECT {text} AS t, count(*) AS n {A} {UNTIL_30} GROUP BY 1 LIMIT 2") == [
        {"t": "1970-01-01T09:00:00+09:00", "n": 1},
        {"t": "1970-01-01T09:00:10+09:00", "n": 0},
    ]


def test_bounds_may_be_parameters_or_depend_on_now(server: Web) -> None:
    sql = f"SELECT {BIN} AS t, count(*) AS n FROM m WHERE time >= $from AND time < $to GROUP BY t"
    params = {"from": "1970-01-01T00:00:10Z", "to": "1970-01-01T00:00:30Z"}
    answer = server.post("/api/v3/query_sql", json={"db": "foo", "q": sql, "params": params})
    assert [row["n"] for row in answer.json()] == [1, 1]
    assert (
        rows(server, f"SELECT {BIN} FROM m WHERE time >= now() - INTERVAL '1 hour' AND time < now() GROUP BY 1") == []
    )


def test_columns_are_named_by_what_was_asked(server: Web) -> None:
    first = server.rows(
        f"SELECT {BIN}, host, locf(avg(v)), interpolate(avg(v)) FROM m WHERE {UNTIL_30} GROUP BY 1, host"
    )[0]
    names = list(first)
    assert names[0].startswith("date_bin_gapfill(IntervalMonthDayNano(")
    assert names[1:] == ["host", "locf(avg(m.v))", "interpolate(avg(m.v))"]


PLANNING = "Error during planning: "
BOUND = "time bound for gap fill query must evaluate to a scalar"


@pytest.mark.parametrize(
    ("sql", "status", "text"),
    [
        (f"SELECT {BIN} FROM m WHERE time < now() GROUP BY 1", 400, "gap-filling query is missing lower time bound"),
        (f"SELECT {BIN} FROM m WHERE time > now() GROUP BY 1", 400, "gap-filling query is missing upper time bound"),
        (f"SELECT {BIN} FROM m GROUP BY 1", 400, "gap-filling query is missing both upper and lower time bounds"),
        (
            f"SELECT {BIN} FROM m WHERE {UNTIL_30} OR v > 1 GROUP BY 1",
            400,
            "is missing both upper and lower time bounds",
        ),
        (f"SELECT {BIN} FROM m WHERE time > host AND time < now() GROUP BY 1", 400, f"lower {BOUND}"),
        (
            f"SELECT {BIN} FROM m WHERE time > now() AND time < (SELECT max(time) FROM m) GROUP BY 1",
            400,
            f"upper {BOUND}",
        ),
        (f"SELECT {BIN} FROM m WHERE {UNTIL_30}", 400, "date_bin_gapfill may only be used as a GROUP BY expression"),
        (BIN, 400, "date_bin_gapfill may only be used as a GROUP BY expression"),
        ("SELECT locf(v) FROM m", 400, "locf may only be used in the SELECT list of a gap-filling query"),
        (
            "SELECT 1 FROM m WHERE interpolate(v) > 1",
            400,
            "interpolate may only be used in the SELECT list of a gap-filling",
        ),
        (
            f"SELECT 1 FROM m WHERE {UNTIL_30} GROUP BY {BIN}, {BIN.replace('10', '20')}",
            400,
            "specified more than once",
        ),
        (f"SELECT {BIN.replace('10', '20')} FROM m WHERE {UNTIL_30} GROUP BY {BIN}", 400, "specified more than once"),
        (
            f"SELECT 1 FROM m WHERE {UNTIL_30} GROUP BY CAST({BIN} AS DATE)",
            400,
            "must be a top-level expression in the GROUP BY",
        ),
        (
            f"SELECT {BIN.replace('time', 'time + v')} FROM m WHERE {UNTIL_30} GROUP BY 1",
            400,
            "needs a time column or tz(",
        ),
        (f"SELECT {BIN.replace(', time', '')} FROM m WHERE {UNTIL_30} GROUP BY 1", 400, "not 1 arguments"),
        (f"SELECT {BIN}, host FROM m WHERE {UNTIL_30} GROUP BY 1", 400, "must appear in the GROUP BY clause"),
        (f"SELECT {BIN}, nope FROM m WHERE {UNTIL_30} GROUP BY 1", 500, "No field named nope"),
        (
            f"SELECT {BIN}, interpolate(max(host)) FROM m WHERE {UNTIL_30} GROUP BY 1",
            400,
            "Cannot coerce arithmetic expression",
        ),
        (f"SELECT DISTINCT {BIN} FROM m WHERE {UNTIL_30} GROUP BY 1", 405, "SELECT DISTINCT in a gap-filling query"),
        (
            f"SELECT {BIN.replace('10 seconds', '1 us')} FROM m WHERE {UNTIL_30} GROUP BY 1",
            400,
            f"at most {MOST_ROWS} rows",
        ),
        (
            f"SELECT {BIN.replace('10 seconds', '20 us')}, n FROM m WHERE {UNTIL_30} GROUP BY 1, n",
            500,
            f"at most {MOST_ROWS} rows",
        ),
        (f"SELECT {BIN} FROM m WHERE {UNTIL_30} GROUP BY 1, (", 400, ""),
    ],
)
def test_what_cannot_be_filled_is_refused(server: Web, sql: str, status: int, text: str) -> None:
    answer = server.sql(sql)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert PLANNING in answer.text or status != 400 or not text


def test_all_aggregates_of_datafusion_are_known() -> None:
    assert {name.upper() for name in SessionContext().udafs()} == AGGREGATES - SELECTORS


POINTS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(0, 59)), st.none() | st.integers(-9, 9), min_size=1, max_size=12
)


@given(points=POINTS, step=st.integers(1, 20), first=st.integers(0, 30), length=st.integers(0, 30))
def test_fills_are_those_of_a_loop(
    points: dict[tuple[str, int], int | None], step: int, first: int, length: int
) -> None:
    session = SessionContext()
    times = pa.array([time for _, time in points], pa.int64()).cast(pa.timestamp("ns"))
    table = pa.table({"time": times, "host": [host for host, _ in points], "v": pa.array(points.values(), pa.int64())})
    session.from_arrow(table, "m")
    found = planned(
        f"SELECT host, CAST(date_bin_gapfill(INTERVAL '{step} nanoseconds', time) AS BIGINT) AS t, sum(v) AS s, "
        "locf(sum(v)) AS l, interpolate(CAST(sum(v) AS DOUBLE)) AS i, count(*) AS n FROM m "
        f"WHERE time >= to_timestamp({first}) AND time <= to_timestamp({first + length}) "
        f"GROUP BY host, date_bin_gapfill(INTERVAL '{step} nanoseconds', time) ORDER BY host, t",
        {},
        session.sql,
    ).to_arrow_table()
    asked = {key: value for key, value in points.items() if first <= key[1] <= first + length}
    told = [list(row.values()) for row in found.to_pylist()]
    expected = looped(asked, step, first, first + length)
    assert [row[:4] + row[5:] for row in told] == [row[:4] + row[5:] for row in expected]
    assert [row[4] for row in told] == pytest.approx([row[4] for row in expected])


def looped(points: dict[tuple[str, int], int | None], step: int, first: int, last: int) -> list[list[Any]]:
    """Return host, bin, sum, the sum before, the interpolated sum and the count of each bin."""
    made = []
    bins = range(first // step * step, last + 1, step)
    for host in sorted({host for host, _ in points}):
        inside = {b: [v for (h, t), v in points.items() if h == host and t // step * step == b] for b in bins}
        sums = {b: sum(known) for b, values in inside.items() if (known := [v for v in values if v is not None])}
        for b in bins:
            before = max((other for other in sums if other <= b), default=None)
            behind = min((other for other in sums if other >= b), default=None)
            carried = None if before is None else sums[before]
            between: float | None = None
            if before is not None and behind is not None:
                share = 0.0 if before == behind else (b - before) / (behind - before)
                between = sums[before] + (sums[behind] - sums[before]) * share
            made.append([host, b, sums.get(b), carried, between, len(inside[b])])
    return made
