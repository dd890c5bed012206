import pytest

from influxdb3_cli.commands.show_system import table_query
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

OTHERS = "WHERE query_text !~ 'system[.]\"?queries|information_schema'"
NAMES = b'[{"table_name":"last_caches"},{"table_name":"queries"}]'


@pytest.mark.parametrize(
    ("name", "select", "order_by", "limit", "sql"),
    [
        ("cpu", [], [], 100, 'SELECT * FROM system."cpu"\nORDER BY usage_percent\nLIMIT 100'),
        (
            "queries",
            ["id", "phase"],
            ["id"],
            5,
            f'SELECT id, phase FROM system."queries"\n{OTHERS}\nORDER BY id\nLIMIT 5',
        ),
        ("influxdb_schema", [], [], 0, 'SELECT * FROM system."influxdb_schema"'),
        ('a"b', [], ["x", "y"], 1, 'SELECT * FROM system."a""b"\nORDER BY x, y\nLIMIT 1'),
    ],
)
def test_the_query_of_a_system_table(name: str, select: list[str], order_by: list[str], limit: int, sql: str) -> None:
    assert table_query(name, select, order_by, limit) == sql


@pytest.mark.parametrize("name", ["system", "s"])
def test_options_stand_before_and_after_the_subcommand(connected: RunCli, server: ScriptedServer, name: str) -> None:
    arguments = ("table", "queries", "--format", "csv", "-l", "0", "-s", "a,b", "-o", "c")
    assert connected("show", name, "-d", "foo", "--token", "T", *arguments).code == 0
    assert server.request.headers["authorization"] == "Bearer T"
    assert server.request.json == {
        "db": "foo",
        "q": f'SELECT a, b FROM system."queries"\n{OTHERS}\nORDER BY c',
        "format": "csv",
        "params": None,
    }


def test_table_list_lists_tables_with_columns(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b"+-+"))
    assert connected("show", "system", "-d", "foo", "table-list").stdout == "+-+\n"
    assert "information_schema.columns" in server.request.json["q"]


def test_a_table_that_is_not_there_is_answered_with_those_that_are(connected: RunCli, server: ScriptedServer) -> None:
    """Row cli 51."""
    server.replies += [Reply(400, b"Error during planning: table 'public.system.meow' not found"), Reply(body=NAMES)]
    result = connected("show", "system", "--database", "foo", "table", "meow")
    assert result.code == 1
    assert result.stderr == (
        "Show command failed: system table 'meow' not found: "
        'please use a valid system table name: ["last_caches", "queries"]\n\n'
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [("queries", "Error during planning: function x not found"), ("meow", "no memory left")],
)
def test_other_failures_are_told_as_they_are(
    connected: RunCli, server: ScriptedServer, name: str, message: str
) -> None:
    server.replies += [Reply(400, message.encode()), Reply(body=NAMES)]
    result = connected("show", "system", "-d", "foo", "table", name)
    assert result.stderr == f"Show command failed: server responded with error [400 Bad Request]: {message}\n"


def test_summary_shows_every_table(connected: RunCli, server: ScriptedServer) -> None:
    """Row cli 52."""
    server.replies += [Reply(body=NAMES), Reply(body=b"one"), Reply(body=b"two")]
    result = connected("show", "system", "-d", "foo", "summary")
    assert result.stdout == "last_caches summary:\none\nqueries summary:\ntwo\n"
    assert [request.json["q"].splitlines()[-1] for request in server.requests[1:]] == ["LIMIT 10", "LIMIT 10"]
