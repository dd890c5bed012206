"""Processing engine, annex B5: plugins that answer requests; and dry runs."""

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.web import TRIGGERS, Web, told, web

FUNCTION = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
ECHO = FUNCTION + "    return {'query': query_parameters, 'headers': request_headers, 'body': request_body.hex()}\n"
WRITER = FUNCTION + (
    "    import json\n"
    "    data = json.loads(request_body)\n"
    "    line = LineBuilder('request_data').tag('q1', query_parameters['q1']).int64_field('n', data['n'])\n"
    "    influxdb3_local.write(line)\n"
    "    if data.get('fail'):\n"
    "        raise ValueError('x')\n"
    "    return {'status': 'ok', 'line': str(line)}\n"
)
FLASK = (
    "class Answer:\n"
    "    status_code = 202\n"
    "    headers = {'X-A': 'b'}\n"
    "    def __flask_response__(self): return True\n"
    "    def get_data(self): return 'flask'\n"
)
SLOW = (
    "import time\n"
    + FUNCTION
    + (
        "    influxdb3_local.write(LineBuilder('slow').tag('n', query_parameters['n']).int64_field('v', 1))\n"
        "    time.sleep(0.002)\n"
        "    return query_parameters['n']\n"
    )
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("requests")) as served:
        served.engine.tables.create_database("foo")
        for name, code in (("echo", ECHO), ("writer", WRITER), ("slow", SLOW)):
            assert served.trigger(name, f"request:{name}", f"{name}.py", code).status_code == 200
        yield served


def test_a_plugin_writes_and_answers(server: Web) -> None:  # B5.1
    answer = server.post("/api/v3/engine/writer?q1=whatevs", json={"n": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.headers["content-type"] == "application/json"
    assert server.rows("SELECT q1, n FROM request_data WHERE q1 = 'whatevs'") == [{"q1": "whatevs", "n": 1}]


RETURNS = [
    pytest.param("'Hello, World!'", 200, "text/html", "Hello, World!", {}, id="B5.2"),
    pytest.param("{'a': 1}", 200, "application/json", '{"a": 1}', {}, id="B5.3 dict"),
    pytest.param("[1, 2]", 200, "application/json", "[1, 2]", {}, id="B5.3 list"),
    pytest.param("('Created successfully', 201)", 201, "text/html", "Created successfully", {}, id="B5.4"),
    pytest.param(
        "('t', {'Content-Type': 'text/plain', 'X-Custom-Header': 'test-value'})",
        200,
        "text/plain",
        "t",
        {"x-custom-header": "test-value"},
        id="B5.5",
    ),
    pytest.param("('Not Found', 404, {'X-A': 'b'})", 404, "text/html", "Not Found", {"x-a": "b"}, id="B5.6"),
    pytest.param(
        "({'error': 'Not Found', 'code': 404}, 404)",
        404,
        "application/json",
        '{"error": "Not Found", "code": 404}',
        {},
        id="B5.7",
    ),
    pytest.param("(part for part in ('a', 'b', 'c'))", 200, "text/html", "abc", {}, id="B5.8"),
    pytest.param("iter(['a', b'\\xc3', b'\\xa4'])", 200, "text/html", "aä", {}, id="parts of bytes"),
    pytest.param(
        "((x for x in 'ab'), 201, {'Content-Type': 'text/csv'})", 201, "text/csv", "ab", {}, id="parts with headers"
    ),
    pytest.param("Answer()", 202, None, "flask", {"x-a": "b"}, id="B5.9"),
    pytest.param("None", 500, None, '{"error":"Unsupported return type from Python function"}', {}, id="B5.10 None"),
    pytest.param("5", 500, None, '{"error":"Unsupported return type from Python function"}', {}, id="B5.10 number"),
    pytest.param("('a', 200, 'c')", 500, None, '{"error":"expected a dictionary in header item"}', {}, id="B5.18"),
    pytest.param("b'\\x00'", 200, "application/octet-stream", "\x00", {}, id="3.4 bytes"),
    pytest.param("('gone', 204)", 204, "text/html", "", {}, id="a status without body"),
    pytest.param("('odd', 700)", 500, "text/html", "odd", {}, id="a status that HTTP has no class for"),
    pytest.param(
        "('a', {'Access-Control-Allow-Origin': 'x', 'Cluster-Uuid': 'y'})", 200, "text/html", "a", {}, id="our headers"
    ),
]


@pytest.mark.parametrize(("value", "status", "content_type", "text", "headers"), RETURNS)
def test_what_a_plugin_returns_is_the_answer(
    server: Web, value: str, status: int, content_type: str | None, text: str, headers: dict[str, str]
) -> None:
    server.trigger("r", "request:returns", "returns.py", f"{FLASK}{FUNCTION}    return {value}\n")
    answer = server.get("/api/v3/engine/returns")
    server.delete(f"{TRIGGERS}?db=foo&trigger_name=r&force=true")
    assert told(answer) == (status, text)
    assert answer.headers.get("content-type") == content_type
    assert {name: answer.headers[name] for name in headers} == headers
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]  # B5.19
    assert answer.headers.get_list("cluster-uuid") == [server.engine.catalog.state.cluster_uuid]


def test_a_plugin_that_raises_is_an_error_and_its_writes_are_lost(server: Web) -> None:  # B5.11
    assert server.post("/api/v3/engine/writer?q1=kept", json={"n": 1}).status_code == 200
    answer = server.post("/api/v3/engine/writer?q1=lost", json={"n": 1, "fail": True})
    assert told(answer) == (500, '{"error":"Python function call failed: ValueError: x"}')
    assert "content-type" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == "*"
    assert server.rows("SELECT q1 FROM request_data WHERE q1 IN ('kept', 'lost')") == [{"q1": "kept"}]


def test_a_plugin_gets_headers_without_the_token(server: Web) -> None:  # B5.12, B5.13
    headers = {"AUTHORIZATION": "Bearer x", "X-Foo": "1", "X-Latin": "\xe9"}
    sent = server.get("/api/v3/engine/echo", headers={n: v.encode("latin-1") for n, v in headers.items()})
    seen = sent.json()["headers"]
    assert "authorization" not in {name.lower() for name in seen}
    assert (seen["x-foo"], seen["x-latin"]) == ("1", "\xe9")


def test_a_plugin_gets_the_last_of_equal_parameters(server: Web) -> None:  # B5.14
    assert server.get("/api/v3/engine/echo?a=1&a=2&b=x+y").json()["query"] == {"a": "2", "b": "x y"}


@pytest.mark.parametrize(
    ("content", "headers", "body"),
    [
        (b"", {}, b""),
        (b"\x00\xff", {}, b"\x00\xff"),
        (gzip.compress(b"abc", mtime=0), {"Content-Encoding": "gzip"}, b"abc"),
    ],
)
def test_a_plugin_gets_the_bytes_of_the_body(
    server: Web, content: bytes, headers: dict[str, str], body: bytes
) -> None:  # B5.15
    assert server.post("/api/v3/engine/echo", content=content, headers=headers).json()["body"] == body.hex()


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "answer"),
    [
        pytest.param("GET", "nope", {}, b"", (404, '{error: "not found"}'), id="fact 136"),
        pytest.param("GET", "/echo", {}, b"", (404, '{error: "not found"}'), id="a slash more"),
        pytest.param("GET", "%65cho", {}, b"", (404, '{error: "not found"}'), id="not decoded"),
        pytest.param(
            "POST", "echo", {}, b"x" * 11 * 2**20, (413, "max request size (10485760 bytes) exceeded"), id="B5.15"
        ),
        pytest.param(
            "POST", "echo", {"Content-Encoding": "br"}, b"", (400, "unacceptable content-encoding: br"), id="3.3"
        ),
    ],
)
def test_requests_that_reach_no_plugin(
    server: Web, method: str, path: str, headers: dict[str, str], content: bytes, answer: tuple[int, str]
) -> None:
    got = server.send(method, f"/api/v3/engine/{path}", headers=headers, content=content)
    assert told(got) == answer
    assert "content-type" not in got.headers
    assert got.headers["access-control-allow-origin"] == "*"


def test_a_disabled_trigger_is_not_found(server: Web) -> None:  # B5.16
    server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=echo")
    told_of_it = '{"error":"not found: trigger echo of this path is disabled"}'
    assert told(server.get("/api/v3/engine/echo")) == (404, told_of_it)
    server.post(f"{TRIGGERS}/enable?db=foo&trigger_name=echo")
    assert server.get("/api/v3/engine/echo").status_code == 200


def test_a_slash_in_the_specification_is_part_of_the_path(server: Web) -> None:  # B1.14
    server.trigger("slash", "path:/a/b", "echo.py")
    assert server.get("/api/v3/engine//a/b").status_code == 200
    assert server.get("/api/v3/engine/a/b").status_code == 404


def test_the_last_enabled_trigger_of_a_path_owns_it(server: Web) -> None:  # B5.20
    for name in ("first", "second"):
        server.trigger(name, "request:shared", f"{name}.py", f"{FUNCTION}    return '{name}'\n")
    seen = [server.get("/api/v3/engine/shared").text]
    server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=second")
    seen.append(server.get("/api/v3/engine/shared").text)
    server.post(f"{TRIGGERS}/enable?db=foo&trigger_name=second")
    server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=first")
    seen.append(server.get("/api/v3/engine/shared").text)
    assert seen == ["second", "first", "second"]


def test_a_hundred_slow_requests_at_once_are_all_answered(server: Web) -> None:  # B5.21
    async def all_at_once() -> tuple[list[str], list[int]]:
        get = server.client.get
        asked = [get(f"/api/v3/engine/slow?n={number}") for number in range(100)]
        writes = [server.client.post("/api/v3/write_lp?db=foo", content="beside v=1") for _ in range(20)]
        answers = await asyncio.gather(*asked, *writes)
        return [a.text for a in answers[:100]], [a.status_code for a in answers[100:]]

    texts, statuses = server.run(all_at_once())
    assert texts == [str(number) for number in range(100)]
    assert statuses == [204] * 20
    assert server.rows("SELECT count(*) AS n FROM slow") == [{"n": 100}]


WAL_PLUGIN = (
    "def process_writes(influxdb3_local, table_batches, args=None):\n"
    "    for batch in table_batches:\n"
    "        influxdb3_local.info('rows', len(batch['rows']), args)\n"
    "        influxdb3_local.write(LineBuilder('out').int64_field('n', len(batch['rows'])))\n"
)


def test_a_dry_run_shows_logs_and_writes_and_stores_nothing(server: Web) -> None:  # B10.7, B10.9
    (server.plugins / "wal.py").write_text(WAL_PLUGIN)
    body: dict[str, Any] = {"filename": "wal.py", "database": "absent", "input_lp": "m v=1\nm v=2"}
    answer = server.post("/api/v3/plugin_test/wal", json=body | {"input_arguments": {"a": "b"}})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    shown = answer.json()
    assert list(shown) == ["log_lines", "database_writes", "errors"]
    assert shown["log_lines"][1] == "INFO: rows 2 {'a': 'b'}"
    assert shown["database_writes"] == {"absent": ["out n=2i"]}
    assert shown["errors"] == []
    assert "absent" not in [name for name, _ in server.engine.tables.databases(False)]


def test_a_dry_run_of_a_schedule_tells_its_time(server: Web) -> None:  # B10.10, B10.11
    code = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    influxdb3_local.info('called')\n"
    (server.plugins / "schedule.py").write_text(code)
    body = {"filename": "schedule.py", "database": "foo", "schedule": "*/5 * * * * *"}
    shown = server.post("/api/v3/plugin_test/schedule", json=body).json()
    assert list(shown) == ["trigger_time", "log_lines", "database_writes", "errors"]
    assert "T" in shown["trigger_time"]
    assert "INFO: called" in shown["log_lines"]
    absent = server.post("/api/v3/plugin_test/schedule", json=body | {"database": "absent"}).json()
    assert (absent["trigger_time"], absent["errors"]) == (None, ["couldn't find db"])


def test_a_dry_run_of_a_file_that_is_not_there(server: Web) -> None:
    body = {"filename": "no.py", "database": "foo", "input_lp": "m v=1"}
    answer = server.post("/api/v3/plugin_test/wal", json=body)
    assert answer.status_code == 500
    assert answer.text.startswith("Plugin error: reading plugin file: ")


@pytest.mark.parametrize("kind", ["wal", "schedule"])
def test_a_dry_run_must_be_described(server: Web, kind: str) -> None:
    answer = server.post(f"/api/v3/plugin_test/{kind}", json={"filename": "x"})
    assert told(answer) == (400, "serde json error: missing field `database` at line 1 column 16")


def test_the_path_of_the_server_is_not_told(tmp_path: Path) -> None:
    with web(tmp_path) as server:
        server.engine.tables.create_database("foo")
        server.trigger("x", "request:x", "x.py", FUNCTION + "    raise RuntimeError\n")
        assert str(tmp_path) not in server.get("/api/v3/engine/x").text


FILES = "/api/v3/plugins/files"


def test_a_plugin_file_is_written_and_runs(server: Web) -> None:
    for text in ("one", "two"):
        body = {"plugin_name": "sent/answer.py", "content": f"{FUNCTION}    return '{text}'\n"}
        assert told(server.post(f"{FILES}?db=foo", json=body)) == (200, "")
        server.trigger("sent", "request:sent", "sent/answer.py")
        assert server.get("/api/v3/engine/sent").text == text


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (
            {"plugin_name": "../x.py", "content": ""},
            500,
            "Processing engine error: plugin error: Path traversal detected",
        ),
        (
            {"plugin_name": "echo.py/x.py", "content": ""},
            500,
            "Processing engine error: plugin error: writing plugin file",
        ),
        ({"plugin_name": "x.py"}, 400, "serde json error: missing field `content`"),
    ],
)
def test_a_plugin_file_that_cannot_be_written(server: Web, body: dict[str, str], status: int, text: str) -> None:
    answer = server.post(FILES, json=body)
    assert answer.status_code == status
    assert answer.text.startswith(text)
