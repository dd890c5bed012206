"""``apply`` and ``export`` against a real server in the process of the test."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.trigger import TriggerDefinition
from engine.runtime import Engine
from tests.support.cli import RunCli
from tests.support.engines import open_engine
from tests.support.listening import listening
from tests.support.scripted_server import Reply, ScriptedServer

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None): pass
def process_scheduled_call(influxdb3_local, call_time, args=None): pass
"""
FILE = """
[databases.home.triggers.alarm]
spec = "table:cpu"
plugin = "p.py"
arguments = { threshold = "90", token = "env:HOME" }

[databases.home.triggers.hourly]
spec = "every:60m"
plugin = "p.py"
timeout = 30
enabled = false
"""
NOTHING = "Nothing to do: 2 unchanged.\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "p.py").write_text(PLUGIN)
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        yield engine


@pytest.fixture
def live(cli: RunCli, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunCli]:
    """Run commands beside ``triggers.toml`` that speak with a server."""
    (tmp_path / "triggers.toml").write_text(FILE)
    with listening(engine) as url:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        yield cli


def triggers(engine: Engine, database: str = "home") -> dict[str, TriggerDefinition]:
    found = engine.catalog.state.database(database)
    return {t.name: t for t in found.triggers} if found else {}


def test_a_second_apply_finds_nothing_to_do(live: RunCli, engine: Engine) -> None:
    first = live("apply", "-f", "triggers.toml")
    assert (first.code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[-3:] == [
        "Plan: 2 to add, 0 to change, 0 to remove, 0 unchanged.",
        'trigger "alarm" of database "home" added',
        'trigger "hourly" of database "home" added',
    ]
    alarm, hourly = triggers(engine)["alarm"], triggers(engine)["hourly"]
    assert (alarm.arguments, alarm.enabled) == ({"threshold": "90", "token": "env:HOME"}, True)
    assert (hourly.limits.timeout_s, hourly.enabled) == (30.0, False)
    second = live("apply", "-f", "triggers.toml")
    assert (second.code, second.stdout, second.stderr) == (0, NOTHING, "")


def test_a_dry_run_changes_nothing_and_may_tell_by_its_exit_code(live: RunCli, engine: Engine) -> None:
    dry = live("apply", "-f", "triggers.toml", "--dry-run")
    assert (dry.code, dry.stdout.splitlines()[0]) == (0, 'database "home", which is new')
    assert live("apply", "-f", "triggers.toml", "--dry-run", "--exit-code").code == 3
    assert engine.catalog.state.database("home") is None
    live("apply", "-f", "triggers.toml")
    dry = live("apply", "-f", "triggers.toml", "--dry-run", "--exit-code")
    assert (dry.code, dry.stdout) == (0, NOTHING)


def test_changes_keep_the_trigger(live: RunCli, engine: Engine, tmp_path: Path) -> None:
    live("apply", "-f", "triggers.toml")
    before = triggers(engine)
    changed = FILE.replace('"90"', '"95"').replace("timeout = 30\nenabled = false", 'max_cpu = "5s"')
    (tmp_path / "triggers.toml").write_text(changed)
    done = live("apply", "-f", "triggers.toml")
    assert done.stdout.splitlines() == [
        'database "home"',
        '  ~ trigger "alarm"',
        '      arguments.threshold: "90" → "95"',
        '  ~ trigger "hourly"',
        "      enabled: false → true",
        '      timeout: "30s" → none',
        '      max_cpu: none → "5s"',
        "Plan: 0 to add, 2 to change, 0 to remove, 0 unchanged.",
        'trigger "alarm" of database "home" changed',
        'trigger "hourly" of database "home" changed',
    ]
    after = triggers(engine)
    assert {n: t.trigger_id for n, t in after.items()} == {n: t.trigger_id for n, t in before.items()}
    assert (after["hourly"].enabled, after["hourly"].limits.timeout_s, after["hourly"].limits.max_cpu_s) == (
        True,
        None,
        5,
    )
    assert live("apply", "-f", "triggers.toml").stdout == NOTHING


def test_only_what_a_file_names_is_pruned_and_only_if_asked(live: RunCli, engine: Engine) -> None:
    live("apply", "-f", "triggers.toml")
    for database in ("home", "work"):
        live("create", "database", database)
        live("create", "trigger", "stray", "-d", database, "--trigger-spec", "all_tables", "--path", "p.py")
    kept = live("apply", "-f", "triggers.toml")
    assert kept.stdout.splitlines()[1:] == [
        '    trigger "stray": not in the file, left alone; --prune removes it',
        NOTHING.strip(),
    ]
    refused = live("apply", "-f", "triggers.toml", "--prune", stdin="no\n")
    assert (refused.code, "--yes confirms beforehand" in refused.stderr) == (1, True)
    assert "stray" in triggers(engine)
    pruned = live("apply", "-f", "triggers.toml", "--prune", stdin="y\n")
    assert (pruned.code, pruned.stdout.splitlines()[-1]) == (0, 'trigger "stray" of database "home" removed')
    assert "delete trigger" in pruned.stderr
    assert (sorted(triggers(engine)), sorted(triggers(engine, "work"))) == (["alarm", "hourly"], ["stray"])


def test_a_file_from_standard_input_cannot_be_confirmed_there(live: RunCli, engine: Engine) -> None:
    assert live("apply", "-f", "-", stdin=FILE).code == 0
    emptied = "[databases.home]\n"
    refused = live("apply", "-f", "-", "--prune", stdin=emptied)
    assert (refused.code, len(triggers(engine))) == (1, 2)
    assert live("apply", "-f", "-", "--prune", "--yes", stdin=emptied).code == 0
    assert triggers(engine) == {}


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        pytest.param(
            "--trigger-spec table:cpu --path p.py --trigger-arguments a=1,b=env:HOME --error-behavior retry "
            "--run-asynchronous --disabled --timeout 90s --max-memory 512mb --max-cpu 5 --max-rows-per-run 100 "
            "--isolation trigger --restore-state values",
            """
            spec = "table:cpu"
            plugin = "p.py"
            arguments = { a = "1", b = "env:HOME" }
            error_behavior = "retry"
            run_asynchronous = true
            enabled = false
            timeout = 90
            max_memory = "512mb"
            max_cpu = "5s"
            max_rows_per_run = 100
            isolation = "trigger"
            restore_state = "values"
            """,
            id="write",
        ),
        pytest.param(
            "--trigger-spec 'cron:0 8 * * *' --plugin-filename p.py --timezone Europe/Berlin --misfire once "
            "--misfire-window 1h --jitter 10s",
            """
            spec = "cron:0 8 * * *"
            plugin = "p.py"
            timezone = "Europe/Berlin"
            misfire = "once"
            misfire_window = "60min"
            jitter = 10
            """,
            id="schedule",
        ),
    ],
)
def test_a_file_says_what_the_options_of_create_say(live: RunCli, options: str, lines: str) -> None:
    live("create", "database", "home")
    assert live("create", "trigger", "t", "-d", "home", *shlex.split(options)).code == 0
    same = live("apply", "-f", "-", "--prune", stdin=f"[databases.home.triggers.t]{lines}")
    assert (same.code, same.stdout, same.stderr) == (0, "Nothing to do: 1 unchanged.\n", "")


def test_a_plan_shows_no_control_characters(live: RunCli) -> None:
    text = """[databases.home.triggers.t]
spec = "all_tables"
plugin = "p.py"
arguments = { word = "\\u009b31m" }
"""
    shown = live("apply", "-f", "-", "--dry-run", stdin=text).stdout
    assert ("\x9b" in shown, r'word = "\u{9b}31m"' in shown) == (False, True)


def test_what_fails_is_told_and_made_by_the_next_apply(live: RunCli, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "plugins/p.py").rename(tmp_path / "plugins/q.py")
    (tmp_path / "triggers.toml").write_text(FILE.replace("p.py", "q.py", 1))
    partly = live("apply", "-f", "triggers.toml")
    assert partly.code == 1
    assert partly.stdout.splitlines()[-1] == 'trigger "alarm" of database "home" added'
    told, end = partly.stderr.splitlines()
    assert told.startswith('trigger "hourly" of database "home" was not added: server responded with error [500')
    assert end == "Apply command failed: 1 of 2 changes were made; run it again to make the others"
    (tmp_path / "plugins/p.py").write_text(PLUGIN)
    again = live("apply", "-f", "triggers.toml")
    assert (again.code, again.stdout.splitlines()[-1]) == (0, 'trigger "hourly" of database "home" added')
    assert sorted(triggers(engine)) == ["alarm", "hourly"]


def test_what_the_server_warns_of_is_told(live: RunCli, tmp_path: Path) -> None:
    (tmp_path / "triggers.toml").write_text(FILE.replace("env:HOME", "env:NOT_THERE"))
    warned = live("apply", "-f", "triggers.toml")
    assert warned.code == 0
    assert warned.stderr.startswith('warning: trigger "alarm" of database "home": ')


def test_plugins_come_with_the_triggers_and_again_when_they_change(live: RunCli, tmp_path: Path) -> None:
    (tmp_path / "local/pack").mkdir(parents=True)
    (tmp_path / "local/pack/__init__.py").write_text(PLUGIN)
    (tmp_path / "local/p.py").write_text(f"# newer{PLUGIN}")
    (tmp_path / "triggers.toml").write_text(FILE.replace("p.py", "pack", 1))
    apply = ("apply", "-f", "triggers.toml", "--plugins", "local")
    first = live(*apply)
    assert (first.code, first.stdout.splitlines()[:2]) == (0, ['plugin "p.py" is sent', 'plugin "pack" is sent'])
    assert "Plan: 2 to send, 2 to add, 0 to change, 0 to remove, 0 unchanged." in first.stdout
    assert live(*apply).stdout == NOTHING
    (tmp_path / "local/pack/__init__.py").write_text("def process_writes(:")
    changed = live(*apply)
    assert changed.stdout.splitlines() == [
        'plugin "pack" is sent: the server\'s differs',
        "Plan: 1 to send, 0 to add, 0 to change, 0 to remove, 2 unchanged.",
        'plugin "pack" sent',
    ]
    assert changed.stderr.startswith('warning: plugin "pack": ')
    assert (tmp_path / "plugins/pack/__init__.py").read_text() == "def process_writes(:"
    assert (tmp_path / "plugins/p.py").read_text() == f"# newer{PLUGIN}"
    assert live(*apply).stdout == NOTHING


def test_a_plugin_that_the_server_does_not_take_ends_it(live: RunCli, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local/.p.py").write_text(PLUGIN)
    (tmp_path / "triggers.toml").write_text(FILE.replace("p.py", ".p.py"))
    failed = live("apply", "-f", "triggers.toml", "--plugins", "local")
    assert (failed.code, "plugins are not hidden" in failed.stderr) == (1, True)
    assert engine.catalog.state.database("home") is None


@pytest.mark.parametrize("database", [[], ["--database", "home"]])
def test_what_is_exported_is_as_it_is(live: RunCli, tmp_path: Path, database: list[str]) -> None:
    live("apply", "-f", "triggers.toml")
    assert live("export", *database, "-o", "out.toml").stdout == "2 triggers written to out.toml\n"
    assert live("apply", "-f", "out.toml", "--prune").stdout == NOTHING
    printed = live("export", *database).stdout
    assert printed == (tmp_path / "out.toml").read_text()
    assert live("apply", "-f", "-", stdin=printed).stdout == NOTHING


def test_a_database_that_is_not_there_cannot_be_exported(live: RunCli) -> None:
    failed = live("export", "-d", "nope")
    assert (failed.code, failed.stderr) == (1, 'Export command failed: there is no database "nope"\n')


def test_a_file_that_cannot_be_written_is_told(live: RunCli) -> None:
    failed = live("export", "-o", "no/such/folder.toml")
    assert (failed.code, failed.stderr) == (
        1,
        "Export command failed: io error: No such file or directory (os error 2)\n",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[databases.home.triggers.x]\nplugn = 1", "t.toml, line 2: unknown key 'plugn' in trigger 'x' of database"),
        ("", "t.toml, line 1: the file is empty"),
        (None, "t.toml: No such file or directory"),
    ],
)
def test_a_bad_file_never_reaches_the_server(
    connected: RunCli, server: ScriptedServer, tmp_path: Path, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / "t.toml").write_text(text)
    failed = connected("apply", "-f", "t.toml")
    assert (failed.code, failed.stdout) == (2, "")
    assert f"Invalid value for --file: {told}" in failed.stderr
    assert not server.requests


def test_the_exit_code_is_for_dry_runs(connected: RunCli) -> None:
    assert connected("apply", "-f", "t.toml", "--exit-code").code == 2


def test_a_database_that_was_made_meanwhile_is_as_good(
    connected: RunCli, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "t.toml").write_text(FILE)
    server.replies += [Reply(body=b'{"databases": []}'), Reply(409, b"exists")]
    assert connected("apply", "-f", "t.toml").code == 0
    assert [request.method for request in server.requests] == ["GET", "POST", "POST", "POST"]


def test_a_server_that_goes_away_ends_it(connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(FILE)
    server.replies += [Reply(body=b'{"databases": []}'), Reply(), Reply(), Reply(503, b"{...", is_broken=True)]
    ended = connected("apply", "-f", "t.toml")
    assert (ended.code, ended.stdout.splitlines()[-1]) == (1, 'trigger "alarm" of database "home" added')
    assert ended.stderr.startswith("Apply command failed: ")
