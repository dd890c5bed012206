import json

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

PATH = "/api/v3/configure/processing_engine_trigger/dead_letters"


@pytest.mark.parametrize(
    ("options", "where"),
    [((), "dead_letters ORDER"), (("--trigger", "t's"), "dead_letters WHERE trigger_name = 't''s' ORDER")],
)
def test_letters_are_rows_of_a_system_table(
    connected: RunCli, server: ScriptedServer, options: tuple[str, ...], where: str
) -> None:
    server.replies += [Reply(body=b'[{"trigger_name":"t"}]')] * (len(options) // 2) + [Reply(body=b"+--+")]
    assert connected("show", "dead_letters", "-d", "foo", *options).stdout == "+--+\n"
    assert where in server.requests[-1].json["q"]


def test_retry_tells_of_each_letter(connected: RunCli, server: ScriptedServer) -> None:
    results = [{"id": "1", "state": "retried"}, {"id": "2", "state": "retried", "new_letters": 3}]
    server.replies.append(Reply(body=json.dumps({"results": results}).encode()))
    result = connected("retry", "dead_letters", "-d", "foo", "-t", "t", "--id", "1,2")
    assert (result.code, result.stdout.splitlines()) == (
        0,
        [
            "1 passed",
            "2 passed; rows that still fail are dead letters of their own: 3",
            "2 dead letters retried successfully",
        ],
    )
    assert (server.request.method, server.request.path) == ("POST", f"{PATH}/retry")
    assert server.request.json == {"db": "foo", "trigger_name": "t", "ids": ["1", "2"], "all": False}


def test_retry_fails_if_a_letter_does(connected: RunCli, server: ScriptedServer) -> None:
    results = [{"id": "1", "state": "retried"}, {"id": "2", "state": "failed", "error": "ValueError: no"}]
    server.replies.append(Reply(body=json.dumps({"results": results}).encode()))
    result = connected("retry", "dead_letters", "-d", "foo", "-t", "t", "--all")
    assert (result.code, result.stdout.splitlines()) == (1, ["1 passed", "2 failed: ValueError: no"])
    assert result.stderr == "Retry command failed: 1 of 2 dead letters failed again and stay as they are\n"
    assert server.request.json["all"] is True


def test_all_are_deleted_only_when_that_is_confirmed(connected: RunCli, server: ScriptedServer) -> None:
    result = connected("delete", "dead_letters", "-d", "foo", "--all", stdin="no\n")
    assert (result.code, server.requests) == (1, [])
    assert 'delete all dead letters of database "foo"?' in result.stderr
    server.replies.append(Reply(body=b'{"deleted":2}'))
    result = connected("delete", "dead_letters", "-d", "foo", "-t", "t", "--all", stdin="y\n")
    assert (result.code, result.stdout) == (0, "2 dead letters deleted successfully\n")
    assert (server.request.method, server.request.path) == ("DELETE", PATH)
    assert server.request.json == {"db": "foo", "trigger_name": "t", "ids": None, "all": True}


def test_named_letters_are_deleted_without_a_question(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b'{"deleted":1}'))
    result = connected("delete", "dead_letters", "-d", "foo", "--id", "7")
    assert (result.code, result.stdout) == (0, "1 dead letter deleted successfully\n")
    assert server.request.json == {"db": "foo", "trigger_name": None, "ids": ["7"], "all": False}


@pytest.mark.parametrize("command", [("retry", "dead_letters", "-t", "t"), ("delete", "dead_letters")])
@pytest.mark.parametrize("options", [(), ("--id", "1", "--all")])
def test_which_letters_must_be_said(connected: RunCli, command: tuple[str, ...], options: tuple[str, ...]) -> None:
    result = connected(*command, "-d", "foo", *options)
    assert result.code == 2
    assert "which dead letters? Give their ids, or --all" in result.stderr
