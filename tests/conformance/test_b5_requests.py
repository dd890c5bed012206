"""Checklist B5: plugins that answer HTTP requests."""

import asyncio
import gzip
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.scene import QUICK, REQUESTS, WAIT_FOR, Scene, indented
from tests.support.web import told, web

NOT_FOUND = (404, '{error: "not found"}')
UNSUPPORTED = '{"error":"Unsupported return type from Python function"}'
ECHO = REQUESTS + "    return [query_parameters, request_headers, request_body.hex(), type(request_body).__name__]\n"
FLASK = """
class Answer:
    status_code = 202
    headers = {"X-Custom": "yes"}

    def __flask_response__(self):
        return True

    def get_data(self):
        return "from flask"


"""


@row("B5.1")
def test_a_request_writes_and_answers_and_the_row_is_there_at_once(scene: Scene) -> None:
    body = """
    import json
    data = json.loads(request_body)
    line = LineBuilder("request_data").tag("tag1", query_parameters["q1"]).int64_field("field1", data["hello"])
    influxdb3_local.write(line)
    return {"status": "ok", "line": line.build()}
    """
    target = scene.endpoint(REQUESTS + indented(body))
    answer = scene.web.post(f"{target}?q1=whatevs", json={"hello": 1})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "line": "request_data,tag1=whatevs field1=1i"}
    assert scene.rows("SELECT tag1, field1 FROM request_data") == [{"tag1": "whatevs", "field1": 1}]


@pytest.mark.parametrize(
    ("value", "status", "content_type", "text", "headers"),
    [
        pytest.param('"Hello, World!"', 200, "text/html", "Hello, World!", {}, id="B5.2"),
        pytest.param('{"a": 1, "b": "ü"}', 200, "application/json", '{"a": 1, "b": "\\u00fc"}', {}, id="B5.3 dict"),
        pytest.param('[1, "two", None]', 200, "application/json", '[1, "two", null]', {}, id="B5.3 list"),
        pytest.param('("Created successfully", 201)', 201, "text/html", "Created successfully", {}, id="B5.4"),
        pytest.param(
            '("text", {"Content-Type": "text/plain", "X-Custom-Header": "test-value"})',
            200,
            "text/plain",
            "text",
            {"x-custom-header": "test-value"},
            id="B5.5",
        ),
        pytest.param(
            '("Not Found", 404, {"X-Error": "yes"})', 404, "text/html", "Not Found", {"x-error": "yes"}, id="B5.6"
        ),
        pytest.param(
            '({"error": "Not Found", "code": 404}, 404)',
            404,
            "application/json",
            '{"error": "Not Found", "code": 404}',
            {},
            id="B5.7",
        ),
        pytest.param('(part for part in ("one", "two", "three"))', 200, "text/html", "onetwothree", {}, id="B5.8"),
        pytest.param("Answer()", 202, None, "from flask", {"x-custom": "yes"}, id="B5.9"),
        pytest.param("None", 500, None, UNSUPPORTED, {}, id="B5.10 None"),
        pytest.param("5", 500, None, UNSUPPORTED, {}, id="B5.10 number"),
        pytest.param(
            '("text", 200, "x")', 500, None, '{"error":"expected a dictionary in header item"}', {}, id="B5.18"
        ),
        pytest.param(
            '(200, {"a": "b"}, "<p>")',
            500,
            None,
            '{"error":"expected a dictionary in header item"}',
            {},
            id="B5.18 turned",
        ),
    ],
)
def test_what_is_returned_is_the_answer(
    scene: Scene, value: str, status: int, content_type: str | None, text: str, headers: dict[str, str]
) -> None:
    answer = scene.ask(f"return {value}", top=FLASK)
    assert told(answer) == (status, text)
    assert answer.headers.get_list("content-type") == ([content_type] if content_type else [])
    assert {name: answer.headers[name] for name in headers} == headers


@row("B5.9")
def test_nothing_is_added_to_an_answer_object(scene: Scene) -> None:
    plain = scene.ask("return Answer()", top=FLASK.replace('{"X-Custom": "yes"}', "{}"))
    assert set(plain.headers) <= {"content-length", "access-control-allow-origin", "cluster-uuid", "date"}


@row("B5.11")
def test_an_exception_is_told_and_buffered_writes_are_lost(scene: Scene) -> None:
    answer = scene.ask("influxdb3_local.write(LineBuilder('lost').int64_field('v', 1))\nraise ValueError('x')")
    assert answer.status_code == 500
    assert answer.json() == {"error": "Python function call failed: ValueError: x"}
    assert "content-type" not in answer.headers
    assert scene.tables() == set()
    assert scene.line_when("ERROR") == "ERROR error executing request plugin: ValueError: x"


@row("B5.12")
def test_the_token_does_not_reach_the_plugin(scene: Scene) -> None:
    target = scene.endpoint(ECHO)
    for name in ("Authorization", "AUTHORIZATION", "authorization"):
        seen = scene.web.get(target, headers={name: "Bearer secret"}).json()[1]
        assert [n for n, value in seen.items() if n.lower() == "authorization" or "secret" in value] == []


@row("B5.13")
def test_headers_come_in_lower_case(scene: Scene) -> None:
    seen = scene.web.get(scene.endpoint(ECHO), headers={"X-Foo": "1", "Source-Token": "T"}).json()[1]
    assert (seen["x-foo"], seen["source-token"]) == ("1", "T")
    assert [name for name in seen if name != name.lower()] == []


@row("B5.14")
def test_the_last_of_equal_parameters_counts(scene: Scene) -> None:
    target = scene.endpoint(ECHO)
    assert scene.web.get(f"{target}?a=1&a=2&b=x+y").json()[0] == {"a": "2", "b": "x y"}
    assert scene.web.get(target).json()[0] == {}


@row("B5.15")
def test_the_body_comes_as_bytes(scene: Scene) -> None:
    target = scene.endpoint(ECHO)
    packed = gzip.compress(b"zipped \x00")
    for body, headers, seen in (
        (b"", {}, b""),
        (b"\x00\xff", {}, b"\x00\xff"),
        (packed, {"Content-Encoding": "gzip"}, b"zipped \x00"),
    ):
        assert scene.web.post(target, content=body, headers=headers).json()[2:] == [seen.hex(), "bytes"]
    assert scene.web.get(target).json()[2:] == ["", "bytes"]


@row("B5.15")
def test_a_body_over_the_limit_is_refused(scene: Scene) -> None:
    text = "max request size (10485760 bytes) exceeded"
    target = scene.endpoint(ECHO)
    large = b"x" * (11 << 20)
    assert told(scene.web.post(target, content=large)) == (413, text)
    packed = {"content": gzip.compress(large, 1), "headers": {"Content-Encoding": "gzip"}}
    assert told(scene.web.post(target, **packed)) == (413, text)


@row("B5.16")
def test_only_get_and_post_of_an_enabled_path_reach_a_plugin(scene: Scene) -> None:
    target = scene.endpoint(ECHO)
    assert [scene.web.send(method, target).status_code for method in ("GET", "POST")] == [200, 200]
    for method in ("PUT", "DELETE", "PATCH"):
        assert told(scene.web.send(method, target)) == (404, "Not found")
    for path in (f"{target}/", f"{target}x", target.replace("engine/", "engine//"), target.replace("/r", "/%72")):
        answer = scene.web.get(path)
        assert told(answer) == NOT_FOUND
        assert "content-type" not in answer.headers
    scene.switch("disable", "r")
    assert told(scene.web.get(target)) == (404, '{"error":"not found: trigger r of this path is disabled"}')
    scene.switch("enable", "r")
    assert scene.web.get(target).status_code == 200


@row("B5.17")
def test_without_token_no_plugin_runs(tmp_path: Path) -> None:
    with web(tmp_path, without_auth=False, **QUICK) as served:
        token = served.post("/api/v3/configure/token/admin").json()["token"]
        served.client.headers["Authorization"] = f"Bearer {token}"
        scene = Scene(served)
        target = scene.endpoint(REQUESTS + "    influxdb3_local.info('entered')\n    return 'here'\n")
        del served.client.headers["Authorization"]
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = served.post(target, headers=headers)
            assert told(answer) == (401, '{"error": "the request was not authenticated"}')
        served.client.headers["Authorization"] = f"Bearer {token}"
        assert told(served.post(target)) == (200, "here")
        assert scene.logged(1) == ["INFO entered"]
        assert len(scene.runs_when(1)) == 1


@row("B5.19")
def test_each_reply_may_be_read_from_anywhere(scene: Scene) -> None:
    target = scene.endpoint(REQUESTS + "    return eval(request_body)\n")
    replies = [
        *(scene.web.post(target, content=text) for text in ("'text'", "(1, 404)", "None", "1 / 0")),
        scene.web.get(f"{target}/unknown"),
        scene.web.post(target, content=b"x" * (11 << 20)),
    ]
    assert [reply.status_code for reply in replies] == [200, 404, 500, 500, 404, 413]
    assert [reply.headers.get_list("access-control-allow-origin") for reply in replies] == [["*"]] * len(replies)


def named(name: str) -> str:
    return f"{REQUESTS}    return '{name}'\n"


@row("B5.20")
def test_the_last_enabled_trigger_of_a_path_owns_it(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    spec = f"request:{scene.database}"
    scene.trigger(spec, named("first"), "first")
    scene.trigger(spec, named("second"), "second")
    assert any("first" in text and "second" in text and scene.database in text for text in warnings_of(caplog))
    seen = []
    for verb, name in ((None, None), ("disable", "second"), ("enable", "second"), ("disable", "first")):
        if verb:
            scene.switch(verb, name)
        seen.append(scene.web.get(f"/api/v3/engine/{scene.database}").text)
    assert seen == ["second", "first", "second", "second"]
    scene.switch("enable", "first")
    scene.delete("first")
    assert scene.web.get(f"/api/v3/engine/{scene.database}").text == "second"
    scene.delete("second")
    assert told(scene.web.get(f"/api/v3/engine/{scene.database}")) == NOT_FOUND


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@row("B5.20")
def test_databases_share_the_paths(scene: Scene) -> None:
    other = Scene(scene.web)
    scene.trigger(f"request:{scene.database}", named("mine"))
    other.trigger(f"request:{scene.database}", named("theirs"))
    assert scene.web.get(f"/api/v3/engine/{scene.database}").text == "theirs"
    other.close()
    assert scene.web.get(f"/api/v3/engine/{scene.database}").text == "mine"


@row("B5.20")
def test_a_restart_leaves_the_path_where_it_was(tmp_path: Path) -> None:
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        for name in ("first", "second"):
            scene.trigger("request:r", named(name), name)
        scene.switch("disable", "first")
        scene.switch("enable", "first")
        assert served.get("/api/v3/engine/r").text == "first"
    with web(tmp_path, **QUICK) as served:
        assert served.get("/api/v3/engine/r").text == "first"


@row("B5.21")
def test_a_hundred_slow_requests_do_not_hold_up_anything(scene: Scene, tmp_path: Path) -> None:
    code = (
        WAIT_FOR
        + REQUESTS
        + """
    wait_for(args["gate"])
    influxdb3_local.write_sync(LineBuilder("slow").tag("n", query_parameters["n"]).int64_field("v", 1), no_sync=False)
    influxdb3_local.write(LineBuilder("buffered").tag("n", query_parameters["n"]).int64_field("v", 1))
    return query_parameters["n"]
    """
    )
    gate = tmp_path / "gate"
    target = scene.endpoint(code, trigger_arguments={"gate": str(gate)})
    other = scene.endpoint(ECHO, "other")

    async def all_at_once() -> list[str]:
        http = scene.web.client
        asked = [asyncio.create_task(http.get(f"{target}?n={number}", timeout=60)) for number in range(100)]
        for number in range(5):
            written = await http.post(f"/api/v3/write_lp?db={scene.database}", content=f"beside v={number}")
            assert written.status_code == 204
        assert (await http.get(other)).status_code == 200
        assert (await http.get("/api/v3/query_sql", params={"db": scene.database, "q": "SELECT 1"})).status_code == 200
        assert not any(task.done() for task in asked)
        gate.touch()
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers] == [200] * 100
        return [answer.text for answer in answers]

    assert scene.web.run(all_at_once()) == [str(number) for number in range(100)]
    for table in ("slow", "buffered"):
        assert scene.rows(f"SELECT count(*) AS n FROM {table}") == [{"n": 100}]
