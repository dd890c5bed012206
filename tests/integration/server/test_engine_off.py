"""A server without plugin folder, on the data of one that had triggers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.plugins.places import NO_PLUGIN_DIR
from tests.support.web import TRIGGERS, Web, told, web

WRITES = "def process_writes(influxdb3_local, table_batches, args=None):\n    raise ValueError('no')\n"
ANSWERS = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n    return 'x'\n"
ENVIRONMENT = "/api/v3/configure/plugin_environment"
OFF = f"Plugin error: {NO_PLUGIN_DIR}"

Ask = Callable[[Web], httpx.Response]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("node")
    with web(folder) as before:
        before.engine.tables.create_database("foo")
        for name, spec, plugin, code in (("on", "table:a", "w.py", WRITES), ("answers", "request:a", "r.py", ANSWERS)):
            assert before.trigger(name, spec, plugin, code).status_code == 200
        assert before.trigger("off", "every:1h", "w.py", disabled=True).status_code == 200
        assert before.write("b v=1").status_code == 204
    with web(folder, plugin_dir=None, virtual_env_location=None) as without:
        yield without


def change(**changes: Any) -> Ask:
    return lambda server: server.send("PATCH", TRIGGERS, json={"db": "foo", **changes})


def post(path: str, **body: Any) -> Ask:
    return lambda server: server.post(path, json=body)


def put(path: str, **body: Any) -> Ask:
    return lambda server: server.send("PUT", path, json=body)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda s: s.trigger("t", "all_tables", "w.py"), id="create"),
        pytest.param(lambda s: s.trigger("t", "all_tables", "w.py", disabled=True), id="create disabled"),
        pytest.param(lambda s: s.trigger("t", "all_tables", "gh:w.py"), id="create from a repository"),
        pytest.param(lambda s: s.trigger("t", "all_tables", "w.py", plugin_files={"w.py": ""}), id="create with files"),
        pytest.param(lambda s: s.post(f"{TRIGGERS}/enable?db=foo&trigger_name=off"), id="enable"),
        pytest.param(lambda s: s.post(f"{TRIGGERS}/enable?db=foo&trigger_name=on"), id="enable what is enabled"),
        pytest.param(change(trigger_name="off", trigger_arguments={"a": "b"}), id="update arguments"),
        pytest.param(change(trigger_name="off", plugin_filename="r.py"), id="update the plugin"),
        pytest.param(change(trigger_name="on", **{"from": "beginning"}), id="begin anew"),
        pytest.param(post(f"{TRIGGERS}/backfill", db="foo", trigger_name="on"), id="backfill"),
        pytest.param(post("/api/v3/plugin_test/wal", filename="w.py", database="foo", input_lp="a b=1"), id="test wal"),
        pytest.param(post("/api/v3/plugin_test/schedule", filename="w.py", database="foo"), id="test schedule"),
        pytest.param(post("/api/v3/plugin_test/request", filename="w.py", database="foo"), id="test request"),
        pytest.param(post("/api/v3/plugins/files", plugin_name="x.py", content=""), id="upload"),
        pytest.param(put("/api/v3/plugins/files", plugin_name="on", content=""), id="update the file"),
        pytest.param(put("/api/v3/plugins/directory", plugin_name="on", files=[]), id="update the folder"),
        pytest.param(post(f"{ENVIRONMENT}/install_packages", packages=["x"]), id="install packages"),
        pytest.param(post(f"{ENVIRONMENT}/install_requirements", requirements_location="r.txt"), id="install a list"),
    ],
)
def test_each_operation_on_plugins_says_that_the_engine_is_off(server: Web, ask: Ask) -> None:
    assert told(ask(server)) == (500, OFF)


@pytest.mark.parametrize("path", ["a", "unknown"])
def test_requests_to_plugins_say_so_too(server: Web, path: str) -> None:
    answer = server.get(f"/api/v3/engine/{path}")
    assert (answer.status_code, answer.json()) == (503, {"error": NO_PLUGIN_DIR})


def test_the_triggers_that_there_are_are_shown_with_the_reason(server: Web) -> None:
    rows = server.rows("SELECT trigger_name, state, reason FROM system.processing_engine_trigger_state ORDER BY 1")
    assert rows == [
        {"trigger_name": "answers", "state": "enabled", "reason": NO_PLUGIN_DIR},
        {"trigger_name": "off", "state": "disabled"},
        {"trigger_name": "on", "state": "enabled", "reason": NO_PLUGIN_DIR},
    ]


def test_what_is_written_waits_and_dead_letters_cannot_be_retried(tmp_path: Path) -> None:
    letters = f"{TRIGGERS}/dead_letters/retry"
    with web(tmp_path) as before:
        before.engine.tables.create_database("foo")
        retry = {"run_async": False, "error_behavior": "retry"}
        assert before.trigger("on", "table:a", "w.py", WRITES, trigger_settings=retry).status_code == 200
    with web(tmp_path, plugin_dir=None, virtual_env_location=None) as without:
        assert without.write("a v=1").status_code == 204
        assert without.rows("SELECT lag_rows FROM system.processing_engine_trigger_state") == [{"lag_rows": 1}]
        asked = without.post(letters, json={"db": "foo", "trigger_name": "on", "all": True})
        assert told(asked) == (500, OFF)


def test_triggers_are_disabled_and_deleted_without_plugins(tmp_path: Path) -> None:
    with web(tmp_path) as before:
        before.engine.tables.create_database("foo")
        assert before.trigger("on", "table:a", "w.py", WRITES).status_code == 200
    with web(tmp_path, plugin_dir=None, virtual_env_location=None) as without:
        assert without.post(f"{TRIGGERS}/disable?db=foo&trigger_name=on").status_code == 200
        assert without.delete(f"{TRIGGERS}?db=foo&trigger_name=on").status_code == 200
