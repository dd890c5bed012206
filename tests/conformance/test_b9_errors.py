"""Checklist B9: what follows an error, and the life of a trigger from its creation to its end."""

import json
import time
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.engines import eventually
from tests.support.live import Client
from tests.support.scene import CALLS, QUICK, REQUESTS, WRITES, Scene, Timed
from tests.support.serving import serving
from tests.support.web import told, web

WRITES_NOTHING = WRITES + "    pass\n"
NOTE = WRITES + "    influxdb3_local.info(*[row['v'] for batch in table_batches for row in batch['rows']])\n"
FAIL = NOTE + "    raise ValueError('no luck')\n"
EXISTS = "attempted to create a resource that already exists"


@row("B9.1")
def test_log_keeps_the_error_and_goes_on(scene: Scene) -> None:
    scene.trigger("table:a", FAIL, error_behavior="log")
    for count in (1, 2):
        scene.write(f"a v={count}i")
        scene.runs_when(count)
    errors = [line for line in scene.lines() if line.startswith("ERROR")]
    assert errors == ["ERROR error executing wal plugin: ValueError: no luck"] * 2
    assert scene.logged(2) == ["INFO 1", "INFO 2"]
    assert scene.triggers()[0]["disabled"] is False


TAKES_TIME = (
    WRITES
    + """
    values = [row["v"] for batch in table_batches for row in batch["rows"]]
    attempt = influxdb3_local.query("SELECT count(*) AS n FROM attempts")[0]["n"]
    line = LineBuilder("attempts").string_field("values", str(values)).time_ns(attempt)
    influxdb3_local.write_sync(line, no_sync=False)
    for value in values:
        influxdb3_local.write(LineBuilder("out").int64_field("v", value).time_ns(value))
    if attempt < int(args.get("failures", 0)) or str(args.get("poison")) in map(str, values):
        raise ValueError("not yet")
"""
)
ATTEMPTS = "SELECT values FROM attempts WHERE time > '1970-01-01' ORDER BY time"
LETTERS = "SELECT trigger_name, table_name, rows, attempts, error, traceback, input FROM system.processing_engine_dead_letters"


def failing(timed: Timed, **arguments: str) -> None:
    """Make a trigger that retries, and write a batch of three rows for it."""
    timed.write('attempts values="" 0')
    timed.trigger("table:a", TAKES_TIME, error_behavior="retry", trigger_arguments=arguments)
    timed.write("a v=1i 1\na v=2i 2\na v=3i 3")


def attempts(timed: Timed, *delays_s: float) -> list[str]:
    """Return what each attempt was given; each but the first comes after its delay, and not earlier."""
    timed.runs_when(1)
    for number, delay_s in enumerate(delays_s, start=1):
        timed.advance(delay_s - 0.01)
        assert len(timed.rows(ATTEMPTS)) == number
        timed.advance(0.02)
        timed.runs_when(number + 1)
    return [found["values"] for found in timed.rows(ATTEMPTS)]


@row("B9.2")
def test_retry_repeats_the_same_batch_until_it_succeeds(timed: Timed) -> None:
    failing(timed, failures="3")
    assert attempts(timed, 0.1, 0.2) == ["[1, 2, 3]"] * 3
    assert [found["v"] for found in timed.rows_when("SELECT v FROM out ORDER BY v", 3)] == [1, 2, 3]
    runs = [(run["attempt"], run["outcome"]) for run in timed.runs_when(3)]
    assert runs == [(1, "error"), (2, "error"), (3, "success")]
    timed.advance(60)
    assert len(timed.runs_when(3)) == 3
    assert timed.rows(LETTERS) == []


@row("B9.3", "A: retry")
def test_after_five_attempts_the_rows_that_fail_are_put_aside_and_the_others_pass(timed: Timed) -> None:
    failing(timed, poison="2")
    seen = attempts(timed, 0.1, 0.2, 0.4)
    assert seen == ["[1, 2, 3]"] * 4
    timed.advance(0.8)
    (letter,) = timed.rows_when(LETTERS)
    assert (letter["trigger_name"], letter["table_name"], letter["rows"]) == ("t", "a", 1)
    assert letter["error"] == "ValueError: not yet"
    assert "raise ValueError" in letter["traceback"]
    assert [one["v"] for one in json.loads(letter["input"])["rows"]] == [2]
    assert [found["v"] for found in timed.rows("SELECT v FROM out ORDER BY v")] == [1, 3]
    timed.write("a v=4i 4")
    assert [found["v"] for found in timed.rows_when("SELECT v FROM out ORDER BY v", 3)] == [1, 3, 4]
    given = [found["values"] for found in timed.rows(ATTEMPTS)]
    assert given[:5] == ["[1, 2, 3]"] * 5
    assert given[-1] == "[4]"


@row("B9.3")
def test_an_outage_is_put_aside_whole_and_the_next_batch_follows(timed: Timed) -> None:
    failing(timed, failures="1000")
    attempts(timed, 0.1, 0.2, 0.4)
    timed.advance(0.8)
    (letter,) = timed.rows_when(LETTERS)
    assert letter["rows"] == 3
    assert [one["v"] for one in json.loads(letter["input"])["rows"]] == [1, 2, 3]
    before = len(timed.rows(ATTEMPTS))
    timed.write("a v=4i 4")
    eventually(lambda: len(timed.rows(ATTEMPTS)) > before)
    assert timed.rows(ATTEMPTS)[before]["values"] == "[4]"
    assert timed.tables() & {"out"} == set()


@row("B9.4")
def test_disable_is_kept_until_somebody_enables_the_trigger(tmp_path: Path) -> None:
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        scene.trigger("table:a", FAIL, error_behavior="disable")
        scene.write("a v=1i")
        scene.rows_when("SELECT * FROM system.processing_engine_triggers WHERE disabled")
        scene.write("a v=2i")
        served.engine.triggers.quiet()
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        assert [trigger["disabled"] for trigger in scene.triggers()] == [True]
        scene.write("a v=3i")
        (served.plugins / "db_t.py").write_text(NOTE)
        assert told(scene.switch("enable")) == (200, "")
        assert [trigger["disabled"] for trigger in scene.triggers()] == [False]
        scene.write("a v=4i")
        lines = scene.logged(3)
        assert [line for line in lines if line.startswith("INFO")] == ["INFO 1", "INFO 4"]
        assert "disabling trigger t due to error: ValueError: no luck" in " ".join(lines)


@row("B9.5")
@pytest.mark.parametrize("verb", ["disable", "delete"])
def test_a_trigger_that_retries_can_be_stopped_at_once(timed: Timed, verb: str) -> None:
    timed.trigger("table:a", FAIL, error_behavior="retry")
    timed.write("a v=1i")
    timed.runs_when(1)
    began_s = time.monotonic()
    assert told(timed.delete() if verb == "delete" else timed.switch("disable")) == (200, "")
    assert time.monotonic() - began_s < 2
    timed.advance(60)
    assert len(timed.runs_when(1)) == 1
    assert [trigger["disabled"] for trigger in timed.triggers()] == ([] if verb == "delete" else [True])


@row("B9.6")
def test_a_trigger_that_is_created_disabled_runs_when_it_is_enabled(scene: Scene) -> None:
    scene.trigger("table:a", NOTE, disabled=True)
    assert scene.triggers()[0]["disabled"] is True
    scene.write("a v=1i")
    assert told(scene.switch("enable")) == (200, "")
    assert scene.triggers()[0]["disabled"] is False
    scene.write("a v=2i")
    assert scene.logged(1) == ["INFO 2"]


@row("B9.7")
def test_enable_and_disable_may_come_twice(plain: Scene, connected: RunCli) -> None:
    plain.trigger("table:a", NOTE)
    for verb in ("enable", "disable", "disable", "enable", "enable"):
        assert told(plain.switch(verb)) == (200, "")
    for verb in ("enable", "enable", "disable", "disable"):
        ended = connected(verb, "trigger", "t", "--database", plain.database)
        assert (ended.code, ended.stdout) == (0, f"Trigger t {verb}d successfully\n")


@row("B9.8")
@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_trigger_that_is_not_there_is_not_found(plain: Scene, verb: str) -> None:
    assert told(plain.switch(verb, "nope")) == (404, "the requested resource was not found: nope")
    assert told(plain.delete("nope")) == (404, "the requested resource was not found: nope")


@row("B9.9", "A: errors of create and delete")
def test_an_enabled_trigger_is_only_deleted_by_force(plain: Scene, connected: RunCli) -> None:
    text = "Cannot delete running plugin t. Disable it first or use --force."
    plain.trigger("table:a", NOTE)
    assert told(plain.delete(force=False)) == (409, text)
    ended = connected("delete", "trigger", "t", "-d", plain.database)
    assert (ended.code, ended.stdout) == (1, "")
    assert text in ended.stderr
    assert len(plain.triggers()) == 1
    assert told(plain.delete(force=True)) == (200, "")
    assert plain.triggers() == []


@row("B9.9")
def test_a_disabled_trigger_needs_no_force(plain: Scene) -> None:
    plain.trigger("table:a", NOTE, disabled=True)
    assert told(plain.delete(force=False)) == (200, "")
    assert plain.triggers() == []


@row("B9.10")
def test_a_name_is_taken_in_its_own_database_only(plain: Scene) -> None:
    other = Scene(plain.web)
    plain.trigger("table:a", NOTE)
    assert told(plain.ask_trigger("table:b", plain.plugin(NOTE))) == (409, EXISTS)
    assert told(other.ask_trigger("table:b", other.plugin(NOTE))) == (200, "")
    assert [len(one.triggers()) for one in (plain, other)] == [1, 1]
    other.close()


@row("B9.11")
def test_a_trigger_needs_its_database(plain: Scene) -> None:
    answer = plain.ask_trigger("table:a", plain.plugin(NOTE), db="nowhere")
    assert told(answer) == (404, "Database not found nowhere")


@row("B9.12")
def test_the_triggers_of_a_deleted_database_stop_and_do_not_come_back(timed: Timed) -> None:
    plugin = NOTE + REQUESTS + "    return 'here'\n" + CALLS + "    influxdb3_local.info('called')\n"
    name = timed.plugin(plugin)
    for number, spec in enumerate(("all_tables", "every:1s", f"request:{timed.database}")):
        timed.trigger_of(spec, name, f"t{number}")
    files = "SELECT plugin_name FROM system.plugin_files"
    assert len(timed.rows(files, "_internal")) == 3
    timed.close()
    assert timed.web.get(f"/api/v3/engine/{timed.database}").status_code == 404
    runs = f"SELECT * FROM system.processing_engine_runs WHERE database_name = '{timed.database}'"
    timed.advance(5)
    assert timed.rows(runs, "_internal") == []
    assert timed.rows(files, "_internal") == []
    again = Timed(timed.web, timed.clock, timed.database)
    assert again.triggers() == []
    again.write("a v=1i")
    again.advance(5)
    assert again.lines() == []


@row("B9.13")
def test_definitions_survive_a_restart_as_they_are(tmp_path: Path) -> None:
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        scene.trigger("table:a", NOTE, "on", run_async=True, error_behavior="retry", trigger_arguments={"k": "v"})
        scene.trigger("cron:0 8 * * *", CALLS + "    pass\n", "off", disabled=True, error_behavior="disable")
        before, catalog = scene.triggers(), served.get("/api/v3/configure/catalog").json()
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served, "db")
        assert scene.triggers() == before
        assert served.get("/api/v3/configure/catalog").json() == catalog
        assert [trigger["disabled"] for trigger in before] == [True, False]
        scene.write("a v=7i")
        assert scene.logged(1) == ["INFO 7"]


def errors(scene: Scene, kind: str, code: str) -> list[str]:
    """Return the errors of a dry run of a plugin with ``code``."""
    body = {"filename": scene.plugin(code), "database": scene.database}
    body |= {"input_lp": "m v=1 1"} if kind == "wal" else {}
    shown: dict[str, list[str]] = scene.web.post(f"/api/v3/plugin_test/{kind}", json=body).json()
    return shown["errors"]


MISSING = "the {0} function is not present in the plugin. Should be defined as: {0}({1})"
PARAMETERS = {
    "process_writes": "influxdb3_local, table_batches, args=None",
    "process_scheduled_call": "influxdb3_local, call_time, args=None",
    "process_request": "influxdb3_local, query_parameters, request_headers, request_body, args=None",
}


@row("B9.14")
@pytest.mark.parametrize(("kind", "function"), [("wal", "process_writes"), ("schedule", "process_scheduled_call")])
def test_a_dry_run_names_the_function_that_is_missing(scene: Scene, kind: str, function: str) -> None:
    text = f"error executing plugin: {MISSING.format(function, PARAMETERS[function])}"
    assert errors(scene, kind, "process_other = 1\n") == [text]


@row("B9.14")
def test_a_run_names_the_function_that_is_missing(timed: Timed) -> None:
    plugin = timed.plugin("x = 1\n")
    timed.ask_trigger("table:a", plugin, "w")
    timed.ask_trigger("every:1s", plugin, "s")
    timed.ask_trigger("request:r", plugin, "r")
    timed.write("a v=1")
    timed.advance(1)
    text = MISSING.format("process_request", PARAMETERS["process_request"])
    text += " -> Tuple[str, Optional[Dict[str, str]]]"
    assert timed.web.get("/api/v3/engine/r").json() == {"error": text}
    timed.runs_when(3)
    shown = set(timed.lines())
    assert f"ERROR error executing request plugin: {text}" in shown
    for kind, function in (("wal", "process_writes"), ("schedule", "process_scheduled_call")):
        assert f"ERROR error executing {kind} plugin: {MISSING.format(function, PARAMETERS[function])}" in shown


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(
            "def process_writes(a, b):\n    pass\n",
            "TypeError: process_writes() takes 2 positional arguments but 3 were given",
            id="B9.15 two",
        ),
        pytest.param(
            "def process_writes(a, args=None):\n    pass\n",
            "TypeError: process_writes() takes from 1 to 2 positional arguments but 3 were given",
            id="B9.15 one or two",
        ),
        pytest.param(
            "x = 1\n  y = 2\n", "IndentationError: unexpected indent (<string>, line 2)", id="B9.16 at the top"
        ),
        pytest.param(
            "def process_writes(a, b, c):\n    x = 1\n        y = 2\n",
            "IndentationError: unexpected indent (<string>, line 3)",
            id="B9.16 inside",
        ),
    ],
)
def test_code_that_cannot_be_called(scene: Scene, code: str, text: str) -> None:
    assert errors(scene, "wal", code) == [f"error executing plugin: {text}"]
    scene.ask_trigger("table:a", scene.plugin(code))
    scene.write("a v=1")
    assert scene.line_when("ERROR") == f"ERROR error executing wal plugin: {text}"


@pytest.mark.process
@row("B9.17")
def test_a_sleeping_plugin_does_not_hold_up_the_end(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "p.py").write_text(
        "import time\n" + WRITES + "    influxdb3_local.info('asleep')\n    time.sleep(3600)\n"
    )
    with serving(tmp_path, "--without-auth", "--plugin-dir", str(plugins), "--shutdown-timeout", "1s") as server:
        client = Client(server.url, "db")
        assert client.write("a v=1")
        client.create_trigger("t", "table:a", "p.py")
        assert client.write("a v=2")
        client.rows_when("SELECT * FROM system.processing_engine_logs WHERE log_text = 'asleep'", bool)
        client.close()
        began_s = time.monotonic()
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert time.monotonic() - began_s < 1 + 2, "the timeout, and the time to tidy up"
