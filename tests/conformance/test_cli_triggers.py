"""Command line, rows 55 to 70 and 84: triggers, dry runs, packages; row 85 is in test_b10_tables_and_commands.py."""

from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, scripted_server
from tests.support.stories import PLUGIN, Step, Story, server_of, tell, told

FOO = Step("create database foo", 'Database "foo" created successfully')
CREATE = "create trigger t -d foo --trigger-spec all_tables"
CREATED = "Trigger test_trigger created successfully"
TEST_TRIGGER = Step(
    "create trigger test_trigger --database foo --plugin-filename plugin.py --trigger-spec all_tables "
    "--trigger-arguments double_count_table=cpu",
    CREATED,
)
ARGUMENTS = (
    'query -d foo --format csv "SELECT argument_key, argument_value FROM system.processing_engine_trigger_arguments '
    'ORDER BY 1"'
)
TWICE = "Failed to create trigger: {0}\nCreate command failed: {0}"
SCHEDULED = "def process_scheduled_call(influxdb3_local, call_time, args=None): pass\n"
WAL = "test wal_plugin --database foo --lp 'test_input,tag1=a field1=1i 500' --input-arguments arg1=x,host=s2"

STORIES = [
    told("CLI row 55", FOO, TEST_TRIGGER),
    told(
        "CLI row 56",
        FOO,
        Step(
            "create trigger test_trigger --database foo --path plugin.py --trigger-spec all_tables "
            "--trigger-arguments query_path=/metrics?format=json,whatever=hello",
            CREATED,
        ),
        Step(ARGUMENTS, "argument_key,argument_value\nquery_path,/metrics?format=json\nwhatever,hello"),
    ),
    told("CLI row 57", FOO, Step(f"{CREATE} --path gone.py --upload", "", "…File not found…", 1)),
    told(
        "CLI row 58",
        FOO,
        Step(f"{CREATE} --path ./p.py --upload", "", "…No plugin directory…", 1),
        settings={"plugin_dir": None},
        files={"p.py": PLUGIN},
    ),
    told(
        "CLI row 59",
        FOO,
        Step(f"{CREATE} --path ./dir_without_init --upload", "", "…__init__.py…", 1),
        files={"dir_without_init/more.py": PLUGIN},
    ),
    # `path:` is the same as `request:` here (docs/differences.md); what is no form is refused by the command.
    told(
        "CLI row 61",
        FOO,
        Step("create trigger t -d foo --path plugin.py --trigger-spec path:webhook", "Trigger t created successfully"),
        Step(
            "query -d foo --format csv 'SELECT trigger_specification FROM system.processing_engine_triggers'",
            "trigger_specification\n…request…webhook…",
        ),
        Step(
            "create trigger t -d foo --path plugin.py --trigger-spec webhook",
            "",
            "…Invalid value for '--trigger-spec': 'webhook': failed to parse trigger from webhook: expect one of the "
            "following forms: …",
            2,
        ),
    ),
    told(
        "CLI row 62",
        FOO,
        Step(f"{CREATE} --path plugin.py", "", "…server is configured to reject WalRows…", 1),
        settings={"restrict_plugin_triggers_to": frozenset({"schedule"})},
    ),
    told(
        "CLI row 63",
        FOO,
        TEST_TRIGGER,
        *(
            Step(f"{verb} trigger test_trigger --database foo", f"Trigger test_trigger {verb}d successfully")
            for verb in ("enable", "disable", "disable", "enable")
        ),
    ),
    told(
        "CLI row 64",
        FOO,
        TEST_TRIGGER,
        Step("delete trigger test_trigger --database foo", "", "Delete command failed: …--force…", 1),
    ),
    told(
        "CLI row 65",
        FOO,
        TEST_TRIGGER,
        Step("delete trigger test_trigger --database foo --force", "Trigger test_trigger deleted successfully"),
    ),
    told(
        "CLI row 67",
        FOO,
        Step(
            f"{WAL} plugin.py",
            """{
  "log_lines": [
    "INFO: starting execution of wal plugin.",
    "INFO: seen test_input {'arg1': 'x', 'host': 's2'}",
    "INFO: finished execution in …"
  ],
  "database_writes": {
    "foo": [
      "seen,table=test_input rows=1i"
    ]
  },
  "errors": []
}""",
        ),
    ),
    # A dry run that fails ends the command with 1 here (docs/differences.md).
    told(
        "CLI row 68",
        FOO,
        Step(
            f"{WAL} scheduled.py",
            '{…"errors": [\n    "error executing plugin: the process_writes function is not present in the plugin. Should be '
            'defined as: process_writes(influxdb3_local, table_batches, args=None)"\n  ]…}',
            code=1,
        ),
        plugins={"scheduled.py": SCHEDULED},
    ),
    told(
        "CLI row 69",
        FOO,
        Step(
            "test schedule_plugin --database foo --schedule '*/5 * * * * *' --input-arguments region=us-east plugin.py",
            """{
  "trigger_time": "…T…Z",
  "log_lines": [
    "INFO: starting execution with scheduled time …",
    "INFO: args are {'region': 'us-east'}",
    "INFO: finished execution in …"
  ],
  "database_writes": {},
  "errors": []
}""",
        ),
    ),
    told(
        "CLI row 70",
        FOO,
        Step("test wal_plugin -d foo plugin.py", "", "Test command failed: either --lp or --file must be provided", 1),
    ),
    told(
        "CLI row 84",
        Step("install package", "", "…<PACKAGES>...…", 2),
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_triggers(story: Story, cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_of(story, tmp_path / "server") as (_, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)


@row("CLI row 60")
def test_a_plugin_that_the_repository_lacks(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "server responded with error [500 Internal Server Error]: Plugin error: "
    refusal += "error fetching plugin from repository: 404 Not Found …"
    create = "create trigger foo -d foo --plugin-filename gh:not_a_file.py --trigger-spec request:foo"
    steps = (FOO, Step(create, "", TWICE.format(refusal), 1))
    with scripted_server() as repository:
        repository.replies.extend([Reply(404)] * 10)
        story = Story(steps, {"plugin_repo": f"{repository.url}/"})
        with server_of(story, tmp_path / "server") as (_, url):
            monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
            tell(story, cli, tmp_path, monkeypatch)


@row("CLI row 66")
def test_the_plugin_of_a_trigger_is_replaced(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update = "update trigger --database foo --trigger-name test_trigger --path new.py"
    steps = (FOO, TEST_TRIGGER, Step(update, "Trigger 'test_trigger' updated successfully"))
    story = Story(steps, files={"new.py": f"# new\n{PLUGIN}"})
    with server_of(story, tmp_path / "server") as (served, url):
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        tell(story, cli, tmp_path, monkeypatch)
        assert (served.plugins / "plugin.py").read_text() == f"# new\n{PLUGIN}"
