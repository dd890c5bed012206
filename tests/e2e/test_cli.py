"""The examples of the command line's specification, held against a real server."""

import json
import os
import re
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.scripted_server import Reply, scripted_server
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

pytestmark = pytest.mark.process

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        line = LineBuilder("seen").tag("table", batch["table_name"]).int64_field("rows", len(batch["rows"]))
        influxdb3_local.info("seen", batch["table_name"], args)
        influxdb3_local.write(line)


def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info(f"args are {args}")


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return args
"""
CREATED = "Trigger {} created successfully\n"
LINES = "bar,tag1=1,tag2=2 field1=1,field2=2 0"
ROWS = [{"field1": 1.0, "field2": 2.0, "tag1": "1", "tag2": "2", "time": "1970-01-01T00:00:00"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server without tokens, with two plugins and a repository of plugins that has none."""
    folder = tmp_path_factory.mktemp("server")
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "plugin.py").write_text(PLUGIN)
    (plugins / "only_schedule.py").write_text(
        "def process_scheduled_call(influxdb3_local, call_time, args=None): pass\n"
    )
    with scripted_server() as repository:
        repository.replies.extend([Reply(404)] * 10)
        options = ("--without-auth", "--plugin-dir", str(plugins), "--plugin-repo", f"{repository.url}/")
        with serving(folder, *options) as running:
            yield running


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunCli:
    """Run commands in an empty folder, without variables of the caller."""
    for name in [name for name in os.environ if name.startswith("INFLUXDB3_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return cli_runner(monkeypatch, capsysbinary)


@pytest.fixture
def connected(cli: RunCli, server: Serving, monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Run commands that speak with the server."""
    monkeypatch.setenv("INFLUXDB3_HOST_URL", server.url)
    return cli


@pytest.fixture
def database(connected: RunCli, request: pytest.FixtureRequest) -> str:
    """A new database."""
    name = re.sub(r"\W", "_", request.node.name)
    assert connected("create", "database", name).code == 0
    return name


def rows(cli: RunCli, database: str, sql: str) -> list[dict[str, object]]:
    result = cli("query", "-d", database, "--format", "json", sql)
    assert result.code == 0, result
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_databases_are_created_listed_and_deleted(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows cli 9, 20 to 28 and 53."""
    with serving(tmp_path / "fresh", "--without-auth") as fresh:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", fresh.url)
        assert cli("create", "database", "foo").stdout == 'Database "foo" created successfully\n'
        assert cli("create", "database", "bar").code == 0
        assert re.findall(r"^\| (\S+) +\|$", cli("show", "databases").stdout, re.MULTILINE) == [
            "iox::database",
            "_internal",
            "bar",
            "foo",
        ]
        names = [{"iox::database": name} for name in ("_internal", "bar", "foo")]
        assert json.loads(cli("show", "databases", "--format", "json").stdout) == names
        assert cli("show", "databases", "--format", "csv").stdout == "iox::database\n_internal\nbar\nfoo\n\n"
        lines = cli("show", "databases", "--format", "jsonl").stdout.split()
        assert [json.loads(line) for line in lines] == names

        question = "Are you sure you want to delete \"foo\"? Enter 'yes' or 'y' to confirm\n"
        declined = cli("delete", "database", "foo", stdin="\n")
        assert (declined.code, declined.stdout) == (1, "")
        assert declined.stderr == f"{question}Delete command failed: Cannot proceed without confirmation\n"
        deleted = cli("delete", "database", "foo", stdin="yes\n")
        assert (deleted.code, deleted.stdout, deleted.stderr) == (
            0,
            'Database "foo" deleted successfully\n',
            question,
        )
        assert "foo-" in cli("show", "databases", "--show-deleted").stdout
        assert "foo" not in cli("show", "databases").stdout
        assert cli("delete", "database", "bar", "--yes").stdout == 'Database "bar" deleted successfully\n'
        gone = cli("delete", "database", "gone", stdin="yes\n")
        assert (gone.code, "404" in gone.stderr) == (1, True)
        assert cli("show", "plugins", "--format", "json").stdout == "[]\n"


def test_a_bad_name_is_refused(connected: RunCli) -> None:
    """Row cli 11."""
    result = connected("create", "database", "_foo_bar")
    assert (result.code, "db name did not start with a number or letter" in result.stderr) == (1, True)


def test_tables_are_created_and_deleted(connected: RunCli, database: str) -> None:
    """Rows cli 31 to 36."""
    create = ("create", "table", "--database", database, "bar", "--tags", "one,two,three")
    fields = ("--fields", "four:utf8,five:uint64,six:float64,seven:int64,eight:bool")
    assert connected(*create, *fields).stdout == f'Table "{database}"."bar" created successfully\n'
    assert rows(connected, database, "SELECT * FROM bar") == []
    again = connected(*create, *fields)
    exists = "server responded with error [409 Conflict]: attempted to create a resource that already exists"
    assert (again.code, again.stderr) == (1, f"Create command failed: {exists}\n")
    deleted = connected("delete", "table", "bar", "--database", database, stdin="yes\n")
    assert (deleted.code, deleted.stdout) == (0, f'Table "{database}"."bar" deleted successfully\n')
    gone = connected("delete", "table", "gone", "--database", database, stdin="yes\n")
    assert (gone.code, "404" in gone.stderr) == (1, True)


def test_what_is_written_can_be_queried(connected: RunCli, database: str, tmp_path: Path) -> None:
    """Rows cli 41 to 44."""
    written = connected("write", "-d", database, "--quiet", stdin=LINES)
    assert (written.code, written.stdout, written.stderr) == (0, "", "")
    assert rows(connected, database, "SELECT * FROM bar") == ROWS
    (tmp_path / "f.lp").write_text(LINES.replace("bar", "from_file"))
    (tmp_path / "q.sql").write_text("SELECT * FROM from_file")
    assert connected("write", "-d", database, "--quiet", "--file", "f.lp").code == 0
    queried = connected("query", "-d", database, "--format", "json", "--file", "q.sql")
    assert json.loads(queried.stdout) == ROWS
    assert connected("write", "-d", database, "--quiet", "--gzip", stdin=LINES.replace("bar", "packed")).code == 0
    assert rows(connected, database, "SELECT * FROM packed") == ROWS


def test_a_write_tells_its_progress(connected: RunCli, database: str) -> None:
    """Row cli 45."""
    result = connected("write", "-d", database, "cpu a=1")
    pattern = r"  \d+ms: 1 request \(\S+ requests/sec\), 1 lines \(\d+ lines/s\), 7B \(\S+/s\)\n"
    assert (result.code, result.stdout) == (0, "")
    assert re.fullmatch(pattern, result.stderr)


def test_large_input_arrives_whole(connected: RunCli, database: str) -> None:
    lines = "".join(f"m,host=h{number % 7} f={number}i {number + 1}\n" for number in range(5000))
    result = connected("write", "-d", database, "-p", "ns", "--max-request-size", "10000", stdin=lines)
    assert (result.code, result.stderr.count("\n") > 5) == (0, True)
    assert rows(connected, database, "SELECT count(*) AS n, sum(f) AS total FROM m") == [
        {"n": 5000, "total": sum(range(5000))}
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], "1970-01-01T00:00:01", id="guessed"),
        pytest.param(["-p", "s"], "1970-01-01T00:00:01", id="s"),
        pytest.param(["-p", "ms"], "1970-01-01T00:00:00.001", id="ms"),
        pytest.param(["-p", "us"], "1970-01-01T00:00:00.000001", id="us"),
        pytest.param(["-p", "ns"], "1970-01-01T00:00:00.000000001", id="ns"),
    ],
)
def test_a_precision_is_the_unit_of_timestamps(
    connected: RunCli, database: str, options: list[str], expected: str
) -> None:
    """Row cli 48."""
    assert connected("write", "-d", database, "-q", *options, "x,name=n v=42 1").code == 0
    assert rows(connected, database, "SELECT time FROM x") == [{"time": expected}]


def test_bad_lines_are_told_and_good_ones_kept(connected: RunCli, database: str) -> None:
    result = connected("write", "-d", database, stdin="m f=1 1\nbad\n")
    assert result.code == 1
    assert result.stderr.startswith(
        "Write command failed: server responded with error [400 Bad Request]: "
        '{"error":"partial write of line protocol occurred","data":[{"error_message":'
    )
    assert len(rows(connected, database, "SELECT * FROM m")) == 1


def test_an_unknown_database_is_told(connected: RunCli) -> None:
    result = connected("query", "-d", "nowhere", "SELECT 1")
    assert result.code == 1
    assert "[404 Not Found]" in result.stderr
    assert "database not found: nowhere" in result.stderr


def test_system_tables_can_be_shown(connected: RunCli, database: str) -> None:
    """Rows cli 49 to 52."""
    assert connected("show", "system", "table-list").code == 2
    empty = connected("show", "system", "--database", database, "table", "processing_engine_triggers")
    assert (empty.code, empty.stdout) == (0, "++\n++\n")
    listed = connected("show", "system", "--database", database, "table-list", "--format", "json")
    names = [row["table_name"] for row in json.loads(listed.stdout)]
    assert "processing_engine_logs" in names
    assert names == sorted(names)
    meow = connected("show", "system", "--database", database, "table", "meow")
    quoted = ", ".join(f'"{name}"' for name in names)
    assert (meow.code, meow.stderr) == (
        1,
        f"Show command failed: system table 'meow' not found: please use a valid system table name: [{quoted}]\n\n",
    )
    summary = connected("show", "system", "--database", database, "summary")
    assert re.findall(r"^(\S+) summary:$", summary.stdout, re.MULTILINE) == names


def test_triggers_are_created_with_arguments(connected: RunCli, database: str) -> None:
    """Rows cli 54 to 56; the settings show in `show triggers` and in the catalog."""
    create = ("create", "trigger", "--database", database, "--trigger-spec", "all_tables", "--disabled")
    first = ("first", "--plugin-filename", "plugin.py", "--trigger-arguments", "double_count_table=cpu")
    second = ("second", "--path", "plugin.py", "--trigger-arguments", "query_path=/metrics?format=json,whatever=hello")
    assert connected(*create, *first).stdout == CREATED.format("first")
    assert connected(*create, *second, "--timeout", "5").stdout == CREATED.format("second")
    arguments = "SELECT argument_key, argument_value FROM system.processing_engine_trigger_arguments"
    assert rows(connected, database, f"{arguments} WHERE trigger_name = 'second' ORDER BY 1") == [
        {"argument_key": "query_path", "argument_value": "/metrics?format=json"},
        {"argument_key": "whatever", "argument_value": "hello"},
    ]
    header, *files = connected("show", "plugins", "--format", "csv").stdout.strip().splitlines()
    assert header == "plugin_name,file_name,file_path,size_bytes,last_modified"
    assert {line.split(",")[0] for line in files} >= {"first", "second"}
    shown = json.loads(connected("show", "triggers", "-d", database, "--format", "json").stdout)
    assert [(row["trigger_name"], row["plugin_filename"], row["state"]) for row in shown] == [
        ("first", "plugin.py", "disabled"),
        ("second", "plugin.py", "disabled"),
    ]
    catalog = connected("show", "catalog")
    assert catalog.code == 0
    assert "catalog.toml\nrefused edit: none\n" in catalog.stdout
    assert f'database "{database}"\n' in catalog.stdout


def test_triggers_are_enabled_disabled_and_deleted(connected: RunCli, database: str) -> None:
    """Rows cli 63 to 65; cron of five fields and `path:` are taken."""
    for name, spec in (("daily", "cron:0 8 * * *"), ("hook", "path:cli_hook")):
        created = connected("create", "trigger", name, "-d", database, "--path", "plugin.py", "--trigger-spec", spec)
        assert created.stdout == CREATED.format(name)
    again = connected(
        "create", "trigger", "hook", "-d", database, "--path", "plugin.py", "--trigger-spec", "all_tables"
    )
    assert (again.code, "409" in again.stderr) == (1, True)
    enabled = connected("enable", "trigger", "daily", "--database", database)
    assert enabled.stdout == "Trigger daily enabled successfully\n"
    running = connected("delete", "trigger", "daily", "--database", database)
    assert (running.code, "Delete command failed" in running.stderr) == (1, True)
    disabled = connected("disable", "trigger", "daily", "--database", database)
    assert disabled.stdout == "Trigger daily disabled successfully\n"
    assert connected("delete", "trigger", "daily", "-d", database).stdout == "Trigger daily deleted successfully\n"
    forced = connected("delete", "trigger", "hook", "-d", database, "--force")
    assert forced.stdout == "Trigger hook deleted successfully\n"
    gone = connected("enable", "trigger", "hook", "-d", database)
    assert (gone.code, "404" in gone.stderr) == (1, True)


def test_plugins_that_cannot_be_had_are_told(connected: RunCli, database: str) -> None:
    """Rows cli 57 and 60, and a plugin path that leaves the folder."""
    create = ("create", "trigger", "t", "-d", database, "--trigger-spec", "request:foo")
    local = connected(*create, "--path", "gone.py", "--upload")
    assert (local.code, "File not found" in local.stderr) == (1, True)
    remote = connected(*create, "--plugin-filename", "gh:not_a_file.py")
    first, second = remote.stderr.splitlines()
    assert remote.code == 1
    assert first.startswith("Failed to create trigger: ")
    assert second.startswith("Create command failed: ")
    assert "error fetching plugin from repository: 404 Not Found" in first
    for path in ("gone.py", "../outside.py"):
        refused = connected(*create, "--path", path)
        assert (refused.code, "Create command failed: server responded" in refused.stderr) == (1, True)


def test_an_uploaded_plugin_is_a_plugin(connected: RunCli, database: str, tmp_path: Path) -> None:
    (tmp_path / "uploaded.py").write_text(PLUGIN)
    create = ("create", "trigger", "t", "-d", database, "--trigger-spec", "all_tables")
    assert connected(*create, "--path", "uploaded.py", "--upload").stdout == CREATED.format("t")


def test_a_dry_run_shows_what_a_plugin_does(connected: RunCli, database: str) -> None:
    """Rows cli 67 to 70."""
    wal = ("test", "wal_plugin", "--database", database)
    line = ("--lp", "test_input,tag1=a field1=1i 500", "--input-arguments", "arg1=x,host=s2")
    done = connected(*wal, *line, "plugin.py")
    answer = json.loads(done.stdout)
    assert (done.code, list(answer), answer["errors"]) == (0, ["log_lines", "database_writes", "errors"], [])
    assert "INFO: seen test_input {'arg1': 'x', 'host': 's2'}" in answer["log_lines"]
    assert answer["database_writes"] == {database: ["seen,table=test_input rows=1i"]}
    lacking = connected(*wal, *line, "only_schedule.py")
    assert lacking.code == 1
    assert json.loads(lacking.stdout)["errors"][0] == (
        "error executing plugin: the process_writes function is not present in the plugin. "
        "Should be defined as: process_writes(influxdb3_local, table_batches, args=None)"
    )
    schedule = ("--schedule", "*/5 * * * * *", "--input-arguments", "region=us-east")
    called = connected("test", "schedule_plugin", "--database", database, *schedule, "plugin.py")
    answer = json.loads(called.stdout)
    assert (called.code, next(iter(answer)), answer["database_writes"], answer["errors"]) == (0, "trigger_time", {}, [])
    assert "T" in answer["trigger_time"]
    assert "INFO: args are {'region': 'us-east'}" in answer["log_lines"]
    assert connected(*wal, "plugin.py").stderr == "Test command failed: either --lp or --file must be provided\n"
    missing = connected(*wal, *line, "gone.py")
    assert (missing.code, "Plugin error: " in missing.stderr) == (1, True)


def test_the_first_token_is_shown_once(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows cli 71, 72 and 76's counterpart: everything else needs the token."""
    with serving(tmp_path / "locked") as locked:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", locked.url)
        unknown = cli("show", "databases")
        assert (unknown.code, "401 Unauthorized" in unknown.stderr) == (1, True)
        created = cli("create", "token", "--admin")
        plain = re.sub(r"\x1b\[\d+m", "", created.stdout)
        assert (created.code, "New token created successfully!" in plain) == (0, True)
        token = re.search(r"^Token: (apiv3_\S{86})$", plain, re.MULTILINE)
        assert token is not None
        again = cli("create", "token", "--admin")
        taken = 'ApiError { code: 409, message: "token name already exists, _admin", error_code: None }'
        assert (again.code, again.stdout) == (1, f"Failed to create token, error: {taken}\n")
        assert cli("show", "databases", "--token", token[1]).code == 0
        assert cli("show", "databases", "--token", "apiv3_wrong").code == 1


def test_a_token_can_be_had_as_json(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row cli 73."""
    with serving(tmp_path / "locked") as locked:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", locked.url)
        created = json.loads(cli("create", "token", "--admin", "--format", "json").stdout)
        assert list(created) == ["help_msg", "token"]
        monkeypatch.setenv("INFLUXDB3_AUTH_TOKEN", created["token"])
        assert cli("show", "databases").code == 0


def test_a_server_without_tokens_makes_none(connected: RunCli) -> None:
    """Row cli 76; the exit code differs."""
    result = connected("create", "token", "--admin")
    assert (result.code, 'code: 405, message: "endpoint disabled, started without auth"' in result.stdout) == (1, True)


def test_packages_are_installed_or_the_reason_is_told(connected: RunCli, tmp_path: Path) -> None:
    """Rows cli 84 and 85; a failed installation differs."""
    assert connected("install", "package").code == 2
    wheel = tmp_path / "cli_probe-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("cli_probe.py", "")
        archive.writestr("cli_probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: cli-probe\nVersion: 1.0\n")
        archive.writestr(
            "cli_probe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("cli_probe-1.0.dist-info/RECORD", "cli_probe.py,,\n")
    installed = connected("install", "package", str(wheel))
    assert (installed.code, installed.stdout) == (0, "")
    assert "Successfully installed cli" in installed.stderr
    failed = connected("install", "package", str(tmp_path / "gone.whl"))
    assert failed.code == 1
    assert "\nInstall command failed: " in f"\n{failed.stderr}"


def test_nobody_listens(cli: RunCli) -> None:
    """Row cli 83."""
    result = cli("show", "databases", "--host", "http://127.0.0.1:9")
    url = "http://127.0.0.1:9/api/v3/configure/database"
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == f"Show command failed: failed to send GET {url} request: client error (Connect)\n"


def test_help_loads_nothing_heavy() -> None:
    """What makes it quick; `make bench` measures how quick."""
    heavy = {"pyarrow", "datafusion", "numpy", "httpx", "rich", "pydantic", "croniter", "msgspec", "starlette"}
    code = (
        "import atexit, sys, influxdb3_cli.app as a; atexit.register(lambda: print(*sys.modules)); a.main(['--help'])"
    )
    loaded = subprocess.run([PROGRAM.with_name("python"), "-c", code], check=True, capture_output=True, text=True)
    assert not heavy & set(loaded.stdout.split())


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    with scripted_server() as server:
        server.replies.append(Reply(body=b"rows\n" * 1_000_000))
        command = [PROGRAM, "query", "-d", "foo", "-H", server.url, "SELECT 1"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=clean_environment(tmp_path)
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read(5) == b"rows\n"
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(10) == 1


def test_an_interrupt_ends_requests_under_way(tmp_path: Path) -> None:
    """The server does not answer until the command is gone."""
    with scripted_server() as server:
        asked, released = threading.Event(), threading.Event()

        def hold() -> None:
            asked.set()
            released.wait(10)

        server.before_answer = hold
        command = [PROGRAM, "write", "-d", "foo", "-H", server.url, "--max-request-size", "6"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=clean_environment(tmp_path)
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(b"m f=1\nm f=2\n")
            process.stdin.close()
            assert asked.wait(10)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            released.set()
            assert process.stderr.read() == b""


def test_the_code_of_a_trigger_is_replaced(connected: RunCli, database: str, tmp_path: Path) -> None:
    """B10.20, processing-engine §10.2, 17."""
    (tmp_path / "pack").mkdir()
    for number in (1, 2):
        code = "def process_request(influxdb3_local, query, headers, body, args=None):\n    return 'from folder'\n"
        (tmp_path / "pack" / "__init__.py").write_text(code.replace("folder", f"folder {number}"))
        (tmp_path / f"replaced_{number}.py").write_text(code.replace("folder", f"file {number}"))
    (tmp_path / "refused.py").write_text("def process_request(:\n")
    create = ("create", "trigger", "-d", database, "--upload", "--strict", "--trigger-spec")
    refused = connected(*create, "request:replaced", "--path", "refused.py", "replaced")
    assert (refused.code, "plugin refused.py: SyntaxError: invalid syntax" in refused.stderr) == (1, True)
    missing = connected(
        "create", "trigger", "-d", database, "--trigger-spec", "all_tables", "--path", "refused.py", "x"
    )
    assert "Plugin not found" in missing.stderr
    assert connected(*create, "request:replaced", "--path", "replaced_1.py", "replaced").code == 0
    update = ("update", "trigger", "-d", database, "-t")
    said = connected(*update, "replaced", "-p", "replaced_2.py")
    assert said.stdout == "Trigger 'replaced' updated successfully\n"
    assert connected(*create, "request:folder", "--path", "pack", "folder").code == 0
    said = connected(*update, "folder", "--path", "pack")
    assert said.stdout == "Trigger 'folder' updated successfully (atomic directory replacement)\n"
    nobody = connected(*update, "nobody", "-p", "replaced_1.py")
    assert (nobody.code, "Plugin not found: nobody" in nobody.stderr) == (1, True)
