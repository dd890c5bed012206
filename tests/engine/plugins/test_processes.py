"""How a plugin host is started, and how its end reads."""

import sys
from pathlib import Path

import pytest

from engine.plugins.processes import HostConfig, HostProcess, exit_words, host_environment


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (1, "exited with status 1"),
        (-9, "was killed by signal 9 (SIGKILL)"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-35, "was killed by signal 35"),
    ],
)
def test_exit_statuses_read_as_words(status: int, words: str) -> None:
    assert exit_words(status) == words


def test_a_host_gets_the_servers_environment_and_the_plugins_places(tmp_path: Path) -> None:
    config = HostConfig({"PATH": "/bin", "HOME": "/h", "TZ": "CET"}, tmp_path / "p", tmp_path / "p" / ".venv")
    environment = host_environment(config)
    assert environment["HOME"] == "/h"
    assert environment["TZ"] == "UTC"
    assert environment["INFLUXDB3_PLUGIN_DIR"] == environment["PLUGIN_DIR"] == str(tmp_path / "p")
    assert environment["VIRTUAL_ENV"] == str(tmp_path / "p" / ".venv")
    assert environment["PATH"] == f"{tmp_path}/p/.venv/bin:/bin"


def test_the_source_tree_is_importable_in_a_host_before_what_was_so_before() -> None:
    root = str(Path(__file__).parents[3])
    assert host_environment(HostConfig({"PYTHONPATH": "/x"}))["PYTHONPATH"] == f"{root}:/x"
    assert host_environment(HostConfig({}))["PYTHONPATH"] == root


def test_the_server_s_own_plugin_dir_variable_wins(tmp_path: Path) -> None:
    config = HostConfig({"PLUGIN_DIR": "/configs"}, tmp_path)
    assert host_environment(config)["PLUGIN_DIR"] == "/configs"


def test_a_host_that_was_never_started_takes_everything_and_does_nothing() -> None:
    process = HostProcess(1)
    process.send(b"x")
    process.stop(0)
    process.kill()
    assert process.pid is None
    assert process.reap() == "could not be started"


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        HostProcess(1).start(HostConfig({}, command=("/nowhere/python",)), lambda: None)


@pytest.mark.process
def test_a_host_that_was_ended_before_it_was_started_ends_at_once() -> None:
    process = HostProcess(1)
    process.kill()
    process.start(HostConfig({}, command=(sys.executable, "-c", "import time; time.sleep(60)")), lambda: None)
    assert process.reap() == "was killed by signal 9 (SIGKILL)"
