"""Retention periods and deletion as commands send them (cli §5.1, §5.4, §6, §7, §11, examples 13 to 30)."""

from pathlib import Path

import pytest

from influxdb3_cli.commands.show import _RETENTION
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.web import web

DATABASE = "/api/v3/configure/database"
TABLE = "/api/v3/configure/table"


@pytest.mark.parametrize(
    ("command", "method", "path", "body", "printed"),
    [
        (
            "create database d --retention-period 30d",
            "POST",
            DATABASE,
            {"db": "d", "retention_period": "30days"},
            'Database "d" created successfully',
        ),
        (
            "create database d",
            "POST",
            DATABASE,
            {"db": "d", "retention_period": None},
            'Database "d" created successfully',
        ),
        (
            "create table t -d d --tags a --retention-period 90m",
            "POST",
            TABLE,
            {"db": "d", "table": "t", "tags": ["a"], "fields": [], "retention_period": "1h 30m"},
            'Table "d"."t" created successfully',
        ),
        (
            "update database --database d --retention-period 60d",
            "PUT",
            DATABASE,
            {"db": "d", "retention_period": "1month 29days 13h 26m 24s"},
            'Database "d" updated successfully',
        ),
        (
            "update database -d d -r None",
            "PUT",
            DATABASE,
            {"db": "d", "retention_period": None},
            'Database "d" updated successfully',
        ),
        (
            "update table t -d d -r 1w",
            "PUT",
            TABLE,
            {"db": "d", "table": "t", "retention_period": "7days"},
            'Table "d"."t" updated successfully',
        ),
    ],
)
def test_periods_are_sent(
    connected: RunCli, server: ScriptedServer, command: str, method: str, path: str, body: object, printed: str
) -> None:
    result = connected(*command.split())
    assert (result.code, result.stdout) == (0, f"{printed}\n")
    assert (server.request.method, server.request.path, server.request.json) == (method, path, body)


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("create database d --retention-period invalid", 2, "'invalid': expected number at 0"),
        ("create database d --retention-period none", 2, "'none': expected number at 0"),
        ("create database d --retention-period 1mo", 2, "unknown time unit"),
        ("create table t -d d --retention-period 0s", 2, "'0s' is too short: a retention period is at least 1s"),
        ("update database -d d", 1, "Update command failed: --retention-period is required for update database"),
        ("update database -d d -r 5", 1, "Update command failed: time unit needed, for example 5sec or 5ms"),
        ("update table t -d d", 1, "Update command failed: --retention-period is required for update table"),
    ],
)
def test_what_is_no_period_is_not_sent(
    connected: RunCli, server: ScriptedServer, command: str, code: int, error: str
) -> None:
    result = connected(*command.split())
    assert (result.code, server.requests) == (code, [])
    assert error in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ("", {}),
        ("--hard-delete now", {"hard_delete_at": "now"}),
        ("--hard-delete NEVER", {"hard_delete_at": "never"}),
        ("--hard-delete default", {"hard_delete_at": "default"}),
        ("--hard-delete 2125-12-31T23:59:59Z", {"hard_delete_at": "2125-12-31T23:59:59Z"}),
    ],
)
def test_when_data_goes_is_sent(
    connected: RunCli, server: ScriptedServer, options: str, parameters: dict[str, str]
) -> None:
    assert connected("delete", "database", "d", "--yes", *options.split()).code == 0
    assert server.requests[0].parameters == {"db": "d", **parameters}
    assert connected("delete", "table", "t", "-d", "d", "--yes", *options.split()).code == 0
    assert server.requests[1].parameters == {"db": "d", "table": "t", **parameters}


def test_what_the_server_refuses_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(400, b"Cannot parse the timestamp: 'soon' is not a time"))
    result = connected("delete", "database", "d", "--yes", "--hard-delete", "soon")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == (
        "Delete command failed: server responded with error [400 Bad Request]: "
        "Cannot parse the timestamp: 'soon' is not a time\n"
    )


def test_periods_are_shown(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, b"database_name,retention_period\nd,30d"))
    result = connected("show", "retention", "--database", "it's", "--format", "csv")
    assert (result.code, result.stdout) == (0, "database_name,retention_period\nd,30d\n")
    assert server.request.json["q"].endswith("WHERE database_name = 'it''s' ORDER BY database_name")


def test_periods_are_shown_in_the_largest_unit(tmp_path: Path) -> None:
    with web(tmp_path) as served:
        for name, seconds in (("d", 30 * 86400), ("h", 36 * 3600), ("m", 5400), ("s", 61), ("y", 10**9 + 1)):
            served.engine.tables.create_database(name, seconds)
        served.engine.tables.create_database("ever")
        shown = {
            row["database_name"]: row["retention_period"] for row in served.rows(_RETENTION.format(""), "_internal")
        }
    expected = {
        "d": "30d",
        "h": "36h",
        "m": "90m",
        "s": "61s",
        "y": "1000000001s",
        "ever": "infinite",
        "_internal": "7d",
    }
    assert shown == expected
