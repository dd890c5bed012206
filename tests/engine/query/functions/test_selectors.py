import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.web import Web, web

LINES = """\
m,host=a v=2,s="x",n=1i 1
m,host=a v=1,s="y",n=2i 2
m,host=b v=1,n=3i 3
m,host=b v=2,s="z" 4
m,host=b n=5i 5
m,host=c n=6i 6"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("selectors")) as served:
        served.write(LINES, "db=foo&precision=second")
        yield served


def time_of(second: int) -> str:
    return f"1970-01-01T00:00:0{second}"


@pytest.mark.parametrize(
    ("call", "selected"),
    [
        ("selector_first(v, time)", {"value": 2.0, "time": time_of(1)}),
        ("selector_last(v, time)", {"value": 2.0, "time": time_of(4)}),
        ("selector_min(v, time)", {"value": 1.0, "time": time_of(2)}),
        ("selector_max(v, time)", {"value": 2.0, "time": time_of(1)}),
        ("SELECTOR_MAX(s, time, host, v)", {"value": "z", "time": time_of(4), "other_1": "b", "other_2": 2.0}),
        ("selector_first(host, time)", {"value": "a", "time": time_of(1)}),
        ("selector_last(v, time, s)", {"value": 2.0, "time": time_of(4), "other_1": "z"}),
        ("selector_min(v, time, s) FILTER (WHERE host = 'b')", {"value": 1.0, "time": time_of(3)}),
        ("selector_max(v = 1 OR v = 2, time)", {"value": True, "time": time_of(1)}),
        ("selector_min(n -- the least )\n, /* ( */ time)", {"value": 1, "time": time_of(1)}),
        ("selector_max(v, time)['value'] + selector_min(v, time)['value']", 3.0),
    ],
)
def test_a_selector_gives_a_row(server: Web, call: str, selected: Any) -> None:
    assert server.rows(f"SELECT {call} AS s FROM m") == [{"s": selected}]


def test_a_group_without_values_selects_nothing(server: Web) -> None:
    assert server.rows("SELECT host, selector_max(v, time) AS s FROM m GROUP BY host ORDER BY host") == [
        {"host": "a", "s": {"value": 2.0, "time": time_of(1)}},
        {"host": "b", "s": {"value": 2.0, "time": time_of(4)}},
        {"host": "c", "s": {}},
    ]


def test_selectors_work_in_each_clause(server: Web) -> None:
    rows = server.rows(
        "WITH g AS (SELECT host, selector_last(v, time) AS l FROM m GROUP BY host HAVING selector_min(v, time)['value'] > 0)"
        " SELECT host, l['value'] AS v FROM g ORDER BY l['time'] DESC"
    )
    assert rows == [{"host": "b", "v": 2.0}, {"host": "a", "v": 1.0}]


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ("selector_first(v, time)", ["selector_first(m.v,m.time)"]),
        ("selector_last(v, time, s, host)['other_1'], v", ["selector_last(m.v,m.time,m.s,m.host)[other_1]", "m.v"]),
        (
            "selector_min(v + 1, time) FILTER (WHERE v > 0)",
            ["selector_min(m.v + Int64(1),m.time) FILTER (WHERE m.v > Int64(0))"],
        ),
        ("tz(time), v", ["tz(m.time)", "v"]),
        ("tz(tz(time), 'Asia/Tokyo')", ['tz(tz(m.time),Utf8("Asia/Tokyo"))']),
        ("to_timestamp(n)", ["to_timestamp(m.n)"]),
        ("to_timestamp_nanos(n)", ["to_timestamp_nanos(m.n)"]),
        ("'tz(v)' AS a, \"v\" AS tz", ["a", "tz"]),
    ],
)
def test_columns_are_named_by_what_was_asked(server: Web, items: str, names: Sequence[str]) -> None:
    grouped = " GROUP BY v" if "], v" in items else ""
    text = server.sql(f"SELECT {items} FROM m{grouped} LIMIT 1", format="parquet")
    assert text.status_code == 200, text.text
    assert names_of(text.content) == [name.removeprefix("m.") if name == "m.v" else name for name in names]


def names_of(parquet: bytes) -> list[str]:
    return list(pq.read_schema(io.BytesIO(parquet)).names)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("tz(time, 'Europe/Berlin')", "1970-01-01T01:00:01+01:00"),
        ("tz(time)", "1970-01-01T00:00:01Z"),
        ("tz(time, '-05:00')", "1969-12-31T19:00:01-05:00"),
        ("tz(tz(time, 'Asia/Tokyo'), 'Europe/Berlin')", "1970-01-01T01:00:01+01:00"),
        ("extract(hour FROM tz(time, 'Europe/Berlin'))", 1),
        ("to_timestamp(1500000000)", "1970-01-01T00:00:01.500"),
        ("to_timestamp('2020-01-01T00:00:00Z')", "2020-01-01T00:00:00"),
        ("to_timestamp('2020-01-02', '%Y-%m-%d')", "2020-01-02T00:00:00"),
        ("to_timestamp(n)", "1970-01-01T00:00:00.000000001"),
    ],
)
def test_times(server: Web, expression: str, text: object) -> None:
    assert server.rows(f"SELECT {expression} AS t FROM m ORDER BY time LIMIT 1") == [{"t": text}]


def test_a_zone_may_be_a_parameter(server: Web) -> None:
    query = {"db": "foo", "q": "SELECT tz(time, $zone) AS t FROM m ORDER BY time LIMIT 1"}
    answer = server.post("/api/v3/query_sql", json=query | {"params": {"zone": "Asia/Tokyo"}})
    assert answer.json() == [{"t": "1970-01-01T09:00:01+09:00"}]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("tz(time, 'Foo/Bar')", 'TZ requires a valid timezone string, got "Foo/Bar"'),
        ("tz(time, host)", 'TZ requires a valid timezone string, got "host"'),
        ("tz()", "tz takes a time and a time zone if wanted, not 0 arguments"),
        ("selector_max(v)", "selector_max takes a value and a time, then further columns if wanted: 1 argument given"),
        ("selector_max(selector_min(v, time)['value'], time)", "calls of selectors cannot be nested: selector_max(…)"),
        ("selector_max(v, time", ""),
        ("selector_max(v, time)) FROM m", ""),
    ],
)
def test_wrong_calls_are_refused(server: Web, expression: str, text: str) -> None:
    answer = server.sql(f"SELECT {expression} FROM m")
    assert answer.status_code == 400, answer.text
    assert text in answer.text
