"""Each example of docs/plugin-api.md gives what the page says, inside a plugin, and no call is left out."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import influxdb3_plugin
from engine.lineprotocol.builder import LineBuilder
from engine.runtime import Engine
from influxdb3_plugin.api import Cache, InfluxDB3Local
from tests.support.engines import create_trigger, eventually, open_engine, query, request, rows_when, write

PAGE = (Path(__file__).parents[2] / "docs" / "plugin-api.md").read_text()
(LINES,) = re.findall(r"```lp\n(.*?)```", PAGE, re.DOTALL)
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ON_WRITES = "table_batches"
HEADINGS = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)

PLUGIN = """
import doctest
import re
from pathlib import Path

EXAMPLES = {examples!r}


class Checker(doctest.OutputChecker):
    def check_output(self, want, got, flags):
        return super().check_output(want, re.sub(r"^[\\w.]+[.](\\w+Error: )", r"\\1", got), flags)


def process_writes(influxdb3_local, table_batches, args=None):
    tell(influxdb3_local, table_batches)


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    tell(influxdb3_local, None)
    return ""


def tell(influxdb3_local, table_batches):
    names = {{"influxdb3_local": influxdb3_local, "table_batches": table_batches, "LineBuilder": LineBuilder}}
    said = []
    for number, text in enumerate(EXAMPLES):
        test = doctest.DocTestParser().get_doctest(text, names, f"example {{number + 1}}", None, 0)
        runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS)
        ran = runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    Path({told!r}).write_text("".join(said))
"""


def examples(section: str) -> list[str]:
    return re.findall(r"```pycon\n(.*?)```", SECTIONS[section], re.DOTALL)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "plugins").mkdir()
    for section in SECTIONS:
        code = PLUGIN.format(examples=examples(section), told=str(tmp_path / "told"))
        (tmp_path / "plugins" / f"{name_of(section)}.py").write_text(code)
    with open_engine(tmp_path, plugin_dir=tmp_path / "plugins") as engine:
        engine.tables.create_database("home")
        write(engine, "home", LINES)
        yield engine


def name_of(section: str) -> str:
    return re.sub(r"\W+", "_", section)


def test_there_are_examples_in_four_sections() -> None:
    found = {section: len(examples(section)) for section in SECTIONS}
    assert [section for section, count in found.items() if count] == [
        "table_batches",
        "influxdb3_local",
        "influxdb3_local.cache",
        "LineBuilder",
    ]
    assert sum(found.values()) == PAGE.count("```pycon") > 15


@pytest.mark.parametrize("section", ["influxdb3_local", "influxdb3_local.cache", "LineBuilder"])
def test_examples_give_what_the_page_says(engine: Engine, tmp_path: Path, section: str) -> None:
    create_trigger(engine, "home", "page", "request:page", f"{name_of(section)}.py")
    request(engine, "page")
    assert (tmp_path / "told").read_text() == ""


def test_examples_with_written_rows_give_what_the_page_says(engine: Engine, tmp_path: Path) -> None:
    create_trigger(engine, "home", "page", "table:sensor_data", f"{name_of(ON_WRITES)}.py")
    write(engine, "home", LINES)
    eventually(lambda: (tmp_path / "told").exists())
    assert (tmp_path / "told").read_text() == ""


def test_what_the_examples_write_is_written_with_the_run(engine: Engine) -> None:
    create_trigger(engine, "home", "page", "request:page", "influxdb3_local.py")
    request(engine, "page")
    assert [row["sensor"] for row in rows_when(engine, "home", "SELECT sensor FROM alarms")] == ["attic"]
    assert query(engine, "home", "SELECT sensor, mean FROM means ORDER BY sensor") == [
        {"sensor": "attic", "mean": 31.5},
        {"sensor": "cellar", "mean": 12.5},
    ]
    assert query(engine, "archive", "SELECT count FROM alarms") == [{"count": 1}]


def heading(name: str, method: object) -> str:
    parameters = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]  # type: ignore[arg-type]
    texts = [f"*{p.name}" if p.kind is p.VAR_POSITIONAL else _text(p) for p in parameters]
    return f"{name}({', '.join(texts)})"


def _text(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return parameter.name
    default = f'"{parameter.default}"' if isinstance(parameter.default, str) else parameter.default
    return f"{parameter.name}={default}"


def public(owner: type) -> list[tuple[str, object]]:
    return [(name, member) for name, member in vars(owner).items() if not name.startswith("_")]


@pytest.mark.parametrize(("name", "method"), [*public(InfluxDB3Local), *public(Cache)])
def test_each_call_has_its_heading_with_its_parameters(name: str, method: object) -> None:
    assert (name if isinstance(method, property) else heading(name, method)) in HEADINGS


@pytest.mark.parametrize("name", [name for name, member in public(LineBuilder) if callable(member)])
def test_each_call_of_the_builder_is_told(name: str) -> None:
    assert f"| `{heading(name, getattr(LineBuilder, name))}` |" in PAGE


@pytest.mark.parametrize("name", [n for n in influxdb3_plugin.__all__ if n.endswith("Error")])
def test_each_exception_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE
