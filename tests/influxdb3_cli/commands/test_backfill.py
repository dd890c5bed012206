import json

import pytest

from influxdb3_cli.commands import backfill
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

COMMAND = ("backfill", "trigger", "t", "-d", "foo")
PATH = "/api/v3/configure/processing_engine_trigger/backfill"
BEGUN = Reply(200, b'{"backfill_id":7,"rows":300}')


def state(word: str, done: int, error: str = "") -> Reply:
    return Reply(200, json.dumps([{"state": word, "rows_done": done, "rows_total": 300, "error": error}]).encode())


def test_only_what_is_named_is_sent(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(BEGUN)
    result = connected(*COMMAND)
    assert (result.code, result.stdout) == (0, "Backfill 7 of trigger t began: 300 rows\n")
    assert (server.request.method, server.request.path) == ("POST", PATH)
    assert server.request.json == {"db": "foo", "trigger_name": "t", "batch_rows": 10_000}


def test_times_and_batches_are_sent_as_they_were_typed(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(BEGUN)
    assert connected(*COMMAND, "--start", "2026-11-21", "--end", "12", "--batch-rows", "5").code == 0
    sent = {"start": "2026-11-21", "end": "12", "batch_rows": 5}
    assert server.request.json == {"db": "foo", "trigger_name": "t", **sent}


def test_waiting_tells_how_far_it_is(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "LOOK_EVERY_S", 0)
    server.replies += [BEGUN, state("running", 0), state("running", 100), state("running", 100), state("done", 300)]
    result = connected(*COMMAND, "--wait")
    assert result.code == 0
    assert result.stdout.endswith("Backfill 7 is done: 300 rows\n")
    assert result.stderr == "0 of 300 rows\n100 of 300 rows\n"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            state("failed", 100, "a file is missing"),
            "backfill 7 ended as failed after 100 of 300 rows: a file is missing",
        ),
        (state("cancelled", 0), "backfill 7 ended as cancelled after 0 of 300 rows"),
        (Reply(200, b"[]"), "backfill 7 ended with its trigger"),
    ],
)
def test_one_that_does_not_get_to_its_end_fails(
    connected: RunCli, server: ScriptedServer, reply: Reply, text: str
) -> None:
    server.replies += [BEGUN, reply]
    result = connected(*COMMAND, "--wait")
    assert (result.code, result.stderr) == (1, f"Backfill command failed: {text}\n")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--start", "soon"], "'soon' is not a time"),
        (["--end", "2026-13-01"], "'2026-13-01' is not a time"),
        (["--batch-rows", "0"], "0: value must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(
    connected: RunCli, server: ScriptedServer, options: list[str], error: str
) -> None:
    result = connected(*COMMAND, *options)
    assert (result.code, server.requests) == (2, [])
    assert error in result.stderr


def test_it_is_ended_by_command(connected: RunCli, server: ScriptedServer) -> None:
    result = connected("delete", "backfill", "t", "-d", "foo")
    assert (result.code, result.stdout) == (0, "Backfill of trigger t cancelled successfully\n")
    assert (server.request.method, server.request.path) == ("DELETE", PATH)


def test_a_trigger_begins_from_a_point(connected: RunCli, server: ScriptedServer) -> None:
    assert connected("update", "trigger", "t", "-d", "foo", "--from", "beginning").code == 0
    assert server.request.json == {"db": "foo", "trigger_name": "t", "from": "beginning"}
    assert "expect now, beginning, or a time" in connected("update", "trigger", "t", "-d", "foo", "--from", "x").stderr
