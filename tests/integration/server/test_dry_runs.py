"""Processing engine §7: plugins run without effects, by one request of one person."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.web import Web, told, web

REQUEST = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
WAL = "def process_writes(influxdb3_local, table_batches, args=None):\n"
SCHEDULE = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
WRITE = "    influxdb3_local.write(LineBuilder('out').int64_field('n', 1))\n"
ECHO = REQUEST + (
    "    influxdb3_local.info('asked')\n"
    "    influxdb3_local.write(LineBuilder('out').int64_field('n', 1))\n"
    "    h = request_headers\n"
    "    return {'m': h.method, 'p': h.path, 'qs': h.query_string, 'q': query_parameters, 'h': h,\n"
    "            'b': request_body.hex(), 'a': args}, 201, {'X-A': '1'}\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("dry"), plugin_timeout_s=0.5) as served:
        served.engine.tables.create_database("foo")
        assert served.write("m v=1i").status_code == 204
        yield served


def run(server: Web, kind: str, code: str, **given: Any) -> dict[str, Any]:
    (server.plugins / "dry.py").write_text(code)
    body = {"filename": "dry.py", "database": "foo"} | ({"input_lp": "m v=1i"} if kind == "wal" else {}) | given
    answer = server.post(f"/api/v3/plugin_test/{kind}", json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def test_the_dry_run_of_a_request_shows_its_answer(server: Web) -> None:  # Annex A
    given = {
        "method": "POST",
        "path": "hook",
        "headers": {"X-Foo": "1", "Authorization": "secret"},
        "query_params": {"a": "x y"},
        "body": base64.b64encode(b"\xff").decode(),
        "body_is_base64": True,
        "input_arguments": {"k": "v"},
    }
    shown = run(server, "request", ECHO, **given)
    assert list(shown) == ["response", "log_lines", "database_writes", "errors"]
    response = shown["response"]
    assert (response["status"], response["headers"]) == (201, {"Content-Type": "application/json", "X-A": "1"})
    assert '"p": "/api/v3/engine/hook", "qs": "a=x+y", "q": {"a": "x y"}, "h": {"x-foo": "1"}' in response["body"]
    assert '"m": "POST"' in response["body"]
    assert '"b": "ff", "a": {"k": "v"}' in response["body"]
    assert shown["log_lines"][:2] == ["INFO: starting execution of request plugin.", "INFO: asked"]
    assert shown["log_lines"][-1].startswith("INFO: finished execution in ")
    assert (shown["database_writes"], shown["errors"]) == ({"foo": ["out n=1i"]}, [])
    assert [table["table_name"] for table in server.rows("SHOW TABLES") if table["table_schema"] == "iox"] == ["m"]


@pytest.mark.parametrize(
    ("value", "body", "is_base64"),
    [
        pytest.param("'ü'", "ü", False, id="text"),
        pytest.param("b'\\xff'", "/w==", True, id="bytes"),
        pytest.param("(x for x in ('a', 'b', 'c'))", "abc", False, id="in parts"),
    ],
)
def test_a_body_that_is_no_text_is_shown_in_base64(server: Web, value: str, body: str, is_base64: bool) -> None:
    response = run(server, "request", f"{REQUEST}    return {value}\n")["response"]
    assert (response["body"], response["body_is_base64"]) == (body, is_base64)


def test_an_answer_without_end_is_cut(server: Web) -> None:
    shown = run(server, "request", REQUEST + "    while True:\n        yield bytes(4_000_000)\n")
    assert shown["errors"] == []
    assert "WARN: the answer is cut: a dry run takes 16777216 bytes of an answer in parts" in shown["log_lines"]
    assert 16 << 20 <= len(shown["response"]["body"]) < 24 << 20


@pytest.mark.parametrize(
    ("kind", "code"), [("wal", WAL), ("schedule", SCHEDULE), ("request", REQUEST)], ids=["wal", "schedule", "request"]
)
def test_a_failure_keeps_what_was_said_and_written_before(server: Web, kind: str, code: str) -> None:  # B10.14, C
    body = "    influxdb3_local.info('before')\n" + WRITE + "    influxdb3_local.write_sync(LineBuilder('now')"
    body += ".int64_field('n', 2), False)\n    raise ValueError('x')\n"
    shown = run(server, kind, code + body)
    assert shown["errors"] == ["error executing plugin: ValueError: x"]
    assert "INFO: before" in shown["log_lines"]
    assert shown["database_writes"] == {"foo": ["now n=2i", "out n=1i"]}
    assert shown["error_details"].startswith("Traceback (most recent call last):")
    assert "raise ValueError('x')" in shown["error_details"]
    if kind != "wal":
        assert shown[{"schedule": "trigger_time", "request": "response"}[kind]] is None


def test_a_run_without_end_is_ended(server: Web) -> None:
    shown = run(server, "wal", WAL + "    influxdb3_local.info('begun')\n    while True:\n        pass\n")
    assert shown["errors"] == ["error executing plugin: the run passed its timeout of 0.5 s"]
    assert "INFO: begun" in shown["log_lines"]


def test_lines_that_do_not_fit_are_told_once(server: Web) -> None:  # B10.8
    code = WAL + (
        "    influxdb3_local.write(LineBuilder('m').string_field('v', 'text'))\n"
        "    influxdb3_local.write(LineBuilder('m').int64_field('v', 5))\n"
    )
    shown = run(server, "wal", code)
    assert shown["database_writes"] == {"foo": ['m v="text"', "m v=5i"]}
    assert len(shown["errors"]) == 1
    assert "'v'" in shown["errors"][0]


def test_databases_that_cannot_be(server: Web) -> None:
    code = WAL + "    influxdb3_local.write_to_db('a b', LineBuilder('m').int64_field('v', 5))\n"
    assert run(server, "wal", code)["errors"][0].startswith("database name a b is invalid: ")
    assert run(server, "wal", code, database="a b")["errors"] == ["invalid database a b"]
    assert run(server, "request", ECHO, database="absent")["errors"] == ["couldn't find db"]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param(None, "", id="every second"),
        pytest.param("*/5 * * * * *", "", id="B10.10"),
        pytest.param("*/5 * * * *", ":00Z", id="five fields"),
        pytest.param("cron:0 8 * * *", "T08:00:00Z", id="cron:"),
        pytest.param(" every:1h ", ":00:00Z", id="every:"),
    ],
)
def test_a_schedule_may_be_given_as_a_trigger_has_it(server: Web, schedule: str | None, expected: str) -> None:
    shown = run(server, "schedule", SCHEDULE + "    influxdb3_local.info(call_time)\n", schedule=schedule)
    assert shown["errors"] == []
    assert shown["trigger_time"].endswith(expected)


@pytest.mark.parametrize(
    ("schedule", "error"),
    [
        pytest.param("nonsense", "invalid cron syntax: ", id="B10.12"),
        pytest.param("every:abc", "invalid schedule: failed to parse trigger from every:abc: ", id="every:"),
        pytest.param("0 0 0 30 2 *", "cron schedule never triggers: 0 0 0 30 2 *", id="never"),
    ],
)
def test_a_schedule_that_cannot_be_is_told(server: Web, schedule: str, error: str) -> None:
    shown = run(server, "schedule", SCHEDULE + "    pass\n", schedule=schedule)
    assert shown["errors"][0].startswith(error)
    assert (shown["trigger_time"], shown["log_lines"]) == (None, [])


def test_a_folder_runs_as_a_package(server: Web) -> None:
    pack = server.plugins / "pack"
    pack.mkdir()
    (pack / "__init__.py").write_text(f"from .parts import word\n{REQUEST}    return word()\n")
    (pack / "parts.py").write_text("def word():\n    return 'one'\n")
    body = {"filename": "pack", "database": "foo"}
    for word in ("one", "two"):
        (pack / "parts.py").write_text(f"def word():\n    return '{word}'\n")
        assert server.post("/api/v3/plugin_test/request", json=body).json()["response"]["body"] == word


def test_tests_of_one_cache_name_share_their_cache(server: Web) -> None:
    code = REQUEST + (
        "    cache = influxdb3_local.cache\n"
        "    cache.put('n', cache.get('n', 0) + 1)\n"
        "    cache.put('n', cache.get('n', 0, use_global=True) + 1, use_global=True)\n"
        "    return f\"{cache.get('n')} {cache.get('n', use_global=True)}\"\n"
    )
    names = ("a", "a", "b", None, None)
    bodies = [run(server, "request", code, cache_name=name)["response"]["body"] for name in names]
    assert bodies == ["1 1", "2 2", "1 1", "1 1", "2 2"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"method": "PUT"}, "method 'PUT' reaches no plugin; allowed are GET and POST"),
        ({"body": "?", "body_is_base64": True}, "the body is not base64: "),
        ({"headers": {"a": 1}}, "serde json error: invalid type: "),
    ],
)
def test_a_request_that_cannot_be_sent(server: Web, given: dict[str, Any], text: str) -> None:
    status, said = told(
        server.post("/api/v3/plugin_test/request", json={"filename": "p.py", "database": "foo"} | given)
    )
    assert status == 400
    assert said.startswith(text)
