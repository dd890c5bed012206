"""Plugins that crash, freeze, loop or exit, with innocent runs in flight in the same plugin host."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import eventually
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
CULPRIT = """
import ctypes
import os
import sys


def process_writes(influxdb3_local, table_batches, args=None):
    {deed}
"""
STUBBORN = """while True:
        try:
            while True:
                pass
        except BaseException:
            pass"""
LOOP = "while True: pass"
HOLD_GIL = "ctypes.PyDLL(None).sleep(1000)"
INNOCENTS = {"careful": "disable", "easy": "log"}


@dataclass(frozen=True)
class Deed:
    """What a plugin does, and what the record of its run has to say of it.

    Attributes:
        ends_host: it takes the plugin host with it.
        starves: others in its host get no turn before that, not even to say that they began.
        timeout_s: limit of its trigger's runs, ``None`` = none.
    """

    code: str
    outcome: str
    reason: str
    ends_host: bool
    timeout_s: float | None = None
    starves: bool = False


DEEDS = [
    pytest.param(Deed(LOOP, "timeout", "passed its timeout of 0.5 s", False, 0.5), id="endless-loop"),
    pytest.param(
        Deed(STUBBORN, "timeout", "passed its timeout of 0.5 s", True, 0.5, starves=True),
        id="loop-that-catches-everything",
    ),
    pytest.param(Deed("os._exit(1)", "crash", "exited with status 1", True), id="os-exit"),
    pytest.param(Deed("ctypes.string_at(0)", "crash", "SIGSEGV", True), id="segfault"),
    pytest.param(Deed(HOLD_GIL, "crash", "gave no sign of life for 1.5 s", True, starves=True), id="held-gil"),
    pytest.param(Deed("sys.exit()", "error", "SystemExit", False), id="sys-exit"),
]


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
    return serving(folder, "--without-auth", "--plugin-dir", str(plugins), "--plugin-freeze-timeout", "1.5s")


@pytest.mark.parametrize("deed", DEEDS)
def test_a_hostile_plugin_harms_nobody_else(
    server: Serving, plugins: Path, deed: Deed, request: pytest.FixtureRequest
) -> None:
    database = request.node.callspec.id.replace("-", "_")
    (plugins / f"{database}.py").write_text(CULPRIT.format(deed=deed.code))
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
        assert (run["outcome"], deed.reason in run["error"]) == (deed.outcome, True), run
        _check_innocents(asking, writer, deed)
        asking.delete_trigger("culprit")


_RUNS_OF_CULPRIT = "SELECT outcome, error FROM system.processing_engine_runs WHERE trigger_name = 'culprit'"


def _create_triggers(asking: Client, plugin: str, deed: Deed) -> None:
    assert asking.write("other n=1i 1")
    for name, behavior in INNOCENTS.items():
        arguments = {"into": name}
        asking.create_trigger(name, "table:input", "innocent.py", error_behavior=behavior, trigger_arguments=arguments)
    asking.create_trigger("culprit", "table:poison", plugin, error_behavior="disable", timeout_s=deed.timeout_s)


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
    enabled = asking.rows_when(sql, lambda rows: len(rows) <= len(INNOCENTS))
    assert [row["trigger_name"] for row in enabled] == sorted(INNOCENTS)


def _are_at_least(number: int, rows: list[dict[str, Any]]) -> bool:
    return len(rows) >= number


@pytest.mark.parametrize("code", [pytest.param(LOOP, id="loop"), pytest.param(HOLD_GIL, id="held-gil")])
def test_hosts_are_gone_when_the_server_is_killed(tmp_path: Path, code: str) -> None:
    plugins, sign = tmp_path / "plugins", tmp_path / "began"
    plugins.mkdir()
    (plugins / "culprit.py").write_text(CULPRIT.format(deed=f"open({str(sign)!r}, 'w').close()\n    {code}"))
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
