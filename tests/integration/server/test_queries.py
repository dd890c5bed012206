"""Server API §12.3: SQL over HTTP."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from engine.server.app import App
from tests.support.asgi import Wire, scope
from tests.support.web import Web, told, web

SELECT = "SELECT host, time, usage FROM cpu"
ROWS = [{"host": "a", "time": f"2065-01-07T17:28:5{second}", "usage": 0.9} for second in (1, 2, 3)]
JSON_TEXT = "[" + ",".join(f'{{"host":"a","time":"{row["time"]}","usage":0.9}}' for row in ROWS) + "]"
LINES_TEXT = JSON_TEXT[1:-1].replace("},{", "}\n{") + "\n"
CSV_TEXT = "host,time,usage\n" + "".join(f"a,{row['time']},0.9\n" for row in ROWS)
PRETTY_TEXT = "\n".join(
    [
        "+------+---------------------+-------+",
        "| host | time                | usage |",
        "+------+---------------------+-------+",
        *[f"| a    | {row['time']} | 0.9   |" for row in ROWS],
        "+------+---------------------+-------+",
    ]
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
MISSING_FORMATS = "expected one of `parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`"
WIDE_ROWS = 30_000
RULE = "+------+------+-------+"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("queries")) as served:
        lines = "\n".join(f"cpu,host=a usage=0.9 299857493{second}" for second in (1, 2, 3))
        assert served.write(lines, "db=foo&precision=second").status_code == 204
        wide = "\n".join(f"wide,host=h{number % 10} v={number}i {number + 1}" for number in range(WIDE_ROWS))
        assert served.write(wide, "db=foo&precision=ns").status_code == 204
        yield served


@pytest.mark.parametrize(
    ("parts", "headers", "content_type", "text"),
    [
        pytest.param({"format": "json"}, {}, "application/json", JSON_TEXT, id="66"),
        pytest.param({}, {}, "application/json", JSON_TEXT, id="default"),
        pytest.param({"format": "jsonl"}, {}, "application/jsonl", LINES_TEXT, id="68 jsonl"),
        pytest.param({"format": "json_lines"}, {}, "application/jsonl", LINES_TEXT, id="68 json_lines"),
        pytest.param({"format": "csv"}, {}, "text/csv", CSV_TEXT, id="69"),
        pytest.param({"format": "pretty"}, {}, "text/plain; charset=utf-8", PRETTY_TEXT, id="70"),
        pytest.param({}, {"Accept": "text/csv"}, "text/csv", CSV_TEXT, id="72"),
        pytest.param({}, {"Accept": "application/json, */*"}, "application/json", JSON_TEXT, id="1.8 contains"),
        pytest.param({"format": "pretty"}, {"Accept": BROWSER}, "text/plain; charset=utf-8", PRETTY_TEXT, id="74"),
    ],
)
def test_rows_come_in_the_format_that_was_asked_for(
    server: Web, parts: dict[str, str], headers: dict[str, str], content_type: str, text: str
) -> None:
    answer = server.sql(SELECT, **parts) if not headers else server.get(*_query(parts), headers=headers)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, text, content_type)
    assert answer.headers["access-control-allow-origin"] == "*"


def _query(parts: dict[str, str]) -> tuple[str]:
    more = "".join(f"&{name}={value}" for name, value in parts.items())
    return (f"/api/v3/query_sql?db=foo&q={SELECT}{more}",)


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-www-form-urlencoded"])
def test_a_body_is_json_whatever_it_says(server: Web, content_type: str | None) -> None:  # fact 67
    headers = {"Content-Type": content_type} if content_type else {}
    body = f'{{"db":"foo","q":"{SELECT}","format":"json"}}'
    answer = server.post("/api/v3/query_sql?db=nope", content=body, headers=headers)
    assert told(answer) == (200, JSON_TEXT)


def test_parquet_is_a_readable_file(server: Web) -> None:  # fact 71
    answer = server.sql(SELECT, format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(answer.content)).column_names == ["host", "time", "usage"]


@pytest.mark.parametrize(
    ("format_", "texts"),
    [
        ("json", ["[]"]),
        ("jsonl", [""]),
        ("csv", ["", "host,time,usage\n"]),
        (
            "pretty",
            [
                "++\n++",
                "\n".join(["+------+------+-------+", "| host | time | usage |", *["+------+------+-------+"] * 2]),
            ],
        ),
    ],
)
def test_no_rows_have_a_form_too(server: Web, format_: str, texts: list[str]) -> None:  # fact 75
    answer = server.sql(f"{SELECT} WHERE host = 'z'", format=format_)
    assert answer.status_code == 200
    assert answer.text in texts


@pytest.mark.parametrize(
    ("target", "headers", "status", "text"),
    [
        pytest.param("?db=bar&q=SELECT 1", {}, 404, '{"error":"query error: database not found: bar"}', id="76"),
        pytest.param(
            "?db=foo&q=SELECT * FROM nope",
            {},
            400,
            "Error during planning: table 'public.iox.nope' not found",
            id="77",
        ),
        pytest.param("?db=foo&q=SELECT nope FROM cpu", {}, 500, "Schema error: No field named", id="78"),
        pytest.param("?db=foo&q=CREATE TABLE x AS SELECT 1", {}, 400, "", id="79 create"),
        pytest.param("?db=foo&q=INSERT INTO cpu VALUES (1)", {}, 400, "", id="79 insert"),
        pytest.param("?db=foo&q=SET x = 1", {}, 400, "", id="79 set"),
        pytest.param("?db=foo&q=SELECT 1; SELECT 2", {}, 405, "This feature is not implemented: ", id="80"),
        pytest.param("", {}, 400, "missing query parameters 'db' and 'q'", id="81"),
        pytest.param("?q=select 1", {}, 400, "serde error: missing field `db`", id="82"),
        pytest.param("?db=foo", {}, 400, "serde error: missing field `q`", id="82 q"),
        pytest.param(
            "?db=foo&q=SELECT 1&format=xx", {}, 400, f"serde error: unknown variant `xx`, {MISSING_FORMATS}", id="83"
        ),
        pytest.param(
            f"?db=foo&q={SELECT}&format=json",
            {"Accept": "application/jsonl"},
            400,
            "invalid mime type (application/jsonl)",
            id="73",
        ),
        pytest.param(f"?db=foo&q={SELECT} WHERE host = $h", {}, 400, "", id="84: no value"),
        pytest.param('?db=foo&q=SELECT 1&params={"h":[1]}', {}, 400, "serde json error: ", id="1.8 array"),
        pytest.param('?db=foo&q=SELECT 1&params={"h"', {}, 400, "serde json error: ", id="1.8 no JSON"),
    ],
)
def test_failures_have_a_status_and_a_text(
    server: Web, target: str, headers: dict[str, str], status: int, text: str
) -> None:
    answer = server.get(f"/api/v3/query_sql{target}", headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.text.startswith(text)
    assert "access-control-allow-origin" not in answer.headers


def test_a_missing_value_is_named(server: Web) -> None:  # fact 84
    assert "No value found for placeholder with name $h" in server.sql(f"{SELECT} WHERE host = $h").text


@pytest.mark.parametrize(
    ("condition", "params", "count"),
    [
        ("host = $h", {"h": "a"}, 3),
        ("host = $h AND usage < $u AND $b", {"h": "a", "u": 1.5, "b": True}, 3),
        ("usage > $n", {"n": 1}, 0),
        ("usage > $n", {"n": -1}, 3),
        ("host = $h", {"h": None}, 0),
        ("host = 'a'", {"extra": 1}, 3),
    ],
)
def test_values_are_bound_to_placeholders(server: Web, condition: str, params: dict[str, Any], count: int) -> None:
    body = {"db": "foo", "q": f"SELECT count(*) AS n FROM cpu WHERE {condition}", "params": params}
    assert server.post("/api/v3/query_sql", json=body).json() == [{"n": count}]


def test_values_of_a_query_string_are_json(server: Web) -> None:
    assert len(server.sql(f"{SELECT} WHERE host = $h", params='{"h":"a"}').json()) == 3


def test_tables_are_shown(server: Web) -> None:  # fact 85
    names = [row["table_name"] for row in server.rows("SHOW TABLES") if row["table_schema"] == "iox"]
    assert names == ["cpu", "wide"]


def test_columns_come_in_the_order_of_their_names(server: Web) -> None:  # fact 86
    assert server.sql("SELECT * FROM cpu LIMIT 1", format="csv").text.startswith("host,time,usage\n")


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv", "pretty", "parquet"])
def test_a_long_result_is_whole(server: Web, format_: str) -> None:
    answer = server.sql("SELECT v FROM wide ORDER BY v", format=format_)
    assert answer.status_code == 200
    match format_:
        case "json":
            assert [row["v"] for row in answer.json()] == list(range(WIDE_ROWS))
        case "csv":
            assert answer.text == "v\n" + "".join(f"{number}\n" for number in range(WIDE_ROWS))
        case "parquet":
            assert pq.read_table(io.BytesIO(answer.content)).num_rows == WIDE_ROWS
        case _:
            assert str(WIDE_ROWS - 1) in answer.text


def test_long_text_is_streamed_and_short_text_has_its_length(server: Web) -> None:
    long, short = server.sql("SELECT v FROM wide"), server.sql("SELECT 1")
    assert "content-length" not in long.headers
    assert short.headers["content-length"] == str(len(short.content))


def test_queries_run_side_by_side(server: Web) -> None:
    async def all_at_once() -> list[str]:
        sql = "SELECT count(*) AS n FROM wide"
        asked = [server.client.get("/api/v3/query_sql", params={"db": "foo", "q": sql}) for _ in range(40)]
        return [answer.text for answer in await asyncio.gather(*asked)]

    assert server.run(all_at_once()) == [f'[{{"n":{WIDE_ROWS}}}]'] * 40


def test_queries_that_wait_do_not_keep_one_from_sending_its_rows(tmp_path: Path) -> None:
    with web(tmp_path, max_concurrent_queries=1) as server:

        async def all_at_once() -> set[int]:
            params = {"db": "foo", "q": "SELECT v FROM generate_series(1, 100000) t(v)", "format": "csv"}
            asked = [server.client.get("/api/v3/query_sql", params=params) for _ in range(40)]
            return {len(answer.text) for answer in await asyncio.gather(*asked)}

        server.write("m v=1")
        assert server.run(asyncio.wait_for(all_at_once(), 60)) == {
            len("v\n") + sum(len(f"{n}\n") for n in range(1, 100001))
        }


def test_a_client_that_leaves_ends_its_query(server: Web) -> None:
    async def leave_after(pieces: int) -> Wire:
        wire = Wire([b""])
        sent = wire.send

        async def send(message: Any) -> None:
            await sent(message)
            if len(wire.sent) > pieces:
                wire.leave()

        target = "/api/v3/query_sql?db=foo&q=SELECT%20a.v,%20b.v%20AS%20w%20FROM%20wide%20a%20CROSS%20JOIN%20wide%20b"
        await App(server.engine)(scope("GET", target), wire.receive, send)
        return wire

    wire = server.run(asyncio.wait_for(leave_after(2), 60))
    assert not wire.is_complete


def test_a_client_that_leaves_before_the_first_row_is_not_answered(server: Web) -> None:
    async def leave_at_once() -> Wire:
        wire = Wire([b""])
        wire.leave()
        some = "(SELECT v FROM wide LIMIT 8000)"  # long enough to be noticed, short enough to end by itself
        target = "/api/v3/query_sql?db=foo&q=" + quote(f"SELECT sum(a.v + b.v) FROM {some} a, {some} b")
        await App(server.engine)(scope("GET", target), wire.receive, wire.send)
        return wire

    assert server.run(leave_at_once()).sent == []
