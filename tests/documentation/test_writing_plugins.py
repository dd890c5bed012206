"""Every plugin on the page about writing plugins, as it stands there: run in an engine, and held against its types."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import influxdb3_plugin
from engine.runtime import Engine
from tests.support.engines import create_trigger, open_engine, request, rows_when, write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "writing-plugins.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for name, code in BLOCKS.items():
        (plugins / name).write_text(code)
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        engine.tables.create_database("home")
        yield engine


def test_every_block_is_tried() -> None:
    assert list(BLOCKS) == ["alarms.py", "averages.py", "report.py", "hello.py", "test_alarms.py"]
    assert PAGE.count("```python") == len(BLOCKS)


def test_hot_sensors_raise_an_alarm(engine: Engine) -> None:
    create_trigger(engine, "home", "alarms", "table:sensor_data", "alarms.py", arguments={"limit": "90"})
    write(
        engine,
        "home",
        "sensor_data,sensor=s1 temperature=99.5 1\nsensor_data,sensor=s2 temperature=20 2\nsensor_data x=1 3",
    )
    assert rows_when(engine, "home", "SELECT * FROM alarms") == [{"sensor": "s1", "temperature": 99.5, "time": 1}]


@pytest.mark.parametrize("count", [4, 400])
def test_columns_are_averaged(engine: Engine, count: int) -> None:
    create_trigger(engine, "home", "averages", "table:sensor_data", "averages.py")
    write(engine, "home", "\n".join(f"sensor_data,sensor=s{i % 2} temperature={i} {i}" for i in range(count)))
    assert rows_when(engine, "home", "SELECT * FROM averages ORDER BY sensor", 2) == [
        {"sensor": "s0", "temperature_mean": (count - 2) / 2, "time": count - 2},
        {"sensor": "s1", "temperature_mean": count / 2, "time": count - 1},
    ]


def test_alarms_are_counted(engine: Engine) -> None:
    write(engine, "home", "alarms,sensor=s1 temperature=99.5 1\nalarms,sensor=s2 temperature=99.5 1")
    create_trigger(engine, "home", "report", "every:1s", "report.py")
    # The first run may be followed by others at once; a table is known before its first row is durable.
    assert rows_when(engine, "home", "SELECT DISTINCT alarms FROM reports") == [{"alarms": 2}]


def test_request_is_answered(engine: Engine) -> None:
    create_trigger(engine, "home", "hello", "request:hello", "hello.py")
    assert [json.loads(request(engine, "hello").body)["count"] for _ in range(2)] == [1, 2]


def test_dry_run_of_the_page_shows_the_alarm(engine: Engine) -> None:
    answer = engine.test_wal("alarms.py", "home", "sensor_data,sensor=s1 temperature=99.5 1", None, {"limit": "90"})
    assert answer["database_writes"] == {"home": ["alarms,sensor=s1 temperature=99.5 1"]}


def test_test_of_a_plugin_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alarms.py").write_text(BLOCKS["alarms.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {}
    try:
        exec(BLOCKS["test_alarms.py"], names)
        test = names["test_hot_sensors_raise_an_alarm"]
        assert callable(test)
        test()
    finally:
        sys.modules.pop("alarms", None)


@pytest.mark.parametrize("name", sorted(set(influxdb3_plugin.__all__)))
def test_every_type_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


MISTAKES = """
from influxdb3_plugin import InfluxDB3Local, LineBuilder, TableBatch

def process_writes(influxdb3_local: InfluxDB3Local, table_batches: list[TableBatch]) -> None:
    for batch in table_batches:
        batch["table_name"].nope()
        batch["rows"].nope()
    influxdb3_local.write("m v=1")
    influxdb3_local.write_sync(LineBuilder("m"))
    influxdb3_local.query("SELECT 1", {"n": object()})
    influxdb3_local.write_arrow("m", None, ["host"])
    LineBuilder("m").int64_field("v", "text")
"""


@pytest.mark.process
def test_types_help_authors(tmp_path: Path) -> None:
    """The page's plugins are right for ``mypy --strict``; mistakes are found."""
    for name, code in BLOCKS.items():
        if not name.startswith("test_"):
            (tmp_path / name).write_text(code)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-pyarrow.*]\nignore_missing_imports = true\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "--no-error-summary", "."]
    found = subprocess.run(
        command, cwd=tmp_path, env={"MYPYPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    )
    places = [line.rpartition(": error")[0] for line in found.stdout.splitlines() if ": error" in line]
    start = MISTAKES[: MISTAKES.index("        batch[")].count("\n") + 1
    assert places == [f"mistakes.py:{line}" for line in (start, *range(start + 1, start + 7))], (
        found.stdout + found.stderr
    )
