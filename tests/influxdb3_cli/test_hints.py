from pathlib import Path

import pytest

from influxdb3_cli.errors import (
    AnswerBroken,
    AnswerUnusable,
    CommandFailed,
    FileTrouble,
    OutputTrouble,
    RequestNotSent,
    ServerRefused,
    Unexpected,
)
from influxdb3_cli.hints import way_out

FULL = OSError(28, "No space left on device")
DATABASES = "`influxdb3 show databases` lists"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestNotSent("GET", "http://h", "Connect"), "Start one with `influxdb3 serve`, or name another by --host"),
        (RequestNotSent("GET", "http://h", "SendRequest"), "http or https?"),
        (ServerRefused(401, "no"), "--token or INFLUXDB3_AUTH_TOKEN"),
        (ServerRefused(404, "database not found: foo"), DATABASES),
        (ServerRefused(404, "Database not found foo"), DATABASES),
        (CommandFailed('there is no database "foo"'), DATABASES),
        (ServerRefused(400, "Error during planning: table 'public.iox.m' not found"), "'SHOW TABLES'"),
        (CommandFailed('database "foo" has no trigger "t"'), "`influxdb3 show triggers -d DATABASE`"),
        (ServerRefused(404, "trigger 't' was not found in database 'foo'"), "`influxdb3 show triggers -d DATABASE`"),
        (ServerRefused(500, "Plugin error: reading plugin file: Plugin not found: p.py"), "server's plugin folder"),
        (ServerRefused(404, "Table nope not in DB schema for home"), "'SHOW TABLES'"),
        (
            ServerRefused(404, "the requested resource was not found: alarm"),
            "`influxdb3 show databases|tokens|triggers`",
        ),
        (ServerRefused(503, "starting"), "try again in a moment"),
        (ServerRefused(413, "max request size (1 bytes) exceeded"), "--max-request-size"),
        (CommandFailed("Cannot proceed without confirmation"), "--yes"),
        (CommandFailed("No input from stdin detected, no string was passed in"), "--file"),
        (AnswerUnusable("no"), "does --host name an influxdb3 server?"),
        (AnswerBroken("no"), "Run the command again".lower()),
        (FileTrouble(FULL, Path("rows.csv")), '"rows.csv" is incomplete: make room'),
        (FileTrouble(FileNotFoundError(2, "No such file", "p.py")), 'the file is "p.py"'),
        (OutputTrouble(FULL), "make room"),
        (Unexpected(ZeroDivisionError(), "query"), "`influxdb3 --verbose query …`"),
    ],
)
def test_a_failure_has_a_way_out(error: CommandFailed, expected: str) -> None:
    assert expected in (way_out(error) or "")


@pytest.mark.parametrize(
    "error",
    [
        RequestNotSent("GET", "http://h", "Connect", ": --tls-ca FILE names its authority"),
        CommandFailed("system table 'x' not found: please use a valid system table name: []"),
        ServerRefused(400, "no digits"),
        CommandFailed("Either --path or --plugin-filename must be provided"),
    ],
)
def test_where_the_error_says_it_nothing_is_added(error: CommandFailed) -> None:
    assert way_out(error) is None
