"""Every plugin has a page that names its arguments and tables, a test, and a line in the list."""

import re
from pathlib import Path

import pytest

from tests.support.engines import PLUGINS

FILES = sorted(PLUGINS.glob("*.py"))
ARGUMENT = re.compile(r"""args(?: or \{\})?\)?(?:\.get\(|\[|, )"(\w+)"|"(\w+)" in args""")
TABLE = re.compile(r"^(?:[A-Z]+, )*[A-Z]+ = (\"\w+\".*)$", re.MULTILINE)


@pytest.mark.parametrize("plugin", FILES, ids=lambda path: path.stem)
def test_a_page_names_every_argument_and_table(plugin: Path) -> None:
    code, page = plugin.read_text(), plugin.with_suffix(".md").read_text()
    arguments = {one or other for one, other in ARGUMENT.findall(code)}
    tables = {name for line in TABLE.findall(code) for name in re.findall(r'"(\w+)"', line)}
    assert arguments
    assert {name for name in arguments if f"`{name}`" not in page} == set()
    assert {name for name in tables if f"{name}`" not in page} == set()
    assert "## Example" in page


@pytest.mark.parametrize("plugin", FILES, ids=lambda path: path.stem)
def test_a_plugin_is_listed_and_tested(plugin: Path) -> None:
    assert f"[`{plugin.name}`]({plugin.stem}.md)" in (PLUGINS / "README.md").read_text()
    assert (PLUGINS / "tests" / f"test_{plugin.stem}.py").exists()
