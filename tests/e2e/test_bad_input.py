"""What people get wrong, through the real command line: a clear message, the right exit code, nothing lost."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.engines import eventually
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

pytestmark = pytest.mark.process

SYNTAX_ERROR = "def process_writes(influxdb3_local, table_batches:\n    pass\n"
GOOD = 'def process_writes(influxdb3_local, table_batches, args=None):\n    influxdb3_local.info(f"with {args}")\n'
BY_HAND = '\n[databases.home.triggers.by_hand]\nspec = "table:readings"\nplugin = "good.py"\n'
EDIT_S = 3.0
END_S = 30.0


@dataclass(frozen=True)
class Node:
    """A running server that asks for tokens, with a database ``home`` of which one table has two rows."""

    serving: Serving
    folder: Path
    token: str

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data" / "node0"

    @property
    def catalog(self) -> Path:
        """Its catalog."""
        return self.data / "catalog.toml"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A server for all tests, so that what one of them breaks the next one sees."""
    folder = tmp_path_factory.mktemp("node")
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "good.py").write_text(GOOD)
    (plugins / "broken.py").write_text(SYNTAX_ERROR)
    (folder / "outside.py").write_text(GOOD)
    with serving(folder, "--plugin-dir", str(plugins)) as running:
        made = _command(folder, "create", "token", "--admin", "--format", "json", "--host", running.url)
        yield Node(running, folder, json.loads(made.stdout)["token"])


@pytest.fixture
def cli(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> RunCli:
    """Run commands that speak with the server."""
    for name in [name for name in os.environ if name.startswith("INFLUXDB3_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INFLUXDB3_HOST_URL", node.serving.url)
    monkeypatch.setenv("INFLUXDB3_AUTH_TOKEN", node.token)
    monkeypatch.chdir(tmp_path)
    return cli_runner(monkeypatch, capsysbinary)


@pytest.fixture
def database(cli: RunCli, node: Node) -> Iterator[str]:
    """A database with rows that are there at the end too, in a server that goes on."""
    name = "home"
    lines = "readings value=1i 1\nreadings value=2i 2"
    assert cli("write", "--database", name, lines).code == 0
    yield name
    assert node.serving.process.poll() is None
    count = "SELECT count(*) AS n FROM readings WHERE value < 3"
    assert _json(cli("query", "--database", name, "--format", "json", count).stdout) == [{"n": 2}]


def _json(text: str) -> object:
    return json.loads(text)


def _command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        env=clean_environment(folder),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )


def test_a_bad_line_is_quoted_with_its_number_and_the_good_ones_are_kept(cli: RunCli, database: str) -> None:
    refused = cli("write", "--database", database, "readings value=3i 3\nreadings value=oops 4\nreadings value=5i 5")
    assert refused.code == 1
    assert '"line_number":2,"original_line":"readings value=oo' in refused.stderr
    kept = cli(
        "query", "--database", database, "--format", "json", "SELECT value FROM readings WHERE value > 2 ORDER BY 1"
    )
    assert _json(kept.stdout) == [{"value": 3}, {"value": 5}]


def test_an_unknown_database_is_named(cli: RunCli, database: str) -> None:
    refused = cli("query", "--database", "nowhere", "SELECT 1")
    assert (refused.code, refused.stdout) == (1, "")
    assert "[404 Not Found]" in refused.stderr
    assert "database not found: nowhere" in refused.stderr


@pytest.mark.parametrize(
    ("spec", "path", "code", "told"),
    [
        pytest.param("tables:readings", "good.py", 2, "tables:readings: expect one of", id="unknown-spec"),
        pytest.param("every:soon", "good.py", 2, "every:soon: couldn't parse to duration", id="bad-duration"),
        pytest.param("cron:61 * * * *", "good.py", 2, "cron:61 * * * *", id="bad-cron"),
        pytest.param("table:readings", "gone.py", 1, "Plugin not found: ", id="missing-plugin"),
        pytest.param("table:readings", "../outside.py", 1, "plugin filename '../outside.py' attempts", id="path-out"),
        pytest.param("table:readings", "/etc/passwd", 1, "plugin filename '/etc/passwd' attempts", id="absolute-path"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(
    cli: RunCli, database: str, spec: str, path: str, code: int, told: str
) -> None:
    refused = cli("create", "trigger", "bad", "--database", database, "--trigger-spec", spec, "--path", path)
    assert (refused.code, refused.stdout) == (code, "")
    assert told in refused.stderr
    assert '"bad"' not in cli("show", "catalog").stdout


def test_a_plugin_with_a_syntax_error_is_told_of_when_its_trigger_is_made_and_when_it_runs(
    cli: RunCli, database: str
) -> None:
    target = ("--database", database)
    made = cli("create", "trigger", "broken", *target, "--trigger-spec", "table:pulse", "--path", "broken.py")
    assert made.code == 0
    assert "plugin broken.py: SyntaxError: '(' was never closed" in made.stderr
    assert cli("write", *target, "pulse n=1i 1").code == 0
    sql = "SELECT outcome, error FROM system.processing_engine_runs WHERE trigger_name = 'broken'"
    query = ("query", *target, "--format", "json", sql)
    (run,) = eventually(lambda: json.loads(cli(*query).stdout))
    assert run["outcome"] == "error"
    assert run["error"].startswith("SyntaxError: '(' was never closed")
    assert cli("delete", "trigger", "broken", *target, "--force").code == 0


@pytest.mark.parametrize("token", [pytest.param(None, id="none"), pytest.param("apiv3_wrong", id="wrong")])
def test_nobody_gets_in_without_the_right_token(
    cli: RunCli, database: str, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    with monkeypatch.context() as others:
        others.delenv("INFLUXDB3_AUTH_TOKEN")
        options = ("--token", token) if token else ()
        for command in (("query", "SELECT 1"), ("write", "readings value=9i 9")):
            refused = cli(*command, "--database", database, *options)
            assert (refused.code, refused.stdout) == (1, "")
            assert "[401 Unauthorized]" in refused.stderr
            assert "apiv3" not in refused.stderr


# ---- the catalog by hand


@contextmanager
def _restored(node: Node) -> Iterator[str]:
    """Give the catalog as it is, and put it back at the end."""
    before = node.catalog.read_text()
    yield before
    node.catalog.write_text(before)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        pytest.param("\n[databases.home.triggers.by_hand\n", "not valid TOML", id="syntax"),
        pytest.param(BY_HAND + 'colour = "red"\n', "colour", id="unknown-key"),
        pytest.param(BY_HAND.replace("good.py", "gone.py"), "'gone.py' of trigger 'by_hand'", id="missing-plugin"),
        pytest.param(BY_HAND.replace("table:readings", "every:soon"), "every:soon", id="bad-spec"),
    ],
)
def test_a_bad_edit_of_the_catalog_is_shown_with_its_line_and_changes_nothing(
    cli: RunCli, database: str, node: Node, edit: str, told: str
) -> None:
    with _restored(node) as before:
        node.catalog.write_text(before + edit)
        shown = eventually(lambda: _unless("refused edit: none", cli("show", "catalog").stdout), EDIT_S)
        assert told in shown
        place = shown.partition(f"{node.catalog}, line ")[2]
        assert int(place.partition(":")[0]) > before.count("\n")
        assert '"by_hand"' not in shown
        assert cli("write", "--database", database, "readings value=2i 2").code == 0
    eventually(lambda: "refused edit: none" in cli("show", "catalog").stdout, EDIT_S)


def _unless(what: str, text: str) -> str:
    return "" if what in text else text


def test_a_good_edit_of_the_catalog_makes_changes_and_removes_a_trigger(cli: RunCli, database: str, node: Node) -> None:
    target = ("--database", database)
    logged = ("query", *target, "--format", "json", "SELECT log_text FROM system.processing_engine_logs")

    def _runs_with(arguments: object) -> bool:
        assert cli("write", *target, "readings value=2i 2").code == 0
        return f"with {arguments}" in cli(*logged).stdout

    with _restored(node) as before:
        node.catalog.write_text(before + BY_HAND)
        eventually(lambda: '"by_hand", table:readings, good.py, enabled' in cli("show", "catalog").stdout, EDIT_S)
        eventually(lambda: _runs_with(None))
        made = node.catalog.read_text()
        assert made.index("id = ", made.index("by_hand"))
        node.catalog.write_text(made + 'arguments = { colour = "red" }\n')
        eventually(lambda: _runs_with({"colour": "red"}))
    eventually(lambda: '"by_hand"' not in cli("show", "catalog").stdout, EDIT_S)


# ---- servers that do not start


def _in_use(node: Node, folder: Path) -> tuple[list[str], str]:
    address = node.serving.url.removeprefix("http://")
    return ["--data-dir", str(folder / "data"), "--http-bind", address], f"address {address} is in use"


def _not_writable(node: Node, folder: Path) -> tuple[list[str], str]:
    (folder / "file").write_text("")
    return ["--data-dir", str(folder / "file")], f"{folder / 'file'}"


def _taken_folder(node: Node, folder: Path) -> tuple[list[str], str]:
    told = f"the data folder {node.data} is in use by another influxdb3 server (process {node.serving.process.pid})"
    return ["--data-dir", str(node.data.parent)], told


def _broken_catalog(node: Node, folder: Path) -> tuple[list[str], str]:
    catalog = folder / "data" / "node0" / "catalog.toml"
    catalog.parent.mkdir(parents=True)
    catalog.write_text("format_version = 1\n\n[databases.home\n")
    return ["--data-dir", str(folder / "data")], f"{catalog}, line 3: not valid TOML"


@pytest.mark.parametrize("trouble", [_in_use, _not_writable, _taken_folder, _broken_catalog])
def test_a_server_that_cannot_start_says_why(
    database: str, node: Node, tmp_path: Path, trouble: Callable[[Node, Path], tuple[list[str], str]]
) -> None:
    options, told = trouble(node, tmp_path)
    bind = [] if "--http-bind" in options else ["--http-bind", "127.0.0.1:0"]
    ended = _command(tmp_path, "serve", *options, *bind)
    assert (ended.returncode, ended.stdout) == (1, "")
    reason = ended.stderr.strip().splitlines()[-1]
    assert reason.startswith("Serve command failed: ")
    assert told in reason
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(("serve", "--dat-dir", "x"), "--dat-dir", id="unknown-option"),
        pytest.param(("serve", "--http-bind", "nonsense"), "invalid value 'nonsense' for --http-bind", id="address"),
        pytest.param(("serve", "--wal-segment-size", "3 parsecs"), "'3 parsecs' for --wal-segment-size", id="size"),
        pytest.param(("query", "--colour", "red"), "--colour", id="option-of-a-command"),
        pytest.param(("frobnicate",), "frobnicate", id="unknown-command"),
    ],
)
def test_a_wrong_option_is_quoted(cli: RunCli, options: tuple[str, ...], told: str) -> None:
    refused = cli(*options)
    assert (refused.code, refused.stdout) == (2, "")
    assert told in refused.stderr
