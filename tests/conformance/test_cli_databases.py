"""Command line, rows 9 to 40: databases, tables and caches."""

from pathlib import Path

import pytest

from tests.support.cli import RunCli
from tests.support.stories import Step, Story, server_of, tell, told

CREATED = 'Database "{}" created successfully'
ASK = "Are you sure you want to delete {}? Enter 'yes' or 'y' to confirm"
ASK_D = ASK.format('"d"')
PERIOD = (
    'query -d _internal --format json "SELECT retention_period_ns FROM system.databases '
    "WHERE system.databases.database_name='d'\""
)
EXISTS = "server responded with error [409 Conflict]: attempted to create a resource that already exists"
DELETED = "server responded with error [409 Conflict]: attempted to modify resource that was already deleted: "

FOO, BAR, D = (Step(f"create database {name}", CREATED.format(name)) for name in ("foo", "bar", "d"))
DELETE_D = Step("delete database d --yes", 'Database "d" deleted successfully')
DELETE_FOO = Step("delete database foo --yes", 'Database "foo" deleted successfully')
NAME_OF_DELETED = Step("show databases --show-deleted --format csv", "…", keep=r"^(?P<deleted>d-[^,]+),true")
BAR_TABLE = (
    "create table --database foo bar --tags one,two,three "
    "--fields four:utf8,five:uint64,six:float64,seven:int64,eight:bool"
)
MADE_BAR = Step(BAR_TABLE, 'Table "foo"."bar" created successfully')
CPU = Step("create table -d foo --tags host --fields usage:float64 -- cpu", 'Table "foo"."cpu" created successfully')
DISTINCT = "create distinct_cache --database foo --table bar --columns one,two baz"
DROP_DISTINCT = "delete distinct_cache --database foo --table bar baz"
GRID = (
    "+---------------+\n| iox::database |\n+---------------+\n| _internal     |\n| bar           |\n"
    "| foo           |\n+---------------+"
)

STORIES = [
    told("CLI row 9", FOO),
    # No limit unless the server's --max-databases sets one (docs/differences.md).
    told(
        "CLI row 10",
        *(Step(f"create database foo{number}", CREATED.format(f"foo{number}")) for number in range(5)),
        Step("create database foo5", "", "…Adding a new database would exceed limit of 5 databases…", 1),
        settings={"max_databases": 5},
    ),
    told(
        "CLI row 10 no limit by default",
        *(Step(f"create database foo{number}", CREATED.format(f"foo{number}")) for number in range(7)),
    ),
    told(
        "CLI row 11",
        Step("create database _foo_bar", "", "…db name did not start with a number or letter…", 1),
    ),
    told(
        "CLI row 12",
        Step("create database", "", "Usage: influxdb3 create database …Missing argument…DATABASE_NAME…", 2),
    ),
    told(
        "CLI row 13",
        Step("create database d --retention-period 30d", CREATED.format("d")),
        Step(PERIOD, '[{"retention_period_ns":2592000000000000}]'),
    ),
    told("CLI row 14", D, Step(PERIOD, "[{}]")),
    told(
        "CLI row 15",
        Step(
            "create database d --retention-period invalid",
            "",
            "…Invalid value for '--retention-period': 'invalid': expected number at 0",
            2,
        ),
        Step("create database d --retention-period none", "", "…'none': expected number at 0", 2),
        Step("create database d --retention-period 1mo", "", "…'1mo': …unknown time unit…", 2),
        Step("create database d --retention-period ''", "", "…'': value was empty…", 2),
    ),
    told(
        "CLI row 16",
        Step("create database d --retention-period 30d", CREATED.format("d")),
        Step("update database --database d --retention-period 60d", 'Database "d" updated successfully'),
        Step(PERIOD, '[{"retention_period_ns":5184000000000000}]'),
    ),
    told(
        "CLI row 17",
        Step("create database d --retention-period 30d", CREATED.format("d")),
        Step("update database --database d --retention-period none", 'Database "d" updated successfully'),
        Step(PERIOD, "[{}]"),
        Step("update database -d d -r 3h", 'Database "d" updated successfully'),
        Step("update database -d d -r NONE", 'Database "d" updated successfully'),
        Step(PERIOD, "[{}]"),
        Step("update database -d d -r soon", "", "Update command failed: expected number at 0", 1),
    ),
    told(
        "CLI row 18",
        D,
        Step(
            "update database -d d", "", "Update command failed: --retention-period is required for update database", 1
        ),
    ),
    told(
        "CLI row 19",
        D,
        DELETE_D,
        NAME_OF_DELETED,
        Step(
            "update database --database {deleted} --retention-period 3h",
            "",
            f"Update command failed: {DELETED}{{deleted}}",
            1,
        ),
    ),
    told("CLI row 20", FOO, BAR, Step("show databases", GRID)),
    told(
        "CLI row 21",
        FOO,
        BAR,
        Step(
            "show databases --format json",
            '[{"iox::database":"_internal"},{"iox::database":"bar"},{"iox::database":"foo"}]',
        ),
    ),
    told("CLI row 22", FOO, BAR, Step("show databases --format csv", "iox::database\n_internal\nbar\nfoo")),
    told(
        "CLI row 23",
        FOO,
        BAR,
        Step(
            "show databases --format jsonl",
            '{"iox::database":"_internal"}\n{"iox::database":"bar"}\n{"iox::database":"foo"}',
        ),
    ),
    told("CLI row 24", FOO, DELETE_FOO, Step("show databases --show-deleted", "…foo-…true…")),
    told(
        "CLI row 25",
        FOO,
        Step("delete database foo", 'Database "foo" deleted successfully', ASK.format('"foo"'), stdin="yes\n"),
    ),
    told("CLI row 26", D, DELETE_D),
    told(
        "CLI row 27",
        D,
        Step("delete database d", "", f"{ASK_D}\nDelete command failed: Cannot proceed without confirmation", 1),
        Step("delete database d", "", f"{ASK_D}\nDelete…Cannot proceed without confirmation", 1, stdin="no\n"),
        Step("delete database d", 'Database "d" deleted successfully', ASK_D, stdin=" Y \n"),
    ),
    told("CLI row 28", Step("delete database foo", "", "…404…", 1, stdin="yes\n")),
    *(
        told(
            f"CLI row 29 {when}",
            D,
            Step(f"delete database d --hard-delete {when}", 'Database "d" deleted successfully', ASK_D, stdin="yes\n"),
        )
        for when in ("now", "never", "default", "NEVER", "2125-12-31T23:59:59Z")
    ),
    told(
        "CLI row 29 no time",
        D,
        Step("delete database d -y --hard-delete soon", "", "Delete command failed: …[400 Bad Request]…soon…", 1),
    ),
    told(
        "CLI row 30",
        D,
        Step("delete database d -y --hard-delete never", 'Database "d" deleted successfully'),
        NAME_OF_DELETED,
        Step("delete database {deleted} --hard-delete never", "", "…409…", 1, stdin="yes\n"),
    ),
    told("CLI row 31", FOO, MADE_BAR),
    told("CLI row 32", FOO, MADE_BAR, Step('query --database foo --format json "SELECT * FROM bar"', "[]")),
    told("CLI row 33", FOO, MADE_BAR, Step(BAR_TABLE, "", f"Create command failed: {EXISTS}", 1)),
    told(
        "CLI row 34",
        FOO,
        Step("create table --database foo bar --tags", "", "…Option '--tags' requires an argument…", 2),
    ),
    told(
        "CLI row 35",
        FOO,
        CPU,
        Step(
            "delete table cpu --database foo",
            'Table "foo"."cpu" deleted successfully',
            ASK.format('"foo"."cpu"'),
            stdin="yes\n",
        ),
    ),
    told("CLI row 36", FOO, Step("delete table cpu --database foo", "", "…404…", 1, stdin="yes\n")),
    told("CLI row 37", FOO, MADE_BAR, Step(DISTINCT, 'new cache created: {…"cache_name": "baz"…}')),
    told(
        "CLI row 38",
        FOO,
        MADE_BAR,
        Step(DISTINCT, "new cache created: …"),
        Step(DISTINCT, "", f"Create command failed: {EXISTS}…", 1),
    ),
    told(
        "CLI row 39",
        FOO,
        MADE_BAR,
        Step(DISTINCT, "new cache created: …"),
        Step(DROP_DISTINCT, "distinct cache deleted successfully"),
        Step(DROP_DISTINCT, "", "Delete command failed: …[404 Not Found]…", 1),
    ),
    told(
        "CLI row 40",
        FOO,
        CPU,
        Step("create last_cache -d foo -t cpu", 'new cache created: {\n  "catalog_batch": …"cpu_host_last_cache"…}'),
        Step("delete last_cache -d foo -t cpu cpu_host_last_cache", "last cache deleted successfully"),
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_databases_tables_and_caches(
    story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)
