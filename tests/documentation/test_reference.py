"""Each command, option, setting, endpoint, metric and SQL function has its place in the reference that is made from the code."""

import pkgutil
import re
from functools import cache
from importlib import import_module
from typing import Any

import msgspec
import pytest
from typer.main import get_command

from docs.generator import commands, endpoints, examples, functions, markdown, metrics, settings
from engine.query.functions.statement import FUNCTIONS
from engine.server import routes
from engine.server.app import ROUTES
from engine.settings import SETTINGS
from influxdb3_cli.app import app
from tests.support.engines import PLUGINS
from tests.support.web import Web, web

INSIDE_A_PARAMETER = ("_Settings", "_ChangedSettings", "_Field", "_FolderFile")
"""Structures that are the value of a parameter."""


def command_paths(path: str, command: Any, *, hidden: bool = False) -> list[str]:
    """Return the commands below ``command`` that the help shows, or those that it does not show."""
    below = {name: c for name, c in getattr(command, "commands", {}).items() if c.hidden <= hidden}
    return [
        found
        for name, c in below.items()
        for found in ([f"{path} {name}"] * (c.hidden == hidden) + command_paths(f"{path} {name}", c, hidden=hidden))
    ]


COMMANDS = command_paths("influxdb3", get_command(app))
OTHER_NAMES = command_paths("influxdb3", get_command(app), hidden=True)


def find(path: str) -> Any:
    command = get_command(app)
    for word in path.split()[1:]:
        command = command.commands[word]  # type: ignore[attr-defined]
    return command


@cache
def sections() -> dict[str, str]:
    """The text below each heading of the page of commands."""
    parts = re.split(r"^#+ (.*)\n", commands.markdown(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("path", OTHER_NAMES)
def test_each_other_name_stands_with_its_command(path: str) -> None:
    assert any(re.search(rf"^Also: .*`{path}`", text, re.MULTILINE) for text in sections().values())


@pytest.mark.parametrize("path", COMMANDS)
def test_each_command_has_its_section(path: str) -> None:
    assert find(path).help.partition("\n")[0][:20] in sections()[path].replace("\\", "")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path != "influxdb3 serve"])
def test_each_option_stands_with_its_command(path: str) -> None:
    title = "Options of all commands that ask a server"
    text = sections()[path] + (sections()[title] if f"[{title[0].lower()}{title[1:]}]" in sections()[path] else "")
    options = [
        name for parameter in find(path).params for name in parameter.opts if not getattr(parameter, "hidden", False)
    ]
    told = [] if hasattr(find(path), "commands") else [name for name in options if name.startswith("-")]
    assert [name for name in told if not re.search(rf"[`, ]{name}[`, ]", text)] == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_has_its_line(setting: Any) -> None:
    (line,) = [line for line in settings.markdown().splitlines() if f"`--{setting.name}`" in line.split("|")[1]]
    for word in (*setting.environment, *setting.other_names, setting.default or setting.unset):
        assert word in line.replace("\\", "")


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/api/v3/engine/PATH"), ("POST", "/api/v3/engine/PATH")])
def test_each_endpoint_has_its_line_and_says_what_it_does(method: str, path: str) -> None:
    (line,) = [line for line in endpoints.markdown().splitlines() if line.startswith(f"| {method} | `{path}` |")]
    assert line.split("|")[3].strip()


def structures() -> list[Any]:
    """What requests consist of: every structure of a module of routes."""
    modules = [import_module(f"engine.server.routes.{m.name}") for m in pkgutil.iter_modules(routes.__path__)]
    return [
        pytest.param(module, member, id=f"{module.__name__.rpartition('.')[2]}-{name}")
        for module in modules
        for name, member in vars(module).items()
        if isinstance(member, type) and issubclass(member, msgspec.Struct) and member.__module__ == module.__name__
        if name not in INSIDE_A_PARAMETER
    ]


@pytest.mark.parametrize(("module", "structure"), structures())
def test_each_parameter_stands_with_its_endpoint(module: Any, structure: type[msgspec.Struct]) -> None:
    lines = [
        line
        for line in endpoints.markdown().splitlines()
        if any(line.startswith(f"| {method} | `{path}` |") for method, path in module.ROUTES)
    ]
    names = [field.encode_name for field in msgspec.structs.fields(structure)]
    assert any(all(f"`{name}`" in line.split("|")[4] for name in names) for line in lines)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with web(tmp_path_factory.mktemp("reference")) as served:
        served.write("cpu v=1 1", "db=foo&precision=second")
        yield served


def test_each_metric_that_a_server_tells_has_its_line(server: Web) -> None:
    told = set(re.findall(r"^# TYPE (\S+)", server.get("/metrics").text, re.MULTILINE))
    page = metrics.markdown()
    assert len(told) > 20
    assert [name for name in told if not re.search(rf"^\| `{name}(_total)?` \|", page, re.MULTILINE)] == []


def test_each_function_has_its_line() -> None:
    page = functions.markdown()
    names = {row["name"] for row in functions.listed() if row["kind"] != "table"} - set(FUNCTIONS)
    assert len(names) > 250
    assert [name for name in names if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a|b", r"a\|b", id="a-cell-does-not-end"),
        pytest.param("table:<TABLE> `<x|y>`", r"table:\<TABLE\> `<x\|y>`", id="no-html-but-code-stays"),
        pytest.param("two\n  lines", "two lines", id="one-line"),
    ],
)
def test_text_is_told_as_it_is(text: str, expected: str) -> None:
    assert markdown.prose(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\nOne. Two.", "One."),
        ("No end", "No end"),
        ("In v1.2 it is so. `x` too.", "In v1.2 it is so."),
    ],
)
def test_first_sentence(text: str, expected: str) -> None:
    assert markdown.first_sentence(text) == expected


def test_each_example_plugin_has_its_section() -> None:
    page = examples.markdown()
    plugins = sorted(file.stem for file in PLUGINS.glob("*.py"))
    assert len(plugins) == 8
    assert [name for name in plugins if f"\n## {name}.py" not in page] == []
    assert ".md)" not in page


def test_comments_of_code_are_no_headings() -> None:
    page = examples.markdown()
    for block in re.findall(r"^```.*?^```$", page, re.MULTILINE | re.DOTALL):
        assert "## " not in block
