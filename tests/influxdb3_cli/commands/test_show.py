import json

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

CATALOG = {
    "path": "/data/node0/catalog.toml",
    "problem": "catalog.toml, line 3: unknown key `nonsense`",
    "databases": [
        {
            "name": "foo",
            "triggers": [
                {
                    "name": "t",
                    "trigger_specification": "all_tables",
                    "plugin_filename": "p.py",
                    "enabled": True,
                }
            ],
        },
        {"name": "old-20250101T000000", "deleted": True, "triggers": []},
    ],
}


def test_triggers_are_rows_of_a_system_table(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b"+--+"))
    assert connected("show", "triggers", "-d", "foo").stdout == "+--+\n"
    assert (server.request.json["db"], server.request.json["format"]) == ("foo", "pretty")
    assert "FROM system.processing_engine_triggers" in server.request.json["q"]


def test_the_catalog_tells_a_refused_edit(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=json.dumps(CATALOG).encode()))
    assert connected("show", "catalog").stdout.splitlines() == [
        "catalog: /data/node0/catalog.toml",
        "refused edit: catalog.toml, line 3: unknown key `nonsense`",
        'database "foo"',
        '  trigger "t", all_tables, p.py, enabled',
        'database "old-20250101T000000" (deleted)',
    ]
    assert (server.request.method, server.request.path) == ("GET", "/api/v3/configure/catalog")


def test_the_catalog_tells_how_long_rows_are_kept_and_what_goes(connected: RunCli, server: ScriptedServer) -> None:
    gone = {"name": "cpu-1", "deleted": True, "retention_period": "90m", "hard_delete_at": "2026-11-24 08:00:00 UTC"}
    tables = [gone, {"name": "mem", "deleted": False, "retention_period": "7d"}]
    databases = [{"name": "d", "deleted": False, "retention_period": "30d", "tables": tables}]
    told = {"path": "c.toml", "problem": None, "databases": databases}
    server.replies.append(Reply(body=json.dumps(told).encode()))
    assert connected("show", "catalog").stdout.splitlines()[2:] == [
        'database "d", kept for 30d',
        '  table "cpu-1", kept for 90m (deleted, goes at 2026-11-24 08:00:00 UTC)',
        '  table "mem", kept for 7d',
    ]


def test_the_catalog_without_a_refused_edit_says_so(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=b'{"path":"c.toml","problem":null,"databases":[]}'))
    assert connected("show", "catalog").stdout == "catalog: c.toml\nrefused edit: none\n"


def test_the_catalog_can_be_had_as_json(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(body=json.dumps(CATALOG).encode()))
    assert json.loads(connected("show", "catalog", "--format", "json").stdout) == CATALOG


def test_parquet_is_not_offered(connected: RunCli) -> None:
    assert connected("show", "databases", "--format", "parquet").code == 2
