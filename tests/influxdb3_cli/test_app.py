import io
import re
import sys
from pathlib import Path

import pytest

from influxdb3_cli.app import _COMMANDS, _SHORT_NAMES
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer


def test_help_names_every_command(cli: RunCli) -> None:
    result = cli("--help")
    assert result.code == 0
    listed = re.findall(r"^  (\w+)(?:, \w)? +[A-Z]", result.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in _COMMANDS if name not in _SHORT_NAMES)
    assert "..." not in result.stdout.partition("Common Commands")[2]


@pytest.mark.parametrize(
    "group",
    [
        "create",
        "show",
        "delete",
        "enable",
        "disable",
        "install",
        "test",
        "retry",
        "show system",
        "debug",
        "debug catalog",
    ],
)
def test_a_group_alone_shows_its_help_on_stderr(cli: RunCli, group: str) -> None:
    result = cli(*group.split())
    assert (result.code, result.stdout) == (2, "")
    assert f"\nUsage: influxdb3 {group} " in result.stderr


def test_variables_stand_in_for_options(cli: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXDB3_HOST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("INFLUXDB3_AUTH_TOKEN", "from-environment")
    monkeypatch.setenv("INFLUXDB3_DATABASE_NAME", "foo")
    assert cli("delete", "database", "--yes", "-H", server.url).code == 0
    assert cli("write", "-H", server.url, "--token", "given", "m f=1").code == 0
    assert [request.parameters["db"] for request in server.requests] == ["foo", "foo"]
    tokens = [request.headers["authorization"] for request in server.requests]
    assert tokens == ["Bearer from-environment", "Bearer given"]


def test_a_file_gives_variables_that_are_not_set(
    cli: RunCli, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"INFLUXDB3_HOST_URL={server.url}\nINFLUXDB3_DATABASE_NAME=from-file\n")
    monkeypatch.setenv("INFLUXDB3_DATABASE_NAME", "from-environment")
    monkeypatch.setenv("INFLUXDB3_HOST_URL", "")
    monkeypatch.delenv("INFLUXDB3_HOST_URL")
    assert cli("write", "m f=1").code == 0
    assert server.request.parameters == {"db": "from-environment"}


def test_a_file_that_does_not_parse_stops_every_command(cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("nonsense")
    result = cli("--version")
    assert (result.code, result.stdout) == (1, "")
    first, second = result.stderr.splitlines()
    assert first == "FATAL Error loading config from: Error parsing line: 'nonsense', error at line index: 0"
    assert second == "Aborting"


@pytest.mark.parametrize(
    ("command", "verb"),
    [
        ("create database foo", "Create"),
        ("delete database foo -y", "Delete"),
        ("enable trigger t -d foo", "Enable"),
        ("disable trigger t -d foo", "Disable"),
        ("show plugins", "Show"),
        ("show s -d foo summary", "Show"),
        ("query -d foo q", "Query"),
        ("q -d foo q", "Query"),
        ("write -d foo lp", "Write"),
        ("w -d foo lp", "Write"),
        ("install package a", "Install"),
        ("test schedule_plugin p.py -d foo", "Test"),
    ],
)
def test_a_failure_is_one_line_and_1(connected: RunCli, server: ScriptedServer, command: str, verb: str) -> None:
    server.replies.append(Reply(401, b'{"error": "the request was not authenticated"}'))
    result = connected(*command.split())
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{verb} command failed: server responded with error [401 Unauthorized]: "
        '{"error": "the request was not authenticated"}\n'
    )


def test_verbose_shows_where_it_failed(cli: RunCli) -> None:
    result = cli("--verbose", "show", "databases", "-H", "http://127.0.0.1:9")
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert result.stderr.splitlines()[-1].startswith("Show command failed: failed to send GET")


def test_what_nobody_thought_of_is_one_line_too(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise ZeroDivisionError("no such\nnumber")

    monkeypatch.setattr("influxdb3_cli.client.InfluxClient.create_database", surprise)
    result = connected("create", "database", "foo")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "Create command failed: unexpected error: ZeroDivisionError: no such number\n"
    told = connected("--verbose", "create", "database", "foo").stderr
    assert told.startswith("Traceback (most recent call last):\n")
    assert 'raise ZeroDivisionError("no such' in told
    assert told.splitlines()[-1].startswith("Create command failed: unexpected error: ")


class FullDisk(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_output_that_cannot_be_written_is_told(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.replies.append(Reply(body=b"rows"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(FullDisk())))
    result = connected("query", "-d", "foo", "q")
    assert result.code == 1
    assert result.stderr == (
        "Query command failed: cannot write to standard output: No space left on device (os error 28)\n"
    )


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_help_that_cannot_be_written_is_told(cli: RunCli, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(FullDisk()), write_through=True))
    result = cli(option)
    assert result.code == 1
    assert "command failed: cannot write to standard output: No space left on device" in result.stderr


def test_streams_that_are_closed_are_passed_over(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.replies.append(Reply(body=b"rows"))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert connected("query", "-d", "foo", "q").code == 0
    assert connected("query", "-d", "foo", "--file", "gone", "q2").code == 0
    assert connected("query", "-d", "foo", "--file", "gone").code == 1


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b"[" * 100_000, b"null"])
def test_rubbish_of_a_server_is_told(connected: RunCli, server: ScriptedServer, body: bytes) -> None:
    server.replies.append(Reply(body=body))
    result = connected("logs", "t", "-d", "foo")
    assert result.code == 1
    assert result.stderr.startswith("Logs command failed: failed to parse JSON response: ")
    assert result.stderr.count("\n") == 1


class ClosedPipe(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_reader_that_goes_away_ends_it_quietly(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.replies.append(Reply(body=b"rows" * 10_000))
    pipe = io.BufferedWriter(ClosedPipe())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    result = connected("query", "-d", "foo", "q")
    assert (result.code, result.stderr) == (141, "")


def test_an_interrupt_ends_it_quietly(cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.TextIOWrapper):
        def readline(self, *_: object) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("tests.support.cli.io.TextIOWrapper", Interrupted)
    result = cli("delete", "database", "foo")
    assert (result.code, result.stdout) == (130, "")
    assert result.stderr.count("\n") == 1
