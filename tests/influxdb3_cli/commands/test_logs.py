import json

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

THERE = Reply(body=b'[{"trigger_name":"t"}]')


def lines(*texts: str, level: str = "INFO", details: str = "") -> Reply:
    """Return the answer to a query of log lines, newest last."""
    rows = [
        {
            "event_time": f"2026-11-21T12:00:0{number}",
            "log_level": level,
            "log_text": text,
            "error_details": details,
            "run_id": "1",
        }
        for number, text in enumerate(texts)
    ]
    return Reply(body=json.dumps(rows).encode())


def test_the_newest_lines_come_in_the_order_of_time(connected: RunCli, server: ScriptedServer) -> None:
    newest_first = Reply(body=json.dumps(json.loads(lines("a", "b").body)[::-1]).encode())
    server.replies += [THERE, newest_first]
    result = connected("logs", "t", "-d", "foo", "-n", "2")
    assert result.stdout == "2026-11-21T12:00:00  INFO   a\n2026-11-21T12:00:01  INFO   b\n"
    assert "trigger_name = 't' AND log_level IN ('INFO', 'WARN', 'ERROR')" in server.requests[-1].json["q"]
    assert server.requests[-1].json["q"].endswith("ORDER BY event_time DESC LIMIT 2")


def test_tracebacks_are_shown_if_asked_for(connected: RunCli, server: ScriptedServer) -> None:
    server.replies += [THERE, lines("ValueError: no", level="ERROR", details="Traceback\n  …\n")]
    result = connected("logs", "t", "-d", "foo", "--details", "--level", "error")
    assert result.stdout.splitlines()[1:] == ["Traceback", "  …"]
    assert "log_level IN ('ERROR')" in server.requests[-1].json["q"]


def test_a_trigger_that_is_not_there_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b"[]"))
    result = connected("logs", "no", "-d", "foo")
    assert (result.code, result.stderr) == (1, 'Logs command failed: database "foo" has no trigger "no"\n')


@pytest.mark.parametrize("count", ["-1", "x", "1000000"])
def test_a_number_of_lines_that_is_none_is_refused(connected: RunCli, server: ScriptedServer, count: str) -> None:
    assert connected("logs", "t", "-d", "foo", "-n", count).code == 2
    assert server.requests == []


def test_following_ends_when_the_trigger_is_deleted(connected: RunCli, server: ScriptedServer) -> None:
    looks = [Reply(body=f'[{{"begin":"2026-11-21T11:59:30","found":{found}}}]'.encode()) for found in (1, 1, 0)]
    server.replies += [
        THERE,
        lines("a"),
        looks[0],
        lines("a"),
        looks[1],
        lines("a", "b"),
        looks[2],
        lines("a", "b", "c"),
    ]
    result = connected("logs", "t", "-d", "foo", "--follow")
    assert [line[-1] for line in result.stdout.splitlines()] == ["a", "b", "c"]
    assert (result.code, result.stderr) == (1, 'Logs command failed: trigger "t" was deleted\n')


def test_a_terminal_obeys_no_log_line(connected: RunCli, server: ScriptedServer) -> None:
    server.replies += [THERE, lines("\x1b[31mred\tdé\n☃\x00", level="ERROR", details="\x9b2J\r")]
    result = connected("logs", "t", "-d", "foo", "--details")
    assert result.stdout == "2026-11-21T12:00:00  ERROR  \\u{1b}[31mred\tdé\n☃\\u{0}\n\\u{9b}2J\\u{d}\n"
