"""The examples of the command line's specification, by their numbers; the scripted server stands for the real one."""

import re
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

TRIGGER = "/api/v3/configure/processing_engine_trigger"
DATABASE = "/api/v3/configure/database"
TABLE = "/api/v3/configure/table"
TOKEN = "/api/v3/configure/token/admin"
OTHERS = "WHERE query_text !~ 'system[.]\"?queries|information_schema'"
EXISTS = "attempted to create a resource that already exists"
ASK_FOO = "Are you sure you want to delete \"foo\"? Enter 'yes' or 'y' to confirm"
ASK_CPU = "Are you sure you want to delete \"foo\".\"cpu\"? Enter 'yes' or 'y' to confirm"
TAKEN = 'ApiError { code: 409, message: "token name already exists, _admin", error_code: None }'
ROW = b'[{"field1":1.0,"field2":2.0,"tag1":"1","tag2":"2","time":"1970-01-01T00:00:00"}]'
TOKEN_REPLY = (
    b'{"id":0,"name":"_admin","token":"apiv3_abc","hash":"00","created_at":"2025-04-18T14:02:45.331Z","expiry":null}'
)
EMPTY = Reply()
TRIGGER_BODY = {
    "db": "foo",
    "plugin_filename": "plugin.py",
    "trigger_name": "test_trigger",
    "trigger_settings": {"run_async": False, "error_behavior": "log"},
    "trigger_specification": "all_tables",
    "trigger_arguments": None,
    "disabled": False,
}


def request(method: str, path: str, body: Any = None, **parameters: str) -> tuple[str, str, dict[str, str], Any]:
    return method, path, parameters, body


def query(sql: str, fmt: str = "json", db: str = "foo") -> tuple[str, str, dict[str, str], Any]:
    return request("POST", "/api/v3/query_sql", {"db": db, "q": sql, "format": fmt, "params": None})


@dataclass(frozen=True)
class Row:
    """A command with what it sends, what it is answered and what it prints; texts in ``/…/`` are patterns."""

    command: str
    sent: tuple[str, str, dict[str, str], Any] | None = None
    reply: Reply = EMPTY
    code: int = 0
    stdout: str = ""
    stderr: str = ""
    stdin: str | None = ""


ROWS = {
    "cli 1": Row("--version", stdout=r"/influxdb3 InfluxDB 3 Core, \d+\.\d+\.\d+, revision [0-9a-f]{40}/"),
    "cli 2": Row("help", code=2, stderr="/No such command 'help'/"),
    "cli 3": Row("querry", code=2, stderr="/Did you mean 'query'/"),  # codespell:ignore
    "cli 4": Row("create", code=2, stderr=r"/(.|\n)*Usage: influxdb3 create (.|\n)*trigger/"),
    "cli 5": Row("create token", code=2, stderr="/Missing required subcommand. Use: influxdb3 create token --admin/"),
    "cli 6": Row("create token --name test", code=2, stderr="/Missing required subcommand/"),
    "cli 7": Row(
        "create token --help", stdout=r"/Create a new auth token(.|\n)*Usage: influxdb3 create token(.|\n)*--admin/"
    ),
    "cli 9": Row(
        "create database foo",
        request("POST", DATABASE, {"db": "foo", "retention_period": None}),
        stdout='Database "foo" created successfully',
    ),
    "cli 11": Row(
        "create database _foo_bar",
        request("POST", DATABASE, {"db": "_foo_bar", "retention_period": None}),
        Reply(400, b'{"error":"db name did not start with a number or letter"}'),
        code=1,
        stderr="Create command failed: server responded with error [400 Bad Request]: "
        '{"error":"db name did not start with a number or letter"}',
    ),
    "cli 12": Row("create database", code=2, stderr="/Usage: influxdb3 create database.*\n(.|\n)*Missing argument/"),
    "cli 20": Row(
        "show databases",
        request("GET", DATABASE, format="pretty", show_deleted="false"),
        Reply(body=b"+---------------+\n| iox::database |\n+---------------+\n| foo           |\n+---------------+"),
        stdout="+---------------+\n| iox::database |\n+---------------+\n| foo           |\n+---------------+",
    ),
    "cli 21": Row(
        "show databases --format json",
        request("GET", DATABASE, format="json", show_deleted="false"),
        Reply(body=b'[{"iox::database":"foo"}]'),
        stdout='[{"iox::database":"foo"}]',
    ),
    "cli 22": Row(
        "show databases --format csv",
        request("GET", DATABASE, format="csv", show_deleted="false"),
        Reply(body=b"iox::database\nfoo\n"),
        stdout="iox::database\nfoo",
    ),
    "cli 23": Row(
        "show databases --format jsonl",
        request("GET", DATABASE, format="json_lines", show_deleted="false"),
        Reply(body=b'{"iox::database":"foo"}\n'),
        stdout='{"iox::database":"foo"}',
    ),
    "cli 24": Row(
        "show databases --show-deleted --format csv",
        request("GET", DATABASE, format="csv", show_deleted="true"),
        Reply(body=b"iox::database,deleted\nfoo-20250101T000000,true\n"),
        stdout="/foo-/",
    ),
    "cli 25": Row(
        "delete database foo",
        request("DELETE", DATABASE, db="foo"),
        stdin="yes\n",
        stdout='Database "foo" deleted successfully',
        stderr=ASK_FOO,
    ),
    "cli 26": Row(
        "delete database d --yes", request("DELETE", DATABASE, db="d"), stdout='Database "d" deleted successfully'
    ),
    "cli 27": Row(
        "delete database foo",
        stdin="\n",
        code=1,
        stderr=f"{ASK_FOO}\nDelete command failed: Cannot proceed without confirmation",
    ),
    "cli 27, end of input": Row(
        "delete database foo", code=1, stderr=f"{ASK_FOO}\nDelete command failed: Cannot proceed without confirmation"
    ),
    "cli 28": Row(
        "delete database foo",
        request("DELETE", DATABASE, db="foo"),
        Reply(404, b"the requested resource was not found: foo"),
        stdin="Y \n",
        code=1,
        stderr=f"{ASK_FOO}\nDelete command failed: server responded with error [404 Not Found]: "
        "the requested resource was not found: foo",
    ),
    "cli 31": Row(
        "create table --database foo bar --tags one,two,three "
        "--fields four:utf8,five:uint64,six:float64,seven:int64,eight:bool",
        request(
            "POST",
            TABLE,
            {
                "db": "foo",
                "table": "bar",
                "tags": ["one", "two", "three"],
                "fields": [
                    {"name": "four", "type": "utf8"},
                    {"name": "five", "type": "uint64"},
                    {"name": "six", "type": "float64"},
                    {"name": "seven", "type": "int64"},
                    {"name": "eight", "type": "bool"},
                ],
            },
        ),
        stdout='Table "foo"."bar" created successfully',
    ),
    "cli 33": Row(
        "create table --database foo bar",
        request("POST", TABLE, {"db": "foo", "table": "bar", "tags": [], "fields": []}),
        Reply(409, EXISTS.encode()),
        code=1,
        stderr=f"Create command failed: server responded with error [409 Conflict]: {EXISTS}",
    ),
    "cli 34": Row("create table --database foo bar --tags", code=2, stderr="/'--tags' requires an argument/"),
    "cli 35": Row(
        "delete table cpu --database foo",
        request("DELETE", TABLE, db="foo", table="cpu"),
        stdin="yes\n",
        stdout='Table "foo"."cpu" deleted successfully',
        stderr=ASK_CPU,
    ),
    "cli 36": Row(
        "delete table cpu --database foo",
        request("DELETE", TABLE, db="foo", table="cpu"),
        Reply(404, b"the requested resource was not found: cpu"),
        stdin="yes\n",
        code=1,
        stderr="/404/",
    ),
    "cli 41": Row(
        "write -d foo --quiet",
        request("POST", "/api/v3/write_lp", b"bar,tag1=1,tag2=2 field1=1,field2=2 0", db="foo"),
        Reply(204),
        stdin="bar,tag1=1,tag2=2 field1=1,field2=2 0",
    ),
    "cli 42": Row(
        'query -d foo --format json "SELECT * FROM bar"',
        query("SELECT * FROM bar"),
        Reply(body=ROW),
        stdout=ROW.decode(),
    ),
    "cli 45": Row(
        "write -d foo 'cpu a=1'",
        request("POST", "/api/v3/write_lp", b"cpu a=1", db="foo"),
        Reply(204),
        stderr=r"/  \d+ms: 1 request \(\d+\.\d\d requests/sec\), 1 lines \(\d+ lines/s\), 7B \(\S+B/s\)\n/",
    ),
    "cli 46": Row(
        "write -d foo --quiet --precision fake 'x a=1'",
        code=2,
        stderr="/Invalid value for '--precision'.*'fake': unrecognized precision unit: fake/",
    ),
    "cli 47": Row(
        "write -d foo --max-request-size 0 'cpu a=1'",
        code=2,
        stderr="/Invalid value for '--max-request-size': 0: value must be at least 1/",
    ),
    "cli 49": Row("show system table-list", code=2, stderr="/Missing option '--database'/"),
    "cli 50": Row(
        "show system --database foo table queries",
        query(f'SELECT * FROM system."queries"\n{OTHERS}\nORDER BY end2end_duration\nLIMIT 100', "pretty"),
        Reply(body=b"++\n++"),
        stdout="++\n++",
    ),
    "cli 53": Row(
        "show plugins --format json",
        query(
            "SELECT plugin_name, file_name, file_path, size_bytes, last_modified FROM system.plugin_files",
            db="_internal",
        ),
        Reply(body=b"[]"),
        stdout="[]",
    ),
    "cli 55": Row(
        "create trigger test_trigger --database foo --plugin-filename plugin.py --trigger-spec all_tables "
        "--trigger-arguments double_count_table=cpu",
        request("POST", TRIGGER, TRIGGER_BODY | {"trigger_arguments": {"double_count_table": "cpu"}}),
        stdout="Trigger test_trigger created successfully",
    ),
    "cli 56": Row(
        "create trigger test_trigger --database foo --path plugin.py --trigger-spec all_tables "
        "--trigger-arguments query_path=/metrics?format=json,whatever=hello",
        request(
            "POST",
            TRIGGER,
            TRIGGER_BODY | {"trigger_arguments": {"query_path": "/metrics?format=json", "whatever": "hello"}},
        ),
        stdout="Trigger test_trigger created successfully",
    ),
    "cli 57": Row(
        "create trigger t -d foo --path gone.py --trigger-spec all_tables --upload",
        code=1,
        stderr="Create command failed: File not found: gone.py",
    ),
    "cli 60": Row(
        "create trigger test_trigger -d foo --plugin-filename gh:not_a_file.py --trigger-spec request:foo",
        request(
            "POST",
            TRIGGER,
            TRIGGER_BODY | {"plugin_filename": "gh:not_a_file.py", "trigger_specification": "request:foo"},
        ),
        Reply(500, b"Plugin error: error fetching plugin from repository: 404 Not Found http://h/not_a_file.py"),
        code=1,
        stderr="Failed to create trigger: server responded with error [500 Internal Server Error]: "
        "Plugin error: error fetching plugin from repository: 404 Not Found http://h/not_a_file.py\n"
        "Create command failed: server responded with error [500 Internal Server Error]: "
        "Plugin error: error fetching plugin from repository: 404 Not Found http://h/not_a_file.py",
    ),
    "cli 61, differs: path is request": Row(
        "create trigger test_trigger -d foo --path plugin.py --trigger-spec path:webhook",
        request("POST", TRIGGER, TRIGGER_BODY | {"trigger_specification": "request:webhook"}),
        stdout="Trigger test_trigger created successfully",
    ),
    "cli 63": Row(
        "enable trigger test_trigger --database foo",
        request("POST", f"{TRIGGER}/enable", db="foo", trigger_name="test_trigger"),
        stdout="Trigger test_trigger enabled successfully",
    ),
    "cli 63, disable": Row(
        "disable trigger test_trigger --database foo",
        request("POST", f"{TRIGGER}/disable", db="foo", trigger_name="test_trigger"),
        stdout="Trigger test_trigger disabled successfully",
    ),
    "cli 64": Row(
        "delete trigger test_trigger --database foo",
        request("DELETE", TRIGGER, {"db": "foo", "trigger_name": "test_trigger", "force": False}),
        Reply(500, b"Cannot delete running plugin test_trigger. Disable it first or use --force."),
        code=1,
        stderr="/Delete command failed: .*Cannot delete running plugin test_trigger/",
    ),
    "cli 65": Row(
        "delete trigger test_trigger --database foo --force",
        request("DELETE", TRIGGER, {"db": "foo", "trigger_name": "test_trigger", "force": True}),
        stdout="Trigger test_trigger deleted successfully",
    ),
    "cli 67": Row(
        "test wal_plugin --database foo --lp 'test_input,tag1=a field1=1i 500' "
        "--input-arguments arg1=x,host=s2 plugin.py",
        request(
            "POST",
            "/api/v3/plugin_test/wal",
            {
                "filename": "plugin.py",
                "database": "foo",
                "input_lp": "test_input,tag1=a field1=1i 500",
                "cache_name": None,
                "input_arguments": {"arg1": "x", "host": "s2"},
            },
        ),
        Reply(body=b'{"log_lines":["INFO: \xc3\xa4"],"database_writes":{},"errors":[]}'),
        stdout='{\n  "log_lines": [\n    "INFO: ä"\n  ],\n  "database_writes": {},\n  "errors": []\n}',
    ),
    "cli 68, differs: exit code": Row(
        "test wal_plugin --database foo --lp 'm f=1' plugin.py",
        request(
            "POST",
            "/api/v3/plugin_test/wal",
            {
                "filename": "plugin.py",
                "database": "foo",
                "input_lp": "m f=1",
                "cache_name": None,
                "input_arguments": None,
            },
        ),
        Reply(body=b'{"log_lines":[],"database_writes":{},"errors":["error executing plugin: no"]}'),
        code=1,
        stdout="/error executing plugin: no/",
    ),
    "cli 69": Row(
        "test schedule_plugin --database foo --schedule '*/5 * * * * *' --input-arguments region=us-east plugin.py",
        request(
            "POST",
            "/api/v3/plugin_test/schedule",
            {
                "filename": "plugin.py",
                "database": "foo",
                "schedule": "*/5 * * * * *",
                "cache_name": None,
                "input_arguments": {"region": "us-east"},
            },
        ),
        Reply(body=b'{"trigger_time":"2025-01-01T00:00:05Z","log_lines":[],"database_writes":{},"errors":[]}'),
        stdout='/"trigger_time": "2025-01-01T00:00:05Z"/',
    ),
    "cli 70": Row(
        "test wal_plugin -d foo plugin.py",
        code=1,
        stderr="Test command failed: either --lp or --file must be provided",
    ),
    "cli 71": Row(
        "create token --admin",
        request("POST", TOKEN),
        Reply(201, TOKEN_REPLY),
        stdout="\n\x1b[4mNew token created successfully!\x1b[0m\n\n\x1b[1mToken:\x1b[0m apiv3_abc\n"
        "\x1b[1mHTTP Requests Header:\x1b[0m Authorization: Bearer apiv3_abc\n\n"
        "\x1b[1m\x1b[31mIMPORTANT:\x1b[39m\x1b[0m Store this token securely, as it will not be shown again.",
    ),
    "cli 72, differs: exit code": Row(
        "create token --admin",
        request("POST", TOKEN),
        Reply(409, b"token name already exists, _admin"),
        code=1,
        stdout=f"Failed to create token, error: {TAKEN}",
    ),
    "cli 73": Row(
        "create token --admin --format json",
        request("POST", TOKEN),
        Reply(201, TOKEN_REPLY),
        stdout='{\n  "help_msg": "Store this token securely, as it will not be shown again. HTTP requests require '
        'the following header: \\"Authorization: Bearer apiv3_abc\\"",\n  "token": "apiv3_abc"\n}',
    ),
    "cli 76, differs: exit code": Row(
        "create token --admin",
        request("POST", TOKEN),
        Reply(405, b"endpoint disabled, started without auth"),
        code=1,
        stdout='/code: 405, message: "endpoint disabled, started without auth"/',
    ),
    "cli 83": Row(
        "show databases --host http://127.0.0.1:9",
        code=1,
        stderr="Show command failed: failed to send GET http://127.0.0.1:9/api/v3/configure/database request: "
        "client error (Connect)",
    ),
    "cli 84": Row("install package", code=2, stderr="/<PACKAGES>\\.\\.\\./"),
    "cli 85": Row(
        "install package pandas",
        request("POST", "/api/v3/configure/plugin_environment/install_packages", {"packages": ["pandas"]}),
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_a_command_sends_and_prints_what_the_specification_says(
    row: Row, connected: RunCli, server: ScriptedServer
) -> None:
    server.replies.append(row.reply)
    result = connected(*shlex.split(row.command), stdin=row.stdin)
    assert result.code == row.code, result
    assert_prints(result.stdout, row.stdout)
    assert_prints(result.stderr, row.stderr)
    if row.sent is None:
        assert not server.requests
    else:
        method, path, parameters, body = row.sent
        sent = server.request
        assert (sent.method, sent.path, sent.parameters) == (method, path, parameters)
        assert (sent.body if isinstance(body, bytes) else sent.json if sent.body else None) == body


def assert_prints(printed: str, expected: str) -> None:
    """Compare without line breaks at the end; ``/…/`` need only be found."""
    if expected.startswith("/") and expected.endswith("/"):
        assert re.search(expected[1:-1], printed), printed
    else:
        assert printed.rstrip("\n") == expected
