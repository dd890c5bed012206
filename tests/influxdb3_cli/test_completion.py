"""What a shell is offered: words of the command line, and names that the server knows."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from influxdb3_cli.completion import VARIABLE
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.serving import PROGRAM, clean_environment, serving

Complete = Callable[[str], list[str]]

DATABASES = Reply(200, b'[{"iox::database":"_internal"},{"iox::database":"home"},{"iox::database":"house"}]')
NAMES = Reply(200, b'[{"name":"kitchen"},{"name":"kids_room"},{"name":"cellar"}]')


@pytest.fixture
def complete(cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Ask as bash does when somebody has typed a line and presses the tabulator key."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv(VARIABLE, "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        result = cli()
        assert (result.code, result.stderr) == (0, "")
        return result.stdout.split()

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("influxdb3 ser", ["serve"], id="a-command"),
        pytest.param("influxdb3 create t", ["table", "trigger", "token"], id="what-to-create"),
        pytest.param("influxdb3 create trigger --error-behavior ", ["log", "retry", "disable"], id="a-choice"),
        pytest.param("influxdb3 query --form", ["--format"], id="an-option"),
        pytest.param("influxdb3 completion ", ["bash", "zsh", "fish"], id="a-shell"),
    ],
)
def test_words_of_the_command_line(complete: Complete, line: str, expected: list[str]) -> None:
    assert complete(line) == expected


@pytest.mark.parametrize(
    ("line", "reply", "expected"),
    [
        pytest.param("influxdb3 query -d ho", DATABASES, ["home", "house"], id="database"),
        pytest.param("influxdb3 delete database ", DATABASES, ["_internal", "home", "house"], id="database-argument"),
        pytest.param("influxdb3 delete table -d home ki", NAMES, ["kitchen", "kids_room"], id="table"),
        pytest.param("influxdb3 create last_cache -d home -t c", NAMES, ["cellar"], id="table-of-a-cache"),
        pytest.param("influxdb3 enable trigger -d home ki", NAMES, ["kitchen", "kids_room"], id="trigger"),
        pytest.param("influxdb3 delete token --token-name ki", NAMES, ["kitchen", "kids_room"], id="token"),
        pytest.param("influxdb3 show system -d home table ce", NAMES, ["cellar"], id="system-table"),
    ],
)
def test_names_come_from_the_server(
    complete: Complete,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    reply: Reply,
    expected: list[str],
) -> None:
    monkeypatch.setenv("INFLUXDB3_HOST_URL", server.url)
    server.replies.append(reply)
    assert complete(line) == expected


def test_the_options_typed_so_far_say_whom_to_ask_and_as_whom(complete: Complete, server: ScriptedServer) -> None:
    server.replies.append(DATABASES)
    assert complete(f"influxdb3 query --host {server.url} --token apiv3_secret -d ho") == ["home", "house"]
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer apiv3_secret"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(401, b'{"error": "the request was not authenticated"}'), id="no-token"),
        pytest.param(Reply(200, b"<html>"), id="no-database"),
    ],
)
def test_a_server_that_tells_nothing_has_no_names_and_no_message(
    complete: Complete, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setenv("INFLUXDB3_HOST_URL", server.url)
    server.replies.append(reply)
    assert complete("influxdb3 query -d ho") == []


def test_without_server_or_database_there_are_no_names(complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXDB3_HOST_URL", "http://127.0.0.1:1")
    assert complete("influxdb3 query -d ho") == []
    assert complete("influxdb3 enable trigger ki") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(cli: RunCli, tmp_path: Path, shell: str) -> None:
    result = cli("completion", shell)
    assert (result.code, result.stderr) == (0, "")
    assert f"complete_{shell}" in result.stdout
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(result.stdout)
        subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True)


@pytest.mark.process
def test_bash_completes_the_name_of_a_database_of_a_real_server(tmp_path: Path) -> None:
    with serving(tmp_path / "server", "--without-auth") as server:
        asked = (
            f'eval "$({PROGRAM} completion bash)"; {PROGRAM} create database greenhouse >/dev/null;'
            'COMP_WORDS=(influxdb3 query -d gr); COMP_CWORD=3; _influxdb3_completion influxdb3; echo "${COMPREPLY[@]}"'
        )
        environment = clean_environment(tmp_path) | {
            "INFLUXDB3_HOST_URL": server.url,
            "PATH": f"{PROGRAM.parent}:/usr/bin:/bin",
        }
        done = subprocess.run(["bash", "-euc", asked], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("greenhouse\n", "")
