"""Commands against a real server, and as real processes; the examples of the specification are in tests/conformance."""

import json
import os
import re
import signal
import subprocess
import threading
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


def test_large_input_arrives_whole(connected: RunCli, database: str) -> None:
    lines = "".join(f"m,host=h{number % 7} f={number}i {number + 1}\n" for number in range(5000))
    result = connected("write", "-d", database, "-p", "ns", "--max-request-size", "10000", stdin=lines)
    assert (result.code, result.stderr.count("\n") > 5) == (0, True)
    assert rows(connected, database, "SELECT count(*) AS n, sum(f) AS total FROM m") == [
        {"n": 5000, "total": sum(range(5000))}
    ]


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


def test_help_loads_nothing_heavy() -> None:
    """What makes it quick; `make bench` measures how quick."""
    heavy = {"pyarrow", "datafusion", "numpy", "httpx", "rich", "pydantic", "croniter", "msgspec", "starlette"}
    code = (
        "import atexit, sys, influxdb3_cli.app as a; atexit.register(lambda: print(*sys.modules)); a.main(['--help'])"
    )
    loaded = subprocess.run([PROGRAM.with_name("python"), "-c", code], check=True, capture_output=True, text=True)
    assert not heavy & set(loaded.stdout.split())


def test_a_command_loads_no_more_than_its_client() -> None:
    """Typer would read values by pydantic, httpx load rich: half of the time that a command takes."""
    command = ["show", "databases", "--format", "csv", "--host", "http://127.0.0.1:9"]
    code = (
        f"import atexit, sys, influxdb3_cli.app as a; atexit.register(lambda: print(*sys.modules)); a.main({command})"
    )
    run = subprocess.run([PROGRAM.with_name("python"), "-c", code], check=False, capture_output=True, text=True)
    assert (run.returncode, "httpx" in run.stdout.split()) == (1, True)
    assert not {"pydantic", "rich", "pyarrow", "numpy", "engine.settings"} & set(run.stdout.split())


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
            assert process.wait(10) == 141


@pytest.mark.parametrize("words", [["--help"], ["serve", "--help-all"]])
def test_a_page_of_help_that_nobody_reads_ends_quietly(tmp_path: Path, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as unread:  # noqa: PTH123 -- a descriptor has no path
        done = subprocess.run(
            [PROGRAM, *words],
            stdout=unread,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


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
