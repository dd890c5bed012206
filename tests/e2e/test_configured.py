"""``influxdb3 serve`` as a process: what it is told, what it says about itself, and how it ends while plugins run."""

import json
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.serving import PROGRAM, Launch, Serving, clean_environment, launch, serving

pytestmark = pytest.mark.process

WAIT_S = 60
SLOW = """\
import os, time
def process_writes(influxdb3_local, table_batches, args=None):
    line = LineBuilder("out").int64_field("rows", sum(len(batch["rows"]) for batch in table_batches))
    influxdb3_local.write(line)
    influxdb3_local.info("sleeping")
    while not os.path.exists(os.path.join(os.environ["PLUGIN_DIR"], "go")):
        time.sleep(0.05)
"""


def stopped(served: Serving) -> str:
    """Stop a server; return its log."""
    served.process.terminate()
    assert served.process.wait(WAIT_S) == 0
    return served.log.read_text()


def rows(served: Serving, sql: str) -> object:
    params = {"db": "_internal" if "system.nodes" in sql else "foo", "q": sql}
    return httpx.get(f"{served.url}/api/v3/query_sql", params=params, timeout=WAIT_S).json()


def test_a_server_of_a_file_says_what_it_does(tmp_path: Path) -> None:
    file = tmp_path / "influxdb3-core.conf"
    (tmp_path / "plugins").mkdir()
    file.write_text(f'node-id="n1"\nplugin-dir="{tmp_path}/plugins"\nlog-format="json"\nnum-io-threads = 2\n')
    launched = launch(tmp_path, "--without-auth", environment={"INFLUXDB3_CONFIG": str(file)})
    try:
        served = launched.listening()
        [node] = rows(served, "SELECT node_id, cli_params FROM system.nodes")  # type: ignore[misc]
        log = stopped(served)
    finally:
        launched.end()
    assert (node["node_id"], json.loads(node["cli_params"])["log-format"]) == ("n1", "json")
    told = [json.loads(line)["fields"]["message"] for line in log.splitlines()]
    assert told[0] == f"taken, but without effect here: num-io-threads in {file}, line 4"
    facts = dict(line.split(maxsplit=1) for line in told[:-1])
    assert facts["config"] == str(file)
    assert facts["node"] == "n1"
    assert facts["data"] == str(tmp_path / "data" / "n1")
    assert facts["address"] == f"{served.url} (this machine only)"
    assert facts["plugins"].startswith(f"{tmp_path}/plugins, ")
    assert facts["tokens"] == "not needed (--without-auth)"
    assert told[-1] == "stopped"


@pytest.mark.parametrize(("option", "is_told"), [("-vv", True), ("-v", False)])
def test_telemetry_is_told_with_two_v(tmp_path: Path, option: str, is_told: bool) -> None:  # cli 88
    with serving(tmp_path, "--object-store", "memory", option, "--disable-telemetry-upload") as served:
        # Nobody asked for plugins, so no process is there for them.
        assert psutil.Process(served.process.pid).children(recursive=True) == []
        log = stopped(served)
    assert ("Initializing TelemetryStore with upload disabled." in log) is is_told
    assert not (tmp_path / "data").exists()
    assert "data      in a private folder that goes with the server" in log


def test_a_server_that_nobody_told_anything_says_where_it_is_and_what_comes_next(tmp_path: Path) -> None:
    address, log = tmp_path / "address", tmp_path / "log"
    environ = clean_environment(tmp_path) | {
        "INFLUXDB3_HTTP_BIND_ADDR": "127.0.0.1:0",
        "INFLUXDB3_TCP_LISTENER_FILE_PATH": str(address),
    }
    with log.open("wb") as output:
        process = subprocess.Popen([PROGRAM], stdout=output, stderr=output, cwd=tmp_path, env=environ)
    launched = Launch(process, address, log)
    try:
        served = launched.listening()
        text = stopped(served)
    finally:
        launched.end()
    assert f"data      {tmp_path}/.influxdb/node0\n" in text
    steps = [line.partition("next      influxdb3 ")[2] for line in text.splitlines() if " next " in line]
    assert [step.split(maxsplit=1)[0] for step in steps] == ["create", "write", "query", "serve"]
    assert steps[0] == f"create token --host {served.url} --admin"


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--config", "none.conf"], 2, "error: the configuration file {}/none.conf cannot be read: No such file"),
        (["--mode", "process"], 2, "error: --mode says process, which needs --plugin-dir"),
        (["--node-id-from-env", "POD"], 1, "Serve command failed: Must set INFLUXDB3_NODE_IDENTIFIER_PREFIX=POD to a"),
    ],
)
def test_what_it_cannot_be_told_ends_it(tmp_path: Path, options: list[str], code: int, text: str) -> None:
    ended = subprocess.run(
        [PROGRAM, "serve", *options],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(text.format(tmp_path))
    assert len(ended.stderr.splitlines()) == 1


def test_a_run_that_does_not_end_in_time_leaves_nothing_and_is_done_again(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "slow.py").write_text(SLOW)
    options = ("--without-auth", "--plugin-dir", str(plugins), "--shutdown-timeout", "500ms")
    with serving(tmp_path, *options) as served:
        _create_trigger(served)
        httpx.post(f"{served.url}/api/v3/write_lp?db=foo", content="cpu v=1 1\ncpu v=2 2")
        _wait_for(served, "SELECT log_text FROM system.processing_engine_logs WHERE log_text = 'sleeping'")
        log = stopped(served)
    assert f"stopping: signal={signal.SIGTERM.name}; requests and plugins under way may take 0.5s" in log
    assert "runs did not end in time and are cancelled, without effects: runs=1" in log
    (plugins / "go").write_text("")
    with serving(tmp_path, *options) as served:
        _wait_for(served, "SELECT 1 FROM information_schema.tables WHERE table_name = 'out'")
        _wait_for(served, "SELECT rows FROM out")
        assert rows(served, "SELECT rows FROM out") == [{"rows": 2}]
        sql = "SELECT trigger_name FROM system.processing_engine_dead_letters"
        assert rows(served, sql) == []


def _create_trigger(served: Serving) -> None:
    httpx.post(f"{served.url}/api/v3/configure/database", json={"db": "foo"}).raise_for_status()
    body = {
        "db": "foo",
        "plugin_filename": "slow.py",
        "trigger_name": "slow",
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "trigger_specification": "table:cpu",
        "disabled": False,
    }
    httpx.post(f"{served.url}/api/v3/configure/processing_engine_trigger", json=body).raise_for_status()


def _wait_for(served: Serving, sql: str) -> None:
    """Return when ``sql`` has rows."""
    for _ in range(1000):
        if rows(served, sql):
            return
    raise AssertionError(f"no rows came: {sql}")
