"""Plugins that crash, freeze, loop or exit, with innocent runs in flight in the same plugin host."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import eventually
from tests.support.hostile import DEEDS, FREEZE_TIMEOUT_S, MINE, Deed
from tests.support.live import Client, Writer, plugin_hosts
from tests.support.processes import Watched
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

SLOWEST_WRITE_S = 5.0
"""Far more than a write takes, far less than what a plugin here would hold it up for."""

INNOCENT = """
import time
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("began")
    time.sleep(0.1)
    for row in (row for batch in table_batches for row in batch["rows"]):
        line = LineBuilder(args["into"]).tag("effect", str(uuid.uuid4())).int64_field("number", row["number"])
        influxdb3_local.write(line.time_ns(row["time"]))
"""
INNOCENTS = {"careful": "disable", "easy": "log"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the plugins."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "innocent.py").write_text(INNOCENT)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[Serving]:
    """A server that all share, so that each case also meets what the others left."""
    with _server(tmp_path_factory.mktemp("server"), plugins) as running:
        yield running


def _server(folder: Path, plugins: Path) -> AbstractContextManager[Serving]:
    freeze = ("--plugin-freeze-timeout", f"{FREEZE_TIMEOUT_S}s")
    return serving(folder, "--without-auth", "--plugin-dir", str(plugins), *freeze)


@pytest.mark.parametrize("deed", [pytest.param(deed, id=name) for name, deed in DEEDS.items()])
def test_a_hostile_plugin_harms_nobody_else(
    server: Serving, plugins: Path, deed: Deed, request: pytest.FixtureRequest
) -> None:
    database = request.node.callspec.id.replace("-", "_")
    (plugins / f"{database}.py").write_text(deed.code)
    with closing(Client(server.url, database)) as asking, closing(Client(server.url, database)) as writing:
        _create_triggers(asking, f"{database}.py", deed)
        writer = Writer(writing, "input", 0, (1, 3), 0)
        writer.start()
        asking.rows_when(f"SELECT number FROM {min(INNOCENTS)} LIMIT 1", bool)
        assert asking.write("poison n=1i 1")
        before = writer.requests
        (run,) = asking.rows_when(_RUNS_OF_CULPRIT, bool)
        assert writer.requests > before, "writes waited for the plugin"
        writer.finish()
        assert writer.slowest_s < SLOWEST_WRITE_S
        assert deed.is_told_by(run["outcome"], run["error"]), run
        _check_innocents(asking, writer, deed)
        asking.delete_trigger("culprit")


_RUNS_OF_CULPRIT = "SELECT outcome, error FROM system.processing_engine_runs WHERE trigger_name = 'culprit'"


def _create_triggers(asking: Client, plugin: str, deed: Deed) -> None:
    assert asking.write("other n=1i 1")
    for name, behavior in INNOCENTS.items():
        arguments = {"into": name}
        asking.create_trigger(name, "table:input", "innocent.py", error_behavior=behavior, trigger_arguments=arguments)
    asking.create_trigger("culprit", "table:poison", plugin, error_behavior="disable", **deed.options)


def _check_innocents(asking: Client, writer: Writer, deed: Deed) -> None:
    """Hold that innocents did their work once, though runs of theirs were cut off, and that only the culprit is off."""
    expected = Counter(list(writer.acknowledged))
    cut_off = 0
    for name in INNOCENTS:
        found = asking.rows_when(f"SELECT number FROM {name}", lambda rows: len(rows) >= len(expected))
        assert Counter(row["number"] for row in found) == expected
        sql = "SELECT outcome, error FROM system.processing_engine_runs WHERE trigger_name = '{}'"
        runs = asking.rows(sql.format(name))
        assert {(run["outcome"], run["error"]) for run in runs} == {("success", "")}
        sql = "SELECT 1 FROM system.processing_engine_logs WHERE log_text = 'began' AND trigger_name = '{}'"
        began = asking.rows_when(sql.format(name), partial(_are_at_least, len(runs)))
        assert deed.ends_host or len(began) == len(runs)
        cut_off += len(began) - len(runs)
    assert cut_off or deed.starves or not deed.ends_host, "no innocent was in flight"
    sql = "SELECT trigger_name FROM system.processing_engine_triggers WHERE NOT disabled ORDER BY trigger_name"
    expected_on = sorted([*INNOCENTS, *(["culprit"] if deed.outcome == "success" else [])])
    enabled = asking.rows_when(sql, lambda rows: len(rows) <= len(expected_on))
    assert [row["trigger_name"] for row in enabled] == expected_on


def _are_at_least(number: int, rows: list[dict[str, Any]]) -> bool:
    return len(rows) >= number


def test_a_thread_that_kills_its_host_after_its_run_is_separated_from_the_innocents(
    server: Serving, plugins: Path
) -> None:
    (plugins / "mine.py").write_text(MINE.code)
    with closing(Client(server.url, "mines")) as client:
        assert client.write("other n=1i 1")
        client.create_trigger("mine", "table:mines", "mine.py")
        for number in range(12):  # three are enough if the machine lets each run end before its mine goes off
            before = eventually(partial(plugin_hosts, server.process.pid))
            assert client.write(f"mines n={number}i {number}")
            eventually(partial(_has_lost_one, server, before))
            if "trigger mine of database mines runs in a plugin host of its own" in server.log.read_text():
                break
        else:
            raise AssertionError("it goes on in the host of all")
        sql = "SELECT outcome FROM system.processing_engine_runs WHERE trigger_name = 'mine'"
        assert {row["outcome"] for row in client.rows_when(sql, bool)} <= {"success", "crash"}
        client.delete_trigger("mine")


def _has_lost_one(server: Serving, before: list[int]) -> bool:
    return bool(set(before) - set(plugin_hosts(server.process.pid)))


@pytest.mark.parametrize("name", ["endless-loop", "held-gil"])
def test_hosts_are_gone_when_the_server_is_killed(tmp_path: Path, name: str) -> None:
    plugins, sign = tmp_path / "plugins", tmp_path / "began"
    plugins.mkdir()
    deed = replace(DEEDS[name], body=f"open({str(sign)!r}, 'w').close()\n{DEEDS[name].body}")
    (plugins / "culprit.py").write_text(deed.code)
    with serving(tmp_path / "server", "--without-auth", "--plugin-dir", str(plugins)) as running:
        with closing(Client(running.url, "db")) as client:
            assert client.write("other n=1i 1")
            client.create_trigger("culprit", "table:poison", "culprit.py")
            assert client.write("poison n=1i 1")
            eventually(sign.exists)
        hosts = [Watched(pid) for pid in plugin_hosts(running.process.pid)]
        running.process.kill()
        running.process.wait()
        assert hosts
        for host in hosts:
            host.wait_gone()
