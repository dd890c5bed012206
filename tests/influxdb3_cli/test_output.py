import io
import sys

import pytest

from influxdb3_cli import output
from influxdb3_cli.errors import ServerRefused
from tests.support.cli import RunCli, Terminal
from tests.support.scripted_server import Reply, ScriptedServer

GREEN, YELLOW, RED, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
PLAN = [
    'database "home"',
    '  + trigger "a"',
    '      spec = "all_tables"',
    '  ~ trigger "b"',
    '      spec: "x" → "y"',
    '  - trigger "c"',
    '    trigger "d": not in the file',
    "Plan: 1 to add",
]
GRID = b"+----+\n| aa |\n+----+\n| 10 |\n+----+"


def terminal(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Return what a terminal of 80 columns shows, where both streams go from now on."""
    shown = io.BytesIO()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal(shown, write_through=True))
    return shown


def test_a_plan_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    output.plan(PLAN)
    assert screen.getvalue().decode().splitlines() == [
        PLAN[0],
        *(f"{GREEN}{line}{PLAIN}" for line in PLAN[1:3]),
        *(f"{YELLOW}{line}{PLAIN}" for line in PLAN[3:5]),
        f"{RED}{PLAN[5]}{PLAIN}",
        *PLAN[6:],
    ]


def test_a_log_line_has_the_colour_of_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    for level in ("INFO", "WARN", "ERROR"):
        output.log_line("now", level, "\x1b[8mtext")
    assert screen.getvalue().decode().splitlines() == [
        "now  INFO   \\u{1b}[8mtext",
        f"now  {YELLOW}WARN {PLAIN}  \\u{{1b}}[8mtext",
        f"now  {RED}ERROR{PLAIN}  \\u{{1b}}[8mtext",
    ]


def test_a_failure_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    output.failure("show", ServerRefused(401, "no"))
    assert screen.getvalue().startswith(b"\x1b[1;31mShow command failed:\x1b[0m server responded with error [401")


def test_a_person_is_told_what_to_do_next(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    output.failure("show", ServerRefused(401, "no"))
    assert capsys.readouterr().err == "Show command failed: server responded with error [401 Unauthorized]: no\n"
    screen = terminal(monkeypatch)
    output.failure("show", ServerRefused(401, "no"))
    assert b"tip: give a token by --token" in screen.getvalue()


def test_rows_have_a_bold_header(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    output.rows([GRID], "pretty")
    assert screen.getvalue() == GRID.replace(b"| aa |", b"\x1b[1m| aa |\x1b[0m") + b"\n"


def test_other_formats_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    output.rows([GRID], "csv")
    assert screen.getvalue() == GRID + b"\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_may_be_unwanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    output.plan(PLAN)
    output.log_line("now", "WARN", "text")
    output.failure("show", ServerRefused(401, "no"))
    output.rows([GRID], "pretty")
    assert b"\x1b" not in screen.getvalue()


def test_an_empty_variable_does_not_turn_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "")
    output.plan(PLAN)
    assert GREEN.encode() in screen.getvalue()


WIDE = b"+" + b"-" * 300 + b"+\n| " + b"a" * 298 + b" |\n+" + b"-" * 300 + b"+"
SHOWN = [
    "query -d foo q",
    "show databases",
    "show tokens",
    "show plugins",
    "show retention",
    "show triggers -d foo",
    "show dead_letters -d foo",
    "show backfills -d foo",
    "show cache_state -d foo",
    "show system -d foo table-list",
    "show system -d foo table queries",
]


@pytest.mark.parametrize("command", SHOWN)
def test_a_pipe_gets_each_byte_as_the_server_sent_it(connected: RunCli, server: ScriptedServer, command: str) -> None:
    server.replies.append(Reply(body=WIDE))
    result = connected(*command.split())
    assert (result.code, result.stdout.encode(), result.stderr) == (0, WIDE + b"\n", "")


@pytest.mark.parametrize("command", SHOWN)
def test_a_terminal_gets_what_fits(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    screen = terminal(monkeypatch)
    server.replies.append(Reply(body=WIDE))
    assert connected(*command.split()).code == 0
    lines = screen.getvalue().decode().splitlines()
    assert len(lines) > 3
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in lines) <= 80
