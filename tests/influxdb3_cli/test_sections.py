"""What the specification of the command line says beside its table of examples, by its sections, against a real server."""

from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.stories import PLUGIN, Step, Story, server_of, tell, told

FOO = Step("create database foo", 'Database "foo" created successfully')
CPU = Step("write -d foo -q 'cpu,host=a usage=1 1'")
SPEC = "query -d foo --format csv 'SELECT trigger_specification FROM system.processing_engine_triggers'"
TABLE = Step("create table -d foo cpu --tags host region -f usage:float64", 'Table "foo"."cpu" created successfully')
HELD = 'query -d foo --format csv "SELECT count(*) AS n FROM cpu"'
BAD = "write -d foo -q -f bad.lp"
DELETED = 'Database "b" deleted successfully'


def spec(typed: str, told_as: str) -> tuple[Step, Step]:
    created = Step(
        f"create trigger t -d foo --path plugin.py --trigger-spec '{typed}'", "Trigger t created successfully"
    )
    return created, Step(SPEC, f"trigger_specification\n…{told_as}…")


STORIES = [
    told(
        "1.3 options may be joined, and stand before or behind",
        Step("create database -- foo", 'Database "foo" created successfully'),
        Step("write -dfoo -q 'cpu v=1 1'"),
        Step("write -d=foo -q -- 'cpu v=1 2'"),
        Step("write 'cpu v=1 3' --database=foo -qps"),
        Step(HELD, "n\n3"),
        Step("query 'SELECT 1 AS a' -d foo --format=csv", "a\n1"),
    ),
    told(
        "5.1 the name of a database may come from a variable",
        Step("create database", 'Database "foo" created successfully', environment={"INFLUXDB3_DATABASE_NAME": "foo"}),
        Step("create database b", 'Database "b" created successfully', environment={"INFLUXDB3_DATABASE_NAME": "foo"}),
        Step("delete database -y", 'Database "foo" deleted successfully', environment={"INFLUXDB3_DATABASE_NAME": "foo"}),
        Step("show databases --format csv", "iox::database\n_internal\nb"),
    ),
    told("5.1 names are quoted", Step("create database 'a\"b'", "", 'Create command failed: …[400 Bad Request]…', 1)),
    told(
        "5.2 a cache has a name of its table and keys",
        FOO,
        TABLE,
        Step("create last_cache -d foo -t cpu --key-columns region,host", "…cpu_region_host_last_cache…"),
        Step("create last_cache -d foo -t cpu --count 0", "", "…0: invalid count for last cache provided…", 2),
        Step("create last_cache -d foo -t cpu --count x", "", "…expected an unsigned integer for last cache count…", 2),
        Step("create last_cache -d foo -t cpu --ttl soon", "", "…'soon': expected number at 0", 2),
    ),
    told(
        "5.3 a distinct cache needs columns",
        FOO,
        TABLE,
        Step(
            "create distinct_cache -d foo -t cpu",
            "",
            "Create command failed: …[400 Bad Request]: invalid configuration provided: no columns provided when "
            "creating distinct cache",
            1,
        ),
        Step("create distinct_cache -d foo -t cpu --columns host --max-cardinality 0", "", "…number would be zero…", 2),
        Step("create distinct_cache -d foo -t cpu --columns host", "…cpu_host_distinct_cache…"),
    ),
    told(
        "5.4 types of fields",
        FOO,
        Step("create table -d foo cpu --fields a", "", "…invalid FIELD:VALUE. No `:` found in `a`", 2),
        Step("create table -d foo cpu -f a:str", "", "…str is not a valid data type, values are int64, uint64, …", 2),
        Step("create table -d foo cpu", 'Table "foo"."cpu" created successfully'),
    ),
    told("5.5 a period is sent in its plain form", FOO, *spec("every:90m", '""secs"":5400')),
    told("5.5 a prefix may stand twice", FOO, *spec("table:table:cpu", '""table_name"":""cpu""')),
    told(
        "5.5 what a trigger needs",
        FOO,
        Step(
            "create trigger t -d foo --trigger-spec all_tables",
            "",
            "Create command failed: Either --path or --plugin-filename must be provided",
            1,
        ),
        Step("create trigger t -d foo --path plugin.py", "", "…Missing option '--trigger-spec'…", 2),
        Step(
            "create trigger t -d foo --path plugin.py --trigger-spec all_tables --trigger-arguments a=1,",
            "",
            "…'': must be formatted as \"key=value\"",
            2,
        ),
        Step(
            "create trigger t -d foo --path plugin.py --trigger-spec every:2years",
            "",
            "…don't support every schedules of over 1 year…",
            2,
        ),
        Step(
            "create trigger t -d foo --path plugin.py --trigger-spec 'cron:99 * * * *'",
            "",
            "…'cron:99 * * * *': failed to parse trigger from cron:99 * * * *: 99 is not from 0 to 59 in the field minute",
            2,
        ),
        Step(
            "create trigger t -d foo --path plugin.py --trigger-spec request:",
            "",
            "…failed to parse trigger from request:: nothing stands behind the colon",
            2,
        ),
    ),
    told(
        "6 names of what is deleted stay",
        FOO,
        Step("create database b", 'Database "b" created successfully'),
        Step("delete database b -y", DELETED),
        Step("create database b", 'Database "b" created successfully'),
        Step("delete database b --yes", DELETED),
        Step(
            "show databases --show-deleted --format csv",
            "iox::database,deleted\n_internal,false\nfoo,false\nb-…,true\nb-…,true",
        ),
        Step("delete database _internal -y", "", "Delete command failed: …cannot delete internal db", 1),
    ),
    told(
        "6.6 and 11.2 tokens",
        Step("show tokens --format csv", "…"),
        Step("delete token --token-name gone -y", "", "Delete command failed: …[4…", 1),
    ),
    told(
        "7.2 a plugin that is a folder is replaced as a whole",
        FOO,
        Step("create trigger t -d foo --path pack --upload --trigger-spec all_tables", "Trigger t created successfully"),
        Step(
            "update trigger -d foo -t t -p new",
            "Trigger 't' updated successfully (atomic directory replacement)",
        ),
        Step("update trigger -d foo -t t -p gone", "", "Update command failed: Path does not exist: gone", 1),
        Step("update trigger -d foo -t t -p empty", "", "Update command failed: No Python files found in directory…", 1),
        files={"pack/__init__.py": PLUGIN, "new/__init__.py": PLUGIN, "new/more.py": "", "empty/notes.txt": ""},
    ),
    told(
        "9 forms of results",
        CPU,
        Step("query -d foo 'SELECT * FROM cpu WHERE false'", "++\n++"),
        Step("query -d foo --format jsonl 'SELECT host, usage FROM cpu'", '{"host":"a","usage":1.0}'),
        Step("query -d foo --format json 'SELECT host FROM cpu WHERE false'", "[]"),
        Step("query -d foo --format xml 'SELECT 1'", "", "…'xml' is not one of…", 2),
        Step("query -d gone 'SELECT 1'", "", "Query command failed: …[404 Not Found]: …database not found: gone…", 1),
        Step("query -d foo 'SELECT * FROM gone'", "", "…[400 Bad Request]: Error during planning: table '…gone' not found…", 1),
        Step("query -d foo", "…| a |…", stdin="SELECT 1 AS a"),
    ),
    told(
        "10 what is refused is told, what is good is kept",
        Step(
            BAD,
            "",
            "Write command failed: server responded with error [400 Bad Request]: {\"error\":\"partial write of line "
            'protocol occurred","data":[{"error_message":…"line_number":2,"original_line":"bad"}]}',
            1,
        ),
        Step(HELD, "n\n2"),
        Step("write -d foo", stdin=""),
        Step(
            "write -d foo cpu a=1",
            "",
            "Write command failed: ensure that a single protocol line string is provided as the final argument, enclosed "
            "in quotes",
            1,
        ),
        files={"bad.lp": "cpu v=1 1\nbad\ncpu v=1 2\n"},
    ),
    told(
        "10 large input goes in several requests",
        Step(
            "write -d foo -p ns --max-request-size 30 --max-concurrent-requests 1 -f many.lp",
            "",
            "  …: 1 request (…\n…: 2 requests (… requests/sec), 4 lines (… lines/s), 44B (…/s)",
        ),
        Step(HELD, "n\n4"),
        files={"many.lp": "".join(f"cpu v=1 {n}\n" for n in range(11, 15))},
    ),
    told(
        "11.4 retention",
        FOO,
        Step("create database d --retention-period 36h", 'Database "d" created successfully'),
        Step("create database e --retention-period 2w", 'Database "e" created successfully'),
        Step(
            "show retention --format csv",
            "database_name,retention_period\n_internal,7d\nd,36h\ne,14d\nfoo,infinite",
        ),
        Step("show retention --database d --format csv", "database_name,retention_period\nd,36h"),
        Step("show retention --database \"d'\" --format json", "[]"),
    ),
    told(
        "11.5 system tables",
        CPU,
        Step("show s -d foo table-list --format csv", 'table_name,column_names\ndistinct_caches,"…, …"\n…'),
        Step("show system -d foo table influxdb_schema -s measurement,key -o key --format csv", "measurement,key\n…cpu,host…"),
        Step("show system -d foo table influxdb_schema -l 70000", "", "…70000: value must be at most 65535", 2),
        Step("show system -d foo", "", "…", 2),
    ),
    told(
        "13 what a dry run lacks",
        FOO,
        Step("test wal_plugin -d foo --file gone.lp plugin.py", "", "Test command failed: unable to read input file", 1),
        Step(
            "test wal_plugin -d foo --lp 'm f=1' gone.py",
            "",
            "Test command failed: server responded with error [500 Internal Server Error]: Plugin error: …gone.py…",
            1,
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_sections(story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)
