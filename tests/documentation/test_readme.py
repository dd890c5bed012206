"""The first page: what it links to is there, what it shows works, and it fits a screen or two."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Engine
from tests.support.engines import create_trigger, open_engine, rows_when, write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text()
MOST_LINES = 70


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", PAGE))))
def test_what_it_links_to_is_there(target: str) -> None:
    assert (ROOT / target).exists()


def test_it_is_short() -> None:
    assert PAGE.count("\n") <= MOST_LINES


@pytest.mark.parametrize("target", re.findall(r"^make (\S+)", PAGE, re.MULTILINE))
def test_its_commands_are_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (plugin,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "alarms.py").write_text(plugin)
    with open_engine(tmp_path, plugin_dir=tmp_path / "plugins") as engine:
        yield engine


def test_its_plugin_runs(engine: Engine) -> None:
    create_trigger(engine, "home", "alarms", "table:sensor_data", "alarms.py", arguments={"limit": "80"})
    write(engine, "home", "sensor_data,sensor=a temperature=81 1\nsensor_data,sensor=b temperature=80 2")
    (alarm,) = rows_when(engine, "home", "SELECT sensor, temperature FROM alarms")
    assert alarm == {"sensor": "a", "temperature": 81.0}
