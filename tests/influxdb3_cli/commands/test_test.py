from pathlib import Path

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

DONE = Reply(body=b'{"log_lines":[],"database_writes":{},"errors":[]}')


def test_lines_come_from_a_local_file_unless_given(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "in.lp").write_text("m f=1")
    server.replies += [DONE, DONE]
    assert connected("test", "wal_plugin", "-d", "foo", "--file", "in.lp", "p.py").code == 0
    assert connected("test", "wal_plugin", "-d", "foo", "--file", "in.lp", "--lp", "m f=2", "p.py").code == 0
    assert [request.json["input_lp"] for request in server.requests] == ["m f=1", "m f=2"]


def test_a_file_that_cannot_be_read_is_told(connected: RunCli) -> None:
    result = connected("test", "wal_plugin", "-d", "foo", "--file", "gone.lp", "p.py")
    assert (result.code, result.stderr) == (1, "Test command failed: unable to read input file\n")


def test_the_server_chooses_the_schedule_if_none_is_given(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(DONE)
    assert connected("test", "schedule_plugin", "-d", "foo", "--cache-name", "c", "p.py").code == 0
    assert (server.request.json["schedule"], server.request.json["cache_name"]) == (None, "c")


def test_a_missing_plugin_file_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(500, b"Plugin error: reading plugin file: Plugin not found: p.py"))
    result = connected("test", "schedule_plugin", "-d", "foo", "p.py")
    assert (result.code, result.stdout) == (1, "")
    assert "[500 Internal Server Error]: Plugin error: reading plugin file: Plugin not found: p.py" in result.stderr


def test_a_request_is_described_by_options(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\xff")
    server.replies += [DONE, DONE]
    given = ("--method", "post", "--path", "hook", "--header", "X-A: b:c", "--query", "a=1=2", "--query", "b=")
    assert connected("test", "request_plugin", "-d", "foo", *given, "--body", "ü", "p.py").code == 0
    assert server.requests[0].json == {
        "filename": "p.py",
        "database": "foo",
        "method": "POST",
        "path": "hook",
        "headers": {"X-A": "b:c"},
        "query_params": {"a": "1=2", "b": ""},
        "body": "w7w=",
        "body_is_base64": True,
        "cache_name": None,
        "input_arguments": None,
    }
    assert connected("test", "request_plugin", "-d", "foo", "--body-file", "body", "p.py").code == 0
    assert server.requests[1].json["body"] == "/w=="


def test_what_is_no_pair_is_refused(connected: RunCli) -> None:
    result = connected("test", "request_plugin", "-d", "foo", "--header", "X-A", "p.py")
    assert result.code == 2
    assert "'X-A': must be formatted as" in result.stderr


def test_a_body_comes_from_one_place(connected: RunCli, server: ScriptedServer) -> None:
    result = connected("test", "request_plugin", "-d", "foo", "--body", "x", "--body-file", "y", "p.py")
    assert (result.code, server.requests) == (2, [])
    assert "given by --body already" in result.stderr


def test_a_failed_run_ends_the_command_with_1(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b'{"response":null,"log_lines":[],"database_writes":{},"errors":["x"]}'))
    result = connected("test", "request_plugin", "-d", "foo", "p.py")
    assert (result.code, result.stdout.splitlines()[1]) == (1, '  "response": null,')
