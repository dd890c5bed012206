"""Command line, rows 41 to 54: writes, queries, system tables, plugin files."""

from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.stories import PLUGIN, Step, Story, server_of, tell, told

LINES = "bar,tag1=1,tag2=2 field1=1,field2=2 0"
ROW = '[{"field1":1.0,"field2":2.0,"tag1":"1","tag2":"2","time":"1970-01-01T00:00:00"}]'
READ = 'query -d foo --format json "SELECT * FROM bar"'
FOO = Step("create database foo", 'Database "foo" created successfully')
CPU = Step("write -d foo -q 'cpu,host=a usage=1 1'")
TABLES = [
    "distinct_caches",
    "influxdb_schema",
    "last_caches",
    "parquet_files",
    "processing_engine_logs",
    "processing_engine_trigger_arguments",
    "processing_engine_triggers",
    "queries",
]
"""The system tables of the product; here are more."""
TRIGGER = "create trigger {} -d foo --plugin-filename plugin.py --trigger-spec all_tables"

STORIES = [
    told("CLI row 41", Step("write -d foo --quiet", stdin=LINES)),
    told("CLI row 42", Step("write -d foo --quiet", stdin=LINES), Step(READ, ROW)),
    told(
        "CLI row 43",
        Step("write -d foo --quiet --file f.lp"),
        Step("query -d foo --format json --file q.sql", ROW),
        files={"f.lp": LINES, "q.sql": "SELECT * FROM bar"},
    ),
    told("CLI row 44", Step("write -d foo --quiet --gzip", stdin=LINES), Step(READ, ROW)),
    told(
        "CLI row 45",
        Step("write -d foo 'cpu a=1'", "", "  …: 1 request (… requests/sec), 1 lines (… lines/s), 7B (…/s)"),
    ),
    told(
        "CLI row 46",
        Step(
            "write -d foo --quiet --precision fake 'x a=1'",
            "",
            "…Invalid value for '--precision' / '-p': 'fake': unrecognized precision unit: fake…",
            2,
        ),
    ),
    told(
        "CLI row 47",
        Step(
            "write -d foo --max-request-size 0 'cpu a=1'",
            "",
            "…Invalid value for '--max-request-size': 0: value must be at least 1",
            2,
        ),
        Step("write -d foo --max-concurrent-requests 0 'cpu a=1'", "", "…0: value must be at least 1", 2),
        Step("write -d foo --max-request-size many 'cpu a=1'", "", "…'many': not a whole number", 2),
    ),
    *(
        told(
            f"CLI row 48 {option or 'guessed'}",
            Step(f"write -d foo --quiet {option} 'x,name=n v=42 1'"),
            Step("query -d foo --format json 'SELECT time FROM x'", f'[{{"time":"1970-01-01T00:00:{seconds}"}}]'),
        )
        for option, seconds in [
            ("", "01"),
            ("--precision auto", "01"),
            ("--precision s", "01"),
            ("-p second", "01"),
            ("--precision ms", "00.001"),
            ("--precision millisecond", "00.001"),
            ("--precision us", "00.000001"),
            ("-p u", "00.000001"),
            ("-p microsecond", "00.000001"),
            ("--precision ns", "00.000000001"),
            ("-p n", "00.000000001"),
            ("-p nanosecond", "00.000000001"),
        ]
    ),
    told("CLI row 49", Step("show system table-list", "", "…Missing option '--database' / '-d'…", 2)),
    told("CLI row 50", FOO, Step("show system --database foo table queries", "++\n++")),
    # The product lists its eight tables; here are more.
    told(
        "CLI row 51",
        FOO,
        Step(
            "show system --database foo table meow",
            "",
            "Show command failed: system table 'meow' not found: please use a valid system table name: "
            + "[…"
            + "".join(f'"{name}"…' for name in TABLES)
            + "]",
            1,
        ),
    ),
    told(
        "CLI row 52",
        CPU,
        Step(
            "show system --database foo summary",
            "distinct_caches summary:\n++\n++\ninfluxdb_schema summary:\n…| cpu …last_caches summary:\n++\n++\n"
            + "".join(f"…{name} summary:\n…" for name in TABLES[3:]),
        ),
    ),
    told("CLI row 53", Step("show plugins --format json", "[]")),
    told(
        "CLI row 54",
        FOO,
        Step(TRIGGER.format("one"), "Trigger one created successfully"),
        Step(TRIGGER.format("two"), "Trigger two created successfully"),
        Step(
            "show plugins --format csv",
            "plugin_name,file_name,file_path,size_bytes,last_modified\n"
            f"one,plugin.py,…/plugin.py,{len(PLUGIN)},…\ntwo,plugin.py,…/plugin.py,{len(PLUGIN)},…",
        ),
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_writes_queries_and_tables(story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)
