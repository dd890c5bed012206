"""Server API §12.3: SQL over HTTP, how it is asked and what is answered in each format."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.conformance.checklist import row
from tests.support.web import Web, web

PATH = "/api/v3/query_sql"
THREE = "SELECT host, time, usage FROM cpu ORDER BY time"
JSON_ROWS = [{"host": "a", "time": f"2065-01-07T17:28:5{second}", "usage": 0.9} for second in (1, 2, 3)]
JSON = json.dumps(JSON_ROWS, separators=(",", ":"))
JSONL = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in JSON_ROWS)
CSV = "host,time,usage\n" + "".join(f"a,2065-01-07T17:28:5{second},0.9\n" for second in (1, 2, 3))
PRETTY = """\
+------+---------------------+-------+
| host | time                | usage |
+------+---------------------+-------+
| a    | 2065-01-07T17:28:51 | 0.9   |
| a    | 2065-01-07T17:28:52 | 0.9   |
| a    | 2065-01-07T17:28:53 | 0.9   |
+------+---------------------+-------+"""
EMPTY = "SELECT usage FROM cpu WHERE host = 'z'"
UNBOUND = "SELECT date_bin_gapfill(INTERVAL '1 hour', time), avg(usage) FROM cpu WHERE time < now() GROUP BY 1"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORMATS = "`parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("queries")) as served:
        served.write(
            "\n".join(f"cpu,host=a usage=0.9 299857493{second}" for second in (1, 2, 3)), "db=foo&precision=second"
        )
        yield served


def asked(server: Web, accept: str | None = None, **parameters: str) -> httpx.Response:
    """Send a query by GET."""
    return server.get(PATH, params=parameters, headers={} if accept is None else {"accept": accept})


@pytest.mark.parametrize(
    ("parameters", "accept", "content_type", "text"),
    [
        pytest.param({"format": "json"}, None, "application/json", JSON, id="S66"),
        pytest.param({"format": "jsonl"}, None, "application/jsonl", JSONL, id="S68 jsonl"),
        pytest.param({"format": "json_lines"}, None, "application/jsonl", JSONL, id="S68 json_lines"),
        pytest.param({"format": "csv"}, None, "text/csv", CSV, id="S69"),
        pytest.param({"format": "pretty"}, None, "text/plain; charset=utf-8", PRETTY, id="S70"),
        pytest.param({}, "text/csv", "text/csv", CSV, id="S72"),
        pytest.param({"format": "pretty"}, BROWSER, "text/plain; charset=utf-8", PRETTY, id="S74"),
        pytest.param({"q": EMPTY, "format": "json"}, None, "application/json", "[]", id="S75 json"),
        pytest.param({"q": EMPTY, "format": "jsonl"}, None, "application/jsonl", "", id="S75 jsonl"),
    ],
)
def test_formats(server: Web, parameters: dict[str, str], accept: str | None, content_type: str, text: str) -> None:
    answer = asked(server, accept, **{"db": "foo", "q": THREE} | parameters)
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, content_type, text)


@row("S75")
@pytest.mark.parametrize(
    ("format_", "texts"),
    [("csv", {"", "usage\n"}), ("pretty", {"++\n++", "+-------+\n| usage |\n+-------+\n+-------+"})],
)
def test_empty_results_may_have_a_header(server: Web, format_: str, texts: set[str]) -> None:
    assert asked(server, db="foo", q=EMPTY, format=format_).text in texts


@row("S67")
def test_a_body_needs_no_json_content_type(server: Web) -> None:
    body = json.dumps({"db": "foo", "q": THREE, "format": "json"})
    answer = server.post(f"{PATH}?db=other", content=body, headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.text) == (200, JSON)


@row("S71")
def test_parquet_is_a_whole_file(server: Web) -> None:
    answer = asked(server, db="foo", q=THREE, format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    rows = pq.read_table(io.BytesIO(answer.content))
    assert (rows.column_names, rows["usage"].to_pylist()) == (["host", "time", "usage"], [0.9] * 3)


def planning(text: str) -> str:
    return f"Error during planning: {text}"


@pytest.mark.parametrize(
    ("parameters", "accept", "status", "beginning"),
    [
        pytest.param({"format": "json"}, "application/jsonl", 400, "invalid mime type (application/jsonl)", id="S73"),
        pytest.param({"db": "bar"}, None, 404, '{"error":"query error: database not found: bar"}', id="S76"),
        pytest.param({"q": "SELECT * FROM nope"}, None, 400, planning("table 'public.iox.nope' not found"), id="S77"),
        pytest.param({"q": "SELECT nope FROM cpu"}, None, 500, "Schema error: No field named", id="S78"),
        pytest.param({"q": "CREATE TABLE x AS SELECT 1"}, None, 400, planning("DDL not supported: "), id="S79 DDL"),
        pytest.param({"q": "INSERT INTO cpu VALUES (1)"}, None, 400, "", id="S79 DML"),
        pytest.param({"q": "SET x = 1"}, None, 400, planning("Statement not supported: "), id="S79 SET"),
        pytest.param({"q": "SELECT 1; SELECT 2"}, None, 405, "This feature is not implemented: ", id="S80"),
        pytest.param({"q": UNBOUND}, None, 400, planning("gap-filling query is missing lower time bound"), id="S88"),
        pytest.param(
            {"format": "xx"}, None, 400, f"serde error: unknown variant `xx`, expected one of {FORMATS}", id="S83"
        ),
    ],
)
def test_refusals(server: Web, parameters: dict[str, str], accept: str | None, status: int, beginning: str) -> None:
    answer = asked(server, accept, **{"db": "foo", "q": THREE} | parameters)
    assert (answer.status_code, answer.text.startswith(beginning)) == (status, True), answer.text


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param("", "missing query parameters 'db' and 'q'", id="S81"),
        pytest.param("?q=select%201", "serde error: missing field `db`", id="S82"),
    ],
)
def test_what_is_missing_is_named(server: Web, query: str, text: str) -> None:
    answer = server.get(PATH + query)
    assert (answer.status_code, answer.text) == (400, text)


@row("S84")
@pytest.mark.parametrize(
    ("params", "status", "text"),
    [
        ({"h": "a", "unused": 1}, 200, '[{"n":3}]'),
        ({"h": "b"}, 200, '[{"n":0}]'),
        ({}, 400, "No value found for placeholder with name $h"),
        ({"h": ["a"]}, 400, "serde json error: "),
    ],
)
def test_parameters(server: Web, params: Mapping[str, Any], status: int, text: str) -> None:
    query = {"db": "foo", "q": "SELECT count(*) AS n FROM cpu WHERE host = $h"}
    for answer in (
        server.post(PATH, json=query | {"params": params}),
        asked(server, **query, params=json.dumps(params)),
    ):
        assert (answer.status_code, text in answer.text) == (status, True), answer.text


@row("S85")
def test_show_tables_lists_the_database_then_the_rest(server: Web) -> None:
    rows = server.rows("SHOW TABLES")
    assert list(rows[0]) == ["table_catalog", "table_schema", "table_name", "table_type"]
    assert rows[0] == dict(zip(rows[0], ("public", "iox", "cpu", "BASE TABLE"), strict=True))
    system = [told["table_name"] for told in rows if told["table_schema"] == "system"]
    views = [told["table_name"] for told in rows if told["table_schema"] == "information_schema"]
    assert [told["table_schema"] for told in rows] == ["iox"] + ["system"] * len(system) + ["information_schema"] * 7
    assert system == sorted(system)
    assert views == ["tables", "views", "columns", "df_settings", "schemata", "routines", "parameters"]
    assert {told["table_type"] for told in rows if told["table_schema"] != "iox"} <= {"BASE TABLE", "VIEW"}


@row("S86")
def test_columns_are_sorted_by_name(server: Web) -> None:
    server.write("grown,host=a usage=1 1", "db=foo&precision=nanosecond")
    server.write("grown,host=a,area=x zone=1i,usage=2 2", "db=foo&precision=nanosecond")
    answer = asked(server, db="foo", q="SELECT * FROM grown ORDER BY time", format="csv")
    assert answer.text.splitlines() == [
        "area,host,time,usage,zone",
        ",a,1970-01-01T00:00:00.000000001,1.0,",
        "x,a,1970-01-01T00:00:00.000000002,2.0,1",
    ]


@row("S87")
def test_an_absent_tag_is_null(server: Web) -> None:
    server.write("partly,host=a,tag=x usage=1 1\npartly,host=b usage=1 2")
    assert server.rows("SELECT tag IS NULL AS n, tag = '' AS e FROM partly WHERE host = 'b'") == [{"n": True}]
