"""Annex A: what the documentation of InfluxDB 3 promises and the product does not do; here it works.

Promises that a row of the checklist holds already stand in the name of its test.
"""

import asyncio
import base64
import os
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.checklist import row
from tests.support.engines import eventually, query, write
from tests.support.scene import CALLS, QUICK, REQUESTS, WAIT_FOR, WRITES, Scene, Timed
from tests.support.scripted_server import Reply, scripted_server
from tests.support.web import TRIGGERS, told, web

WARNING = "x-influxdb3-warning"
HERE = REQUESTS + "    return 'here'\n"


@row("A: zero-copy data access")
def test_columns_stay_where_the_log_stands_in_memory(scene: Scene) -> None:
    code = (
        WRITES
        + """
    column = table_batches[0].to_arrow()["v"]
    address = column.chunk(0).buffers()[1].address
    with open("/proc/self/maps") as maps:
        for line in maps:
            low, high = (int(end, 16) for end in line.split()[0].split("-"))
            if low <= address < high:
                influxdb3_local.info(column.type, len(column), "/wal/" in line)
    """
    )
    scene.trigger("table:m", code)
    scene.write("\n".join(f"m,host=h{n % 7} v={n}.5 {n}" for n in range(5000)))
    assert scene.logged(1) == ["INFO double 5000 True"]


@pytest.mark.process
@row("A: isolated execution contexts")
def test_plugins_run_in_other_processes_than_the_database(tmp_path: Path) -> None:
    code = REQUESTS + "    import os\n    return [os.getpid(), os.getppid()]\n"
    with web(tmp_path, plugin_isolation="shared", **QUICK) as served:
        scene = Scene(served)
        targets = [scene.endpoint(code, name) for name in ("a", "b")]
        own = scene.endpoint(code, "own", isolation="trigger")
        (a, parent), (b, _), (alone, _) = (served.get(target).json() for target in (*targets, own))
        assert parent == os.getpid()
        assert a == b
        assert len({parent, a, alone}) == 3
        assert served.get(own).json()[0] == alone


@pytest.mark.process
@row("A: memory and CPU limits")
def test_a_run_that_passes_a_limit_fails_and_harms_nobody(tmp_path: Path) -> None:
    busy = REQUESTS + "    while True:\n        pass\n"
    greedy = REQUESTS + "    taken = [bytearray(1 << 20) for _ in range(4096)]\n    return len(taken)\n"
    with web(tmp_path, plugin_isolation="shared", **QUICK) as served:
        scene = Scene(served)
        beside = scene.endpoint(HERE, "beside")
        cpu = scene.endpoint(busy, "cpu", max_cpu_s=0.3)
        memory = scene.endpoint(greedy, "memory", max_memory_bytes=160 << 20)
        assert served.get(cpu).status_code >= 500
        assert served.get(memory).status_code >= 500
        assert told(served.get(beside)) == (200, "here")
        found = {run["trigger_name"]: run for run in scene.runs_when(3)}
        assert {name: run["outcome"] for name, run in found.items()} == {
            "cpu": "cpu",
            "memory": "memory",
            "beside": "success",
        }
        assert "0.3" in found["cpu"]["error"]
        assert "160" in found["memory"]["error"]


@row("A: execution-time limit")
def test_a_run_past_its_timeout_is_ended(scene: Scene) -> None:
    endless = scene.endpoint(REQUESTS + "    while True:\n        pass\n", timeout_s=0.2)
    began_s = time.monotonic()
    answer = scene.web.get(endless)
    assert answer.status_code == 504
    assert "0.2" in answer.json()["error"]
    assert time.monotonic() - began_s < 5
    assert [run["outcome"] for run in scene.runs_when(1)] == ["timeout"]


@row("A: activation at once")
def test_a_plugin_does_not_wait_for_a_flush(tmp_path: Path) -> None:
    with web(tmp_path, wal_flush_interval_s=30.0) as served:
        scene = Scene(served)
        scene.trigger("table:a", WRITES + "    influxdb3_local.write(LineBuilder('out').int64_field('v', 1))\n")
        began_s = time.monotonic()
        for number in range(5):
            scene.write(f"a v={number}")
            eventually(lambda n=number: len(scene.rows("SELECT * FROM out")) == n + 1)  # type: ignore[misc]
        assert time.monotonic() - began_s < 10
        lag = scene.rows("SELECT lag_rows, lag_seconds FROM system.processing_engine_trigger_state")
        assert lag == [{"lag_rows": 0, "lag_seconds": 0.0}]


VERSIONS = "SELECT plugin_name, plugin_hash, content_hash, loaded, entry_points, problem FROM system.plugin_files"


def versions(scene: Scene, name: str) -> list[dict[str, Any]]:
    """Return what is known of the plugin files of a trigger."""
    return scene.rows(f"{VERSIONS} WHERE database_name = '{scene.database}' AND plugin_name = '{name}'", "_internal")


@row("A: plugin versioning")
def test_each_trigger_tells_which_version_it_runs(scene: Scene) -> None:
    target = scene.endpoint(HERE)
    (before,) = versions(scene, "r")
    assert before["content_hash"] == sha256(HERE.encode()).hexdigest()
    assert before.get("loaded") is None
    scene.web.get(target)
    (loaded,) = versions(scene, "r")
    changed = REQUESTS + "    return 'changed'\n"
    scene.plugin(changed, "r.py")
    scene.web.get(target)
    (after,) = versions(scene, "r")
    assert after["content_hash"] == sha256(changed.encode()).hexdigest()
    assert after["loaded"] > loaded["loaded"]


@row("A: distribution by Git")
def test_a_revision_is_pinned_and_kept_for_times_without_network(tmp_path: Path) -> None:
    with scripted_server() as repository:
        address = f"{repository.url}/{{revision}}/"
        repository.replies.extend([Reply(200, HERE.encode())] * 9)
        with web(tmp_path, plugin_repo=address, **QUICK) as served:
            Scene(served, "db").trigger_of("request:r", "gh:a/b.py@v1.2")
            assert told(served.get("/api/v3/engine/r")) == (200, "here")
        assert {request.path for request in repository.requests} == {"/v1.2/a/b.py"}
        asked = len(repository.requests)
    with web(tmp_path, plugin_repo=address, **QUICK) as served:
        assert told(served.get("/api/v3/engine/r")) == (200, "here")
        assert len(repository.requests) == asked


@row("A: distribution by Git")
def test_a_package_comes_from_a_repository_too(tmp_path: Path) -> None:
    folder = tmp_path / "repository" / "pack"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f"from .part import text\n{REQUESTS}    return text\n")
    (folder / "part.py").write_text("text = 'whole'\n")
    with web(tmp_path, plugin_repo=f"file://{tmp_path}/repository/", **QUICK) as served:
        scene = Scene(served)
        scene.trigger_of("request:r", "gh:pack/")
        assert told(served.get("/api/v3/engine/r")) == (200, "whole")
        other = "gh:pack/#sha256=" + "0" * 64
        assert scene.ask_trigger("request:s", other, "s").status_code == 500


@row("A: plugin registry")
def test_the_registry_tells_functions_and_what_does_not_compile(plain: Scene) -> None:
    plain.trigger("table:a", WRITES + "    pass\n" + CALLS + "    pass\n", "good")
    plain.ask_trigger("table:a", plain.plugin("def broken(:\n", "bad.py"), "bad")
    (good,), (bad,) = versions(plain, "good"), versions(plain, "bad")
    assert "process_writes" in good["entry_points"]
    assert "process_scheduled_call" in good["entry_points"]
    assert "process_request" not in good["entry_points"]
    assert good.get("problem") is None
    assert "SyntaxError" in bad["problem"]


@row("A: method and path of requests")
def test_a_request_tells_its_method_and_path(scene: Scene) -> None:
    body = "    h = request_headers\n    return [h.method, h.path, h.query_string, sorted(h) == sorted(dict(h))]\n"
    target = scene.endpoint(REQUESTS + body)
    assert scene.web.post(f"{target}?a=x+y").json() == ["POST", target, "a=x+y", True]
    assert scene.web.get(target).json() == ["GET", target, "", True]


@row("A: path specification")
def test_path_is_another_word_for_request(plain: Scene) -> None:
    plain.trigger(f"path:{plain.database}", HERE)
    assert plain.triggers()[0]["trigger_specification"] == f'{{"request_path":{{"path":"{plain.database}"}}}}'
    assert told(plain.web.get(f"/api/v3/engine/{plain.database}")) == (200, "here")


@pytest.mark.parametrize(
    ("spec", "is_told"),
    [
        pytest.param("cron:0 0 6 * * 1-5", True, id="A: weekday numbers"),
        pytest.param("cron:0 0 6 * * MON-FRI", False, id="names of days A: weekday numbers"),
    ],
)
def test_numbers_of_weekdays_are_warned_of(plain: Scene, spec: str, is_told: bool) -> None:
    answer = plain.ask_trigger(spec, plain.plugin(CALLS + "    pass\n"))
    assert answer.status_code == 200
    assert any("1 = Sunday" in text for text in answer.headers.get_list(WARNING)) is is_told


@pytest.mark.parametrize(
    ("behavior", "waits_s", "disabled"),
    [
        pytest.param("log", (), False, id="log A: error behaviour of requests"),
        pytest.param("retry", (0.1, 0.2, 0.4, 0.8), False, id="retry A: error behaviour of requests"),
        pytest.param("disable", (), True, id="disable A: error behaviour of requests"),
    ],
)
def test_requests_follow_the_error_behaviour(
    timed: Timed, behavior: str, waits_s: tuple[float, ...], disabled: bool
) -> None:
    target = timed.endpoint(REQUESTS + "    raise ValueError('x')\n", error_behavior=behavior)

    async def ask() -> httpx.Response:
        answer = asyncio.create_task(timed.web.client.get(target))
        for number, wait_s in enumerate(waits_s, start=1):
            await asyncio.to_thread(eventually, lambda: attempts_now(timed) == number)  # noqa: B023 - waited for
            assert not answer.done()
            timed.advance(wait_s + 0.01)
        return await answer

    answer = timed.web.run(ask())
    assert (answer.status_code, answer.json()) == (500, {"error": "Python function call failed: ValueError: x"})
    assert [run["attempt"] for run in timed.runs_when(len(waits_s) + 1)] == list(range(1, len(waits_s) + 2))
    eventually(lambda: timed.triggers()[0]["disabled"] is disabled)
    assert timed.rows("SELECT * FROM system.processing_engine_dead_letters") == []


def attempts_now(timed: Timed) -> int:
    """Return how many runs are recorded; may be called while a request is under way."""
    write(timed.web.engine, timed.database, "settled v=1")
    return len(query(timed.web.engine, timed.database, "SELECT run_id FROM system.processing_engine_runs"))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param("def broken(:\n", "SyntaxError", id="A: validation at creation"),
        pytest.param(CALLS + "    pass\n", "process_writes", id="no function A: validation at creation"),
    ],
)
def test_what_cannot_work_is_told_when_it_is_created(plain: Scene, code: str, text: str) -> None:
    plugin = plain.plugin(code)
    refused = plain.ask_trigger("table:a", plugin, strict=True)
    assert refused.status_code == 400
    assert text in refused.text
    assert plain.triggers() == []
    answer = plain.ask_trigger("table:a", plugin)
    assert answer.status_code == 200
    assert text in " ".join(answer.headers.get_list(WARNING))


@row("A: absolute paths")
def test_an_absolute_path_is_refused_even_inside_the_plugin_folder(plain: Scene) -> None:
    path = str(plain.web.plugins / plain.plugin(HERE))
    answer = plain.ask_trigger("request:r", path)
    assert answer.status_code == 500
    assert answer.text.startswith("Plugin error: Path traversal detected")


@row("A: logs in the trigger's database")
def test_a_log_belongs_to_its_database_and_survives(tmp_path: Path) -> None:
    code = WRITES + "    influxdb3_local.info('mine')\n    raise ValueError('x')\n"
    with web(tmp_path, **QUICK) as served:
        scene, other = Scene(served, "db"), Scene(served, "other")
        scene.trigger("table:a", code)
        scene.write("a v=1")
        scene.line_when("ERROR")
        scene.logged(1)
        assert other.lines() == []
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        assert scene.own_lines() == ["INFO mine"]
        assert "ERROR error executing wal plugin: ValueError: x" in scene.lines()


@row("A: logs contain errors")
def test_the_log_has_the_traceback(scene: Scene) -> None:
    scene.trigger("table:a", WRITES + "    raise ValueError('x')\n")
    scene.write("a v=1")
    scene.line_when("ERROR")
    sql = "SELECT log_text, error_details FROM system.processing_engine_logs WHERE log_level = 'ERROR'"
    (error,) = scene.rows(sql)
    assert error["log_text"] == "error executing wal plugin: ValueError: x"
    assert "raise ValueError('x')" in error["error_details"]
    assert error["error_details"].startswith("Traceback (most recent call last):")


@row("A: all result types")
def test_every_type_of_a_result_is_a_python_value(scene: Scene) -> None:
    body = """
    sql = '''SELECT CAST(7 AS INT) AS i, CAST('2026-11-21' AS DATE) AS d, CAST(1.25 AS DECIMAL(5,2)) AS n,
             arrow_cast(5, 'Timestamp(Second, None)') AS s, [1, 2] AS l, arrow_cast('x', 'Utf8View') AS v,
             INTERVAL '1 hour' AS h, arrow_cast('y', 'LargeUtf8') AS y'''
    (row,) = influxdb3_local.query(sql)
    return [row["i"], row["s"], row["l"], row["v"], row["y"], str(row["n"]), len(row)]
    """
    assert scene.told(body) == [7, 5_000_000_000, [1, 2], "x", "y", "1.25", 8]


def dry_run(scene: Scene, kind: str, **body: Any) -> dict[str, Any]:
    answer = scene.web.post(f"/api/v3/plugin_test/{kind}", json={"database": scene.database} | body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


@row("A: dry runs of all kinds")
def test_a_request_can_be_tried_and_a_failure_keeps_what_came_before(scene: Scene) -> None:
    body = """
    influxdb3_local.info("begun", request_headers.method, query_parameters, request_body)
    influxdb3_local.write(LineBuilder("out").int64_field("v", 1))
    if request_body == b"fail":
        raise ValueError("x")
    return {"fine": True}, 201
    """
    plugin = scene.plugin(REQUESTS + body)
    given = {"filename": plugin, "method": "POST", "query_params": {"a": "b"}}
    fine = dry_run(scene, "request", body="hello", **given)
    assert fine["log_lines"][1] == "INFO: begun POST {'a': 'b'} b'hello'"
    assert (fine["response"]["status"], fine["response"]["body"]) == (201, '{"fine": true}')
    assert (fine["database_writes"], fine["errors"]) == ({scene.database: ["out v=1i"]}, [])
    failed = dry_run(scene, "request", body=base64.b64encode(b"fail").decode(), body_is_base64=True, **given)
    assert failed["errors"] == ["error executing plugin: ValueError: x"]
    assert failed["log_lines"][1] == "INFO: begun POST {'a': 'b'} b'fail'"
    assert scene.tables() == set()


@row("A: periods in dry runs")
@pytest.mark.parametrize("schedule", ["every:10s", "cron:*/10 * * * * *"])
def test_a_schedule_can_be_tried_with_its_prefix(plain: Scene, schedule: str) -> None:
    shown = dry_run(plain, "schedule", filename=plain.plugin(CALLS + "    pass\n"), schedule=schedule)
    assert shown["errors"] == []
    assert int(shown["trigger_time"][-3:-1]) % 10 == 0


@row("A: self-triggering")
def test_a_trigger_that_feeds_itself_turns_once_a_second_and_says_so_once(timed: Timed) -> None:
    code = (
        WRITES
        + """
    turn = max(int(row.get("turn") or 0) for batch in table_batches for row in batch["rows"]) + 1
    influxdb3_local.write(LineBuilder("out").int64_field("turn", turn).time_ns(turn))
    """
    )
    timed.trigger("all_tables", code)
    timed.web.write("a v=1", f"db={timed.database}")
    turns = "SELECT turn FROM out"
    timed.rows_when(turns, 2)
    for count in (3, 4):
        timed.advance(0.9)
        assert len(timed.rows(turns)) == count - 1
        timed.advance(0.2)
        timed.rows_when(turns, count)
    timed.advance(0.06)
    told_of = "SELECT log_text FROM system.processing_engine_logs WHERE log_level = 'WARN'"
    timed.web.write("x v=1", "db=elsewhere")
    assert len(timed.rows_when(told_of)) == 1


@row("A: update of a trigger")
def test_a_trigger_is_updated_in_place(scene: Scene) -> None:
    scene.trigger("table:a", WRITES + "    influxdb3_local.info(args)\n", trigger_arguments={"k": "1"})
    scene.write("a v=1")
    scene.logged(1)
    changes = {"db": scene.database, "trigger_name": "t", "trigger_specification": "table:b"}
    changes |= {"trigger_arguments": {"k": "2"}, "trigger_settings": {"error_behavior": "retry"}}
    assert told(scene.web.send("PATCH", TRIGGERS, json=changes)) == (200, "")
    scene.write("a v=2\nb v=3")
    assert scene.logged(2) == ["INFO {'k': '1'}", "INFO {'k': '2'}"]
    (shown,) = scene.triggers()
    assert shown["trigger_specification"] == '{"single_table_wal_write":{"table_name":"b"}}'
    assert shown["error_behavior"] == "retry"


@row("A: secrets")
def test_a_secret_reaches_the_plugin_and_nothing_that_people_read(scene: Scene) -> None:
    secret = f"hunter2-{scene.database}"
    (scene.web.plugins / f"{scene.database}_key").write_text(f"{secret}\n")
    reference = f"file:{scene.database}_key"
    code = REQUESTS + "    influxdb3_local.info('with', args['key'])\n    return [args['key'][::-1]]\n"
    target = scene.endpoint(code, trigger_arguments={"key": reference})
    assert scene.web.get(target).json() == [secret[::-1]]
    assert scene.logged(1) == ["INFO with ***"]
    (argument,) = scene.rows("SELECT argument_value FROM system.processing_engine_trigger_arguments")
    assert argument["argument_value"] == reference
    assert secret not in scene.web.engine.paths.catalog.read_text()


@row("A: engine off")
def test_each_operation_says_alike_that_there_is_no_plugin_folder(tmp_path: Path) -> None:
    with web(tmp_path, plugin_dir=None, virtual_env_location=None) as served:
        scene = Scene(served, "db")
        run = {"filename": "p.py", "database": "db"}
        environment = "/api/v3/configure/plugin_environment"
        answers = [
            scene.ask_trigger("all_tables", "p.py"),
            served.post("/api/v3/plugin_test/wal", json=run | {"input_lp": "m v=1"}),
            served.post("/api/v3/plugin_test/schedule", json=run),
            served.post("/api/v3/plugin_test/request", json=run),
            served.post("/api/v3/plugins/files", json={"plugin_name": "p.py", "content": ""}),
            served.send("PUT", "/api/v3/plugins/files", json={"plugin_name": "t", "content": ""}),
            served.post(f"{environment}/install_packages", json={"packages": ["x"]}),
            served.post(f"{environment}/install_requirements", json={"requirements_location": "x"}),
        ]
        texts = {told(answer) for answer in answers}
        assert len(texts) == 1, texts
        ((status, text),) = texts
        assert status == 500
        assert text.startswith("Plugin error: No plugin directory configured")


@row("A: graceful stop")
def test_a_stop_lets_runs_end_and_keeps_what_they_wrote(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = (
        WAIT_FOR
        + WRITES
        + """
    influxdb3_local.info("begun")
    wait_for(args["gate"])
    influxdb3_local.write(LineBuilder("out").int64_field("v", 1))
    """
    )
    with web(tmp_path, shutdown_timeout_s=20.0, **QUICK) as served:
        scene = Scene(served, "db")
        scene.trigger("table:a", code, trigger_arguments={"gate": str(gate)})
        scene.write("a v=1")
        scene.logged(1)
        threading.Timer(0.2, gate.touch).start()
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        assert scene.rows("SELECT v FROM out") == [{"v": 1}]
        assert [run["outcome"] for run in scene.runs_when(1)] == ["success"]


@row("A: execution tracking")
def test_runs_are_kept_with_what_they_used_and_counted_for_prometheus(scene: Scene) -> None:
    code = REQUESTS + "    influxdb3_local.write(LineBuilder('out').int64_field('n', 1))\n    return 'x'\n"
    scene.web.get(scene.endpoint(code))
    columns = "started, queue_delay, duration, cpu_time, peak_memory, rows_in, lines_out, attempt, outcome"
    (kept,) = scene.rows_when(f"SELECT {columns} FROM system.processing_engine_runs")
    assert (kept["rows_in"], kept["lines_out"], kept["attempt"], kept["outcome"]) == (0, 1, 1, "success")
    assert kept["peak_memory"] > 1_000_000
    assert kept["started"]
    figures = scene.web.get("/metrics").text
    assert f'influxdb3_trigger_runs_total{{db="{scene.database}",outcome="success",trigger="r"}} 1.0' in figures
    assert f'influxdb3_trigger_run_duration_seconds_count{{db="{scene.database}",trigger="r"}} 1.0' in figures


@row("A: disable until enabled")
def test_a_trigger_that_an_error_switched_off_tells_since_when_and_why(scene: Scene) -> None:
    state = "SELECT state, reason FROM system.processing_engine_trigger_state"
    target = scene.endpoint(REQUESTS + "    raise ValueError('no more')\n", error_behavior="disable")
    assert scene.web.get(target).status_code == 500
    (row,) = eventually(lambda: [r for r in scene.rows(state) if r["state"] == "failed" and r.get("reason")])
    assert row["reason"].startswith("disabled at 20")
    assert row["reason"].endswith(" UTC due to error: ValueError: no more")
    assert scene.switch("enable", "r").status_code == 200
    assert scene.rows(state) == [{"state": "enabled"}]


@row("A: last and distinct values")
def test_runs_read_caches_which_hold_the_rows_that_woke_them(scene: Scene) -> None:
    code = (
        WRITES
        + """
    last = influxdb3_local.query("SELECT v FROM last_cache('m') WHERE host = $host", {"host": "a"})
    hosts = influxdb3_local.query("SELECT host FROM distinct_cache('m', 'hosts')")
    influxdb3_local.info([row["v"] for row in last], [row["host"] for row in hosts])
    """
    )
    scene.write("m,host=before v=0")
    for kind, columns in (("last_cache", {"key_columns": ["host"]}), ("distinct_cache", {"columns": ["host"]})):
        body = {"db": scene.database, "table": "m", "name": "hosts", **columns}
        assert scene.web.post(f"/api/v3/configure/{kind}", json=body).status_code == 201
    scene.trigger("table:m", code)
    scene.write("m,host=a v=1 1\nm,host=b v=2 1")
    assert scene.logged(1) == ["INFO [1.0] []"]  # rows of 1970 are too old to count as values in use
    scene.write("m,host=a v=3")
    assert scene.logged(2)[1] == "INFO [3.0] ['a']"
