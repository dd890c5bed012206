"""Checklist B10: system tables, dry runs, packages, and what commands say."""

import csv
import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.engines import eventually
from tests.support.listening import listening
from tests.support.scene import CALLS, QUICK, REQUESTS, WRITES, Scene, write_files
from tests.support.scripted_server import Reply, scripted_server
from tests.support.web import TRIGGERS, told, web
from tests.support.wheels import make_wheel

NOTHING = WRITES + "    pass\n"
INSTALL = "/api/v3/configure/plugin_environment/install_packages"
FILES = "SELECT plugin_name, file_name, file_path, size_bytes, last_modified FROM system.plugin_files"


# ---- system tables


@row("B10.1")
def test_the_table_of_triggers_has_five_columns(plain: Scene) -> None:
    sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'system' "
    columns = plain.rows(sql + "AND table_name = 'processing_engine_triggers' ORDER BY ordinal_position")
    assert [(column["column_name"], column["data_type"]) for column in columns] == [
        ("trigger_name", "Utf8"),
        ("plugin_filename", "Utf8"),
        ("trigger_specification", "Utf8"),
        ("disabled", "Boolean"),
        ("error_behavior", "Utf8"),
    ]
    plain.trigger("table:cpu", NOTHING, error_behavior="retry")
    expected = {
        "trigger_name": "t",
        "plugin_filename": f"{plain.database}_t.py",
        "trigger_specification": '{"single_table_wal_write":{"table_name":"cpu"}}',
        "disabled": False,
        "error_behavior": "retry",
    }
    assert plain.triggers() == [expected]
    assert list(plain.triggers()[0]) == list(expected)


@row("B10.2")
def test_each_argument_has_a_row(plain: Scene) -> None:
    plain.trigger("table:a", NOTHING, "two", trigger_arguments={"a": "1", "b": "x=y,z"})
    plain.trigger("table:a", NOTHING, "none")
    rows = plain.rows("SELECT * FROM system.processing_engine_trigger_arguments ORDER BY argument_key")
    assert rows == [
        {"trigger_name": "two", "argument_key": "a", "argument_value": "1"},
        {"trigger_name": "two", "argument_key": "b", "argument_value": "x=y,z"},
    ]


def files_of(scene: Scene) -> list[dict[str, Any]]:
    """Return the plugin files of a scene's triggers, by name."""
    found = scene.rows(f"{FILES} ORDER BY plugin_name, file_name", "_internal")
    return [one for one in found if scene.database in one["file_path"]]


@row("B10.3")
def test_each_trigger_has_a_row_with_its_file(plain: Scene) -> None:
    assert files_of(plain) == []
    for name in ("one", "three", "two"):
        plain.trigger("table:a", NOTHING, name)
    now_ms = datetime.now(UTC).timestamp() * 1000
    found = files_of(plain)
    assert [one["plugin_name"] for one in found] == ["one", "three", "two"]
    for one in found:
        name = f"{plain.database}_{one['plugin_name']}.py"
        assert (one["file_name"], one["file_path"]) == (name, str(plain.web.plugins / name))
        assert one["size_bytes"] == len(NOTHING)
        assert now_ms - 60_000 < one["last_modified"] <= now_ms + 1000
    plain.delete("three")
    assert [one["plugin_name"] for one in files_of(plain)] == ["one", "two"]
    assert plain.rows(FILES) == [], "the table is in _internal only"


@row("B10.3")
def test_without_triggers_there_are_no_files(tmp_path: Path) -> None:
    with web(tmp_path, **QUICK) as served:
        scene = Scene(served)
        scene.plugin(NOTHING)
        assert scene.rows(FILES, "_internal") == []


PACKAGE = {
    "__init__.py": "from .models.processor import process_writes\n",
    "models/__init__.py": "",
    "models/processor.py": NOTHING,
    "models/notes.txt": "not code",
    "models/__pycache__/old.py": "",
}


@row("B10.4")
def test_a_package_has_a_row_for_each_of_its_files(plain: Scene) -> None:
    plain.trigger_of("table:a", plain.package(PACKAGE))
    found = files_of(plain)
    assert [one["file_name"] for one in found] == ["__init__.py", "models/__init__.py", "models/processor.py"]
    folder = plain.web.plugins / f"{plain.database}_package"
    assert [one["file_path"] for one in found] == [str(folder / one["file_name"]) for one in found]
    assert {one["plugin_name"] for one in found} == {"t"}


@row("B10.5")
def test_show_plugins_has_a_line_for_each_file(plain: Scene, connected: RunCli) -> None:
    plain.trigger("table:a", NOTHING, "single")
    plain.trigger_of("table:a", plain.package(PACKAGE), "whole")
    shown = connected("show", "plugins", "--format", "csv")
    assert shown.code == 0
    header, *lines = csv.reader(shown.stdout.splitlines())
    assert header[:5] == ["plugin_name", "file_name", "file_path", "size_bytes", "last_modified"]
    mine = [line for line in lines if line and plain.database in line[2]]
    assert sorted(line[1] for line in mine) == sorted(
        [f"{plain.database}_single.py", "__init__.py", "models/__init__.py", "models/processor.py"]
    )
    pretty = connected("show", "plugins").stdout
    assert f"{plain.database}_single.py" in pretty
    assert pretty.startswith("+--")


@row("B10.6")
def test_log_calls_are_rows(scene: Scene) -> None:
    began_s = datetime.now(UTC).timestamp()
    scene.trigger(
        "table:a",
        WRITES + "    influxdb3_local.info('i', 1)\n    influxdb3_local.warn('w')\n    influxdb3_local.error('e')\n",
    )
    scene.write("a v=1")
    scene.logged(3)
    sql = "SELECT * FROM system.processing_engine_logs WHERE log_text IN ('i 1', 'w', 'e') ORDER BY event_time"
    rows = scene.rows(sql)
    assert [(one["log_level"], one["log_text"]) for one in rows] == [("INFO", "i 1"), ("WARN", "w"), ("ERROR", "e")]
    for one in rows:
        logged_s = datetime.fromisoformat(one["event_time"]).replace(tzinfo=UTC).timestamp()
        assert began_s - 1 < logged_s < began_s + 60
        assert (one["trigger_name"], one["database_name"]) == ("t", scene.database)
        assert one["plugin_filename"] == f"{scene.database}_t.py"
    assert len({one["run_id"] for one in rows}) == 1


# ---- dry runs


def dry_run(scene: Scene, kind: str, **body: Any) -> dict[str, Any]:
    """Return what a dry run answered."""
    answer = scene.web.post(f"/api/v3/plugin_test/{kind}", json={"database": scene.database} | body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


@row("B10.7")
def test_a_dry_run_shows_everything_and_stores_nothing(scene: Scene) -> None:
    code = (
        WRITES
        + """
    influxdb3_local.info("arg1:", args["arg1"])
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.warn("row:", row)
    influxdb3_local.error("done")
    line = LineBuilder("some_table").tag("tag1", "tag1_value").int64_field("field1", 1)
    influxdb3_local.write(line)
    influxdb3_local.write_to_db("mytestdb_" + args["arg1"], LineBuilder("other_table").float64_field("f", 3.14).time_ns(1302))
    influxdb3_local.write_sync(LineBuilder("at_once").bool_field("b", True), no_sync=True)
    """
    )
    lines = "test_input,tag1=tag1_value,tag2=tag2_value field1=1i 500"
    before = scene.tables()
    shown = dry_run(scene, "wal", filename=scene.plugin(code), input_lp=lines, input_arguments={"arg1": scene.database})
    *logs, finished = shown["log_lines"]
    assert logs == [
        "INFO: starting execution of wal plugin.",
        f"INFO: arg1: {scene.database}",
        "WARN: row: {'tag1': 'tag1_value', 'tag2': 'tag2_value', 'field1': 1, 'time': 500}",
        "ERROR: done",
    ]
    assert finished.startswith("INFO: finished execution in ")
    other = f"mytestdb_{scene.database}"
    assert shown["database_writes"] == {
        scene.database: ["at_once b=t", "some_table,tag1=tag1_value field1=1i"],
        other: ["other_table f=3.14 1302"],
    }
    assert shown["errors"] == []
    assert scene.tables() == before == set()
    assert other not in [name for name, _ in scene.web.engine.tables.databases(True)]
    assert scene.own_lines() == []


@row("B10.8")
def test_a_dry_run_whose_writes_clash_names_the_field(scene: Scene) -> None:
    scene.write("some_table,tag1=x field1=1i 1")
    code = (
        WRITES
        + """
    influxdb3_local.write(LineBuilder("some_table").tag("tag1", "a").string_field("field1", "text").time_ns(2))
    influxdb3_local.write(LineBuilder("some_table").tag("tag1", "b").int64_field("field1", 5).time_ns(3))
    """
    )
    shown = dry_run(scene, "wal", filename=scene.plugin(code), input_lp="m v=1")
    assert shown["database_writes"] == {
        scene.database: ['some_table,tag1=a field1="text" 2', "some_table,tag1=b field1=5i 3"]
    }
    (error,) = shown["errors"]
    assert "field1" in error
    assert scene.rows("SELECT field1 FROM some_table") == [{"field1": 1}]


@row("B10.9")
def test_a_dry_run_needs_no_database(scene: Scene) -> None:
    name = f"{scene.database}_absent"
    code = WRITES + "    influxdb3_local.write(LineBuilder('out').int64_field('n', len(table_batches)))\n"
    shown = dry_run(scene, "wal", filename=scene.plugin(code), input_lp="a v=1\nb v=2", database=name)
    assert (shown["database_writes"], shown["errors"]) == ({name: ["out n=2i"]}, [])
    assert name not in [found for found, _ in scene.web.engine.tables.databases(True)]


SCHEDULED = CALLS + "    influxdb3_local.info(f'args are {args}')\n    influxdb3_local.info('Successfully called')\n"


@row("B10.10")
def test_a_dry_run_of_a_schedule_tells_its_time(scene: Scene) -> None:
    body = {"filename": scene.plugin(SCHEDULED), "schedule": "*/5 * * * * *", "input_arguments": {"a": "b"}}
    now_s = datetime.now(UTC).timestamp()
    shown = dry_run(scene, "schedule", **body)
    due = datetime.strptime(shown["trigger_time"], "%Y-%m-%dT%H:%M:%S%z")
    assert shown["trigger_time"].endswith("Z")
    assert due.second % 5 == 0
    assert now_s < due.timestamp() <= now_s + 60
    *logs, finished = shown["log_lines"]
    assert logs == [
        f"INFO: starting execution with scheduled time {due:%Y-%m-%d %H:%M:%S} UTC",
        "INFO: args are {'a': 'b'}",
        "INFO: Successfully called",
    ]
    assert finished.startswith("INFO: finished execution in ")
    assert (shown["database_writes"], shown["errors"]) == ({}, [])


@row("B10.11")
def test_a_dry_run_of_a_schedule_needs_a_database(plain: Scene) -> None:
    shown = dry_run(plain, "schedule", filename=plain.plugin(SCHEDULED), database=f"{plain.database}_absent")
    assert (shown["errors"], shown["trigger_time"]) == (["couldn't find db"], None)
    assert (shown["log_lines"], shown["database_writes"]) == ([], {})


@row("B10.12")
@pytest.mark.parametrize("schedule", ["bad", "61 * * * * *", "* * * * * * * *"])
def test_a_dry_run_of_a_bad_schedule(plain: Scene, schedule: str) -> None:
    shown = dry_run(plain, "schedule", filename=plain.plugin(SCHEDULED), schedule=schedule)
    assert shown["errors"][0].startswith("invalid cron syntax: ")
    assert shown["trigger_time"] is None


@row("B10.12")
def test_a_dry_run_of_a_schedule_that_never_comes(plain: Scene) -> None:
    never = "0 0 0 30 2 *"
    shown = dry_run(plain, "schedule", filename=plain.plugin(SCHEDULED), schedule=never)
    assert (shown["errors"], shown["trigger_time"]) == ([f"cron schedule never triggers: {never}"], None)


REMOTE = (
    WRITES
    + """
    for batch in table_batches:
        line = LineBuilder("write_reports").tag("table_name", batch["table_name"])
        influxdb3_local.write(line.int64_field("row_count", len(batch["rows"])))
    influxdb3_local.info("wal_plugin.py done")
"""
)


@row("B10.13")
def test_a_dry_run_of_a_plugin_from_the_repository(tmp_path: Path) -> None:
    with scripted_server() as repository, web(tmp_path, plugin_repo=repository.url, **QUICK) as served:
        repository.replies.extend([Reply(200, REMOTE.encode())] * 9)
        body = {"filename": "gh:examples/wal_plugin/wal_plugin.py", "input_lp": "test_input v=1i"}
        shown = dry_run(Scene(served, "db"), "wal", **body)
        assert {request.path for request in repository.requests} == {"/examples/wal_plugin/wal_plugin.py"}
    assert shown["log_lines"][1] == "INFO: wal_plugin.py done"
    assert shown["database_writes"] == {"db": ["write_reports,table_name=test_input row_count=1i"]}
    assert shown["errors"] == []


@row("B10.14")
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("raise ValueError('no luck')", "ValueError: no luck"),
        (
            "influxdb3_local.write(LineBuilder('some_table'))",
            "InvalidLineError: At least one field is required: some_table",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_dry_run_that_raises(scene: Scene, body: str, text: str) -> None:
    plugin = scene.plugin(f"{WRITES}    {body}\n{CALLS}    {body}\n")
    assert dry_run(scene, "wal", filename=plugin, input_lp="m v=1")["errors"] == [f"error executing plugin: {text}"]
    shown = dry_run(scene, "schedule", filename=plugin)
    assert (shown["errors"], shown["trigger_time"]) == ([f"error executing plugin: {text}"], None)


# ---- packages


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server that installs packages from a folder, without network."""
    folder = tmp_path_factory.mktemp("packages")
    for name, version in (("conformist", "1.0"), ("conformist", "2.5"), ("listed_one", "0.3")):
        make_wheel(folder, name, version)
    with pytest.MonkeyPatch.context() as patch, web(folder, plugin_isolation="shared", **QUICK) as served:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield Scene(served, "db")


VERSION = (
    REQUESTS
    + """
    try:
        import {0}
    except ImportError as error:
        return [type(error).__name__]
    return [{0}.VERSION]
"""
)


@pytest.mark.process
@row("B10.15", "CLI row 85")
def test_a_package_is_there_for_the_next_run(packages: Scene, cli: RunCli, tmp_path: Path) -> None:
    one, listed = (packages.endpoint(VERSION.format(name), name) for name in ("conformist", "listed_one"))
    post = packages.web.post
    assert [post(target).json() for target in (one, listed)] == [["ModuleNotFoundError"]] * 2
    with listening(packages.web.engine) as url:
        ended = cli("install", "package", "conformist==1.0", "-H", url)
        assert (ended.code, ended.stdout) == (0, ""), ended  # pip's lines go to stderr here
        (tmp_path / "wanted.txt").write_text("listed_one==0.3\n")
        ended = cli("install", "package", "-r", str(tmp_path / "wanted.txt"), "-H", url)
        assert ended.code == 0, ended
    assert [post(target).json() for target in (one, listed)] == [["1.0"], ["0.3"]]
    assert [importlib.util.find_spec(name) for name in ("conformist", "listed_one")] == [None, None]


@pytest.mark.process
@row("A: dependency management")
def test_plugins_that_need_different_versions_of_a_package_run_side_by_side(packages: Scene) -> None:
    header = '# /// script\n# dependencies = ["conformist==1.0"]\n# ///\n'
    file = packages.endpoint(header + VERSION.format("conformist"), "of_file")
    folder = packages.package(
        {"__init__.py": VERSION.format("conformist"), "requirements.txt": "conformist==2.5\n"}, "of_folder"
    )
    assert packages.ask_trigger(f"request:{packages.database}/of_folder", folder, "of_folder").status_code == 200
    target = f"/api/v3/engine/{packages.database}/of_folder"

    def answers() -> list[httpx.Response]:
        return [packages.web.post(one) for one in (file, target)]

    told_both = eventually(lambda: (a := answers()) and all(one.status_code != 503 for one in a) and a)
    assert [one.json() for one in told_both] == [["1.0"], ["2.5"]]


@row("B10.16")
def test_installing_can_be_forbidden(tmp_path: Path, cli: RunCli) -> None:
    text = "Package installation has been disabled. Contact your administrator for more information."
    with web(tmp_path, package_manager="disabled", **QUICK) as served:
        assert told(served.post(INSTALL, json={"packages": ["x"]})) == (403, text)
        requirements = INSTALL.replace("_packages", "_requirements")
        assert told(served.post(requirements, json={"requirements_location": "x"})) == (403, text)
        with listening(served.engine) as url:
            ended = cli("install", "package", "x", "-H", url)
        assert ended.code == 1
        assert text in ended.stderr


@pytest.mark.process
@row("B10.17", "A: package installation result")
def test_a_package_that_does_not_exist_is_a_failure(packages: Scene) -> None:
    answer = packages.web.post(INSTALL, json={"packages": ["there_is_none==9.9"]})
    assert answer.status_code == 500
    assert answer.text.startswith("Processing engine error: error installing python packages: pip install failed")
    assert "No matching distribution found for there_is_none==9.9" in answer.text


# ---- descriptions and commands


@row("B10.18")
@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"trigger_settings": {"run_async": False, "error_behavior": "Log"}}, None),
        ({"trigger_settings": {"run_async": False}}, None),
        ({"trigger_settings": {"error_behavior": "log"}}, None),
        ({"trigger_arguments": {"a": 1}}, None),
        ({}, "disabled"),
        ({}, "trigger_settings"),
        ({}, "db"),
    ],
)
def test_a_bad_description_of_a_trigger(plain: Scene, changes: dict[str, Any], missing: str | None) -> None:
    body = {
        "db": plain.database,
        "plugin_filename": plain.plugin(NOTHING),
        "trigger_name": "t",
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "trigger_specification": "all_tables",
        "disabled": False,
    }
    sent = {key: value for key, value in (body | changes).items() if key != missing}
    status, text = told(plain.web.post(TRIGGERS, json=sent))
    assert status == 400
    assert text.startswith("serde json error: ")
    if missing:
        assert text.startswith(f"serde json error: missing field `{missing}`")
    assert plain.triggers() == []


@row("B10.19")
def test_what_commands_say_of_triggers(plain: Scene, connected: RunCli) -> None:
    plugin = plain.plugin(NOTHING)
    at = ("trigger", "test_trigger", "--database", plain.database)
    commands = (
        (
            ("create", *at, "--path", plugin, "--trigger-spec", "all_tables"),
            "Trigger test_trigger created successfully\n",
        ),
        (("disable", *at), "Trigger test_trigger disabled successfully\n"),
        (("enable", *at), "Trigger test_trigger enabled successfully\n"),
        (("delete", *at, "--force"), "Trigger test_trigger deleted successfully\n"),
    )
    for command, text in commands:
        ended = connected(*command)
        assert (ended.code, ended.stdout) == (0, text)


@row("B10.20")
def test_update_trigger_replaces_a_file(plain: Scene, connected: RunCli) -> None:
    target = plain.endpoint(REQUESTS + "    return 'before'\n", "mine")
    assert plain.web.get(target).text == "before"
    Path("local.py").write_text(REQUESTS + "    return 'after'\n")
    ended = connected("update", "trigger", "-d", plain.database, "-t", "mine", "--path", "local.py")
    assert (ended.code, ended.stdout) == (0, "Trigger 'mine' updated successfully\n")
    assert plain.web.get(target).text == "after"


@row("B10.20")
def test_update_trigger_replaces_a_folder(plain: Scene, connected: RunCli) -> None:
    folder = plain.package({"__init__.py": REQUESTS + "    return 'before'\n", "old.py": ""})
    plain.trigger_of(f"request:{plain.database}", folder, "mine")
    target = f"/api/v3/engine/{plain.database}"
    assert plain.web.get(target).text == "before"
    init = f"from .part import text\n{REQUESTS}    return text\n"
    write_files(Path("local"), {"__init__.py": init, "part.py": "text = 'after'\n"})
    ended = connected("update", "trigger", "--database", plain.database, "--trigger-name", "mine", "-p", "local")
    text = "Trigger 'mine' updated successfully (atomic directory replacement)\n"
    assert (ended.code, ended.stdout) == (0, text)
    assert plain.web.get(target).text == "after"
    assert not (plain.web.plugins / folder / "old.py").exists()


@row("B10.20")
def test_update_trigger_of_a_folder_without_code(plain: Scene, connected: RunCli) -> None:
    folder = plain.package({"__init__.py": NOTHING})
    plain.trigger_of("all_tables", folder, "mine")
    Path("empty").mkdir()
    ended = connected("update", "trigger", "-d", plain.database, "-t", "mine", "--path", "empty")
    assert (ended.code, ended.stdout) == (1, "")
    assert "No Python files found in directory" in ended.stderr
