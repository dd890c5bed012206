"""Each command has a page that teaches: what it is for, how it is called, an example that works, options below headings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from engine.settings import SETTINGS
from influxdb3_cli.app import _COMMANDS, _made, app
from influxdb3_cli.examples import _EXAMPLES, examples_of
from influxdb3_cli.help import (
    ARGUMENTS,
    COMMAND_GROUPS,
    HELP,
    OPTIONS,
    SERVER,
    WIDEST,
    Line,
    Section,
    first_sentence,
    plain_name,
    sections,
    usage_piece,
)
from influxdb3_cli.setting_groups import SETTING_GROUPS
from tests.support.cli import RunCli, cli_runner
from tests.support.engines import open_engine
from tests.support.listening import listening


def _paths(path: str, command: Any) -> list[str]:
    below = getattr(command, "commands", {})
    return [path, *(found for name, inner in below.items() for found in _paths(f"{path} {name}", inner))]


ROOT = get_command(app)
PATHS = _paths("influxdb3", ROOT)
EXAMPLES = sorted({example for path in PATHS for example in examples_of(path)})


def test_lines_stand_below_their_headings_in_order() -> None:
    lines = [Line(HELP, "-h", "1"), Line(OPTIONS, "-a", "2"), Line(SERVER, "-H", "3"), Line("More", "-m", "4")]
    found = sections([*lines, Line(OPTIONS, "-b", "5"), Line(ARGUMENTS, "NAME", "6")])
    assert [section.heading for section in found] == [ARGUMENTS, OPTIONS, "More", SERVER, HELP]
    assert found[1] == Section(OPTIONS, (("-a", "2"), ("-b", "5")))
    assert [section.heading for section in sections(lines, shown=(HELP, "More"))] == ["More", HELP]


@pytest.mark.parametrize(
    ("name", "is_argument", "told"),
    [
        pytest.param("--file, -f <path>", False, "--file, -f PATH", id="path"),
        pytest.param("--format <json|csv>", False, "--format json|csv", id="choices"),
        pytest.param("--quiet", False, "--quiet", id="flag"),
        pytest.param("folder <path>", True, "FOLDER", id="argument"),
        pytest.param("shell <bash|zsh>", True, "SHELL bash|zsh", id="choices-of-an-argument"),
        pytest.param("LINES <list[str]>", True, "LINES", id="list"),
    ],
)
def test_names_are_plain(name: str, is_argument: bool, told: str) -> None:
    assert plain_name(name, is_argument=is_argument) == told


@pytest.mark.parametrize(("piece", "told"), [("{folder}", "<FOLDER>"), ("[QUERY]", "[QUERY]"), ("{A}...", "<A>...")])
def test_usage_has_needed_arguments_in_brackets(piece: str, told: str) -> None:
    assert usage_piece(piece) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("Run it. Then more.", "Run it", id="sentence"),
        pytest.param("Run it; then\nmore.", "Run it", id="clause"),
        pytest.param("Run a\n    query.\n\nMore.", "Run a query", id="paragraph"),
        pytest.param("SELECT … FROM a.b reads it.", "SELECT … FROM a.b reads it", id="dots-inside"),
    ],
)
def test_a_list_has_the_first_sentence(text: str, told: str) -> None:
    assert first_sentence(text) == told


def test_each_setting_has_its_heading() -> None:
    names = [name for group in SETTING_GROUPS.values() for name in group]
    assert sorted(names) == sorted(setting.name for setting in SETTINGS)


def test_the_list_of_commands_says_what_their_pages_say() -> None:
    listed = {name: text for group in COMMAND_GROUPS.values() for name, text in group.items()}
    assert listed == {name: first_sentence(_made(name).help) for name in _COMMANDS if name not in ("q", "w")}


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize("path", PATHS)
def test_each_page_teaches(cli: RunCli, monkeypatch: pytest.MonkeyPatch, path: str, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    page = cli(*path.split()[1:], "--help-all").stdout
    assert page == cli(*path.split()[1:], "-h").stdout or path == "influxdb3 serve"
    about, usage, *_ = page.split("\n\n")
    assert re.match(r"[A-Z].*\.$", about, re.DOTALL)
    assert usage.startswith(f"Usage: {path} [OPTIONS]")
    assert re.search(r"^Examples?:\n  influxdb3 ", page, re.MULTILINE)
    assert page.endswith("  -h, --help  Show this page and end.\n") or "COMMAND" in page or "--help-all" in page
    lines = page.splitlines()
    assert not re.search(r"\\b|\x08", page)
    assert [line for line in lines if len(line) > min(int(columns), WIDEST)] == []
    assert len(set(re.findall(r"\[env var: [^\]]*", page))) == len(re.findall(r"\[env var: ", page))


def test_the_short_page_of_serve_says_what_else_there_is(cli: RunCli) -> None:
    short, whole = cli("serve", "--help").stdout, cli("serve", "--help-all").stdout
    assert len(short.splitlines()) < len(whole.splitlines()) / 3
    assert all(f"\n{heading}:\n" in whole for heading in SETTING_GROUPS)
    said = " ".join(short.partition("More options")[2].split())
    assert all(heading in said for heading in list(SETTING_GROUPS)[1:])


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_understood(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(example.replace("\\\n", ""))
    assert program == "influxdb3"
    command, context = ROOT, ROOT.make_context("influxdb3", list(words))
    while hasattr(command, "commands"):
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(command.name, words, parent=context)


def test_examples_are_of_commands() -> None:
    assert {f"influxdb3 {words}".strip() for words in _EXAMPLES} <= set(PATHS)


PLUGINS = {
    "alarm.py": "def process_writes(influxdb3_local, table_batches, args=None):\n    influxdb3_local.info('seen')\n",
    "report.py": "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    influxdb3_local.info('now')\n",
    "hook.py": "def process_request(influxdb3_local, query, headers, body, args=None):\n    return body.decode()\n",
}
NOT_RUN = {
    "influxdb3 serve": "starts a server, which tests/e2e does",
    "influxdb3 install package": "asks a package index",
    "influxdb3 delete backfill": "a backfill of few rows has ended before",
    "influxdb3 create token": "the server of this test asks for no token",
    "influxdb3 delete token": "the same",
}


@pytest.fixture
def live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[RunCli]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.lp").write_text("cpu,host=b usage=0.5 1700000000\n")
    plugins = tmp_path / "server"
    plugins.mkdir()
    for name, text in PLUGINS.items():
        (plugins / name).write_text(text)
    with open_engine(tmp_path, plugin_dir=plugins) as engine, listening(engine) as url:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        yield cli_runner(monkeypatch, capsysbinary)


def test_the_examples_work_one_after_the_other(live: RunCli, tmp_path: Path) -> None:
    """In the order of their table, which is that of a first hour with the server."""
    examples = dict.fromkeys(example for examples in _EXAMPLES.values() for example in examples)
    for example in examples:
        if example.startswith(tuple(NOT_RUN)):
            continue
        text = example.replace("\\\n", "").replace("~/influxdb3", f"{tmp_path}/data").replace("~/", f"{tmp_path}/")
        done = live(*shlex.split(text)[1:], stdin="yes\n")
        assert done.code == 0, f"{example}\n{done.stdout}{done.stderr}"
