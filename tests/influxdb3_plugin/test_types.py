import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import influxdb3_plugin
from engine.host import api as host_api
from engine.host.api import UNLISTED, PluginCache, PyPluginCallApi
from engine.host.request import RequestHeaders
from engine.host.table_batch import TableBatch
from engine.lineprotocol import builder
from influxdb3_plugin.api import Cache, InfluxDB3Local
from tests.support.engines import create_trigger, open_engine, query, request, rows_when, write
from tests.support.plugin_host import Host

ROOT = Path(__file__).parents[2]
EXCEPTIONS = ("InfluxDBError", "InvalidMeasurementError", "InvalidKeyError", "InvalidLineError")


def public(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("real", "described"), [(PyPluginCallApi, InfluxDB3Local), (PluginCache, Cache)])
def test_types_describe_exactly_what_there_is(real: type, described: type) -> None:
    assert set(public(real)) == set(public(described))
    for name, function in public(described).items():
        assert function.__doc__, name
        if inspect.isfunction(function):
            assert parameters(function) == parameters(public(real)[name]), name
        else:
            assert isinstance(function, property)


def test_nine_names_and_the_two_that_are_new_here() -> None:
    """B6.1."""
    assert len(public(InfluxDB3Local).keys() - UNLISTED) == 9


def test_classes_are_those_of_the_objects_themselves() -> None:
    assert influxdb3_plugin.QueryError is host_api.QueryError
    assert influxdb3_plugin.TableBatch is TableBatch
    assert influxdb3_plugin.RequestHeaders is RequestHeaders
    for name in ("LineBuilder", *EXCEPTIONS):
        assert getattr(influxdb3_plugin, name) is getattr(builder, name)


def test_every_name_is_listed_and_documented() -> None:
    assert influxdb3_plugin.__all__ == sorted(influxdb3_plugin.__all__)
    for name in influxdb3_plugin.__all__:
        assert hasattr(influxdb3_plugin, name)
    assert (Path(influxdb3_plugin.__file__).with_name("py.typed")).exists()


def test_plugin_with_types_everywhere_runs(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "typed.py").write_text((Path(__file__).with_name("typed_plugin.py")).read_text())
    with open_engine(tmp_path, plugin_dir=folder) as engine:
        create_trigger(engine, "db", "w", "table:m", "typed.py", arguments={"limit": "1"})
        write(engine, "db", "m v=1 1\nm v=2 2")
        assert rows_when(engine, "db", "SELECT * FROM high") == [{"v": 2.0, "time": 2}]
        assert query(engine, "db", "SELECT * FROM copies") == [{"v": 2.0, "time": 2}]
        create_trigger(engine, "db", "r", "request:r", "typed.py")
        answer = request(engine, "r", b"abc")
        assert (answer.status, answer.body, dict(answer.headers)["X-Count"]) == (201, b'{"count": 1, "length": 3}', "1")


@pytest.mark.process
def test_plugin_host_has_the_types(tmp_path: Path) -> None:
    """B7.10: the product's own module stays unknown, for that is how plugins tell where they run."""
    host = Host()
    try:
        said = host.logs(
            tmp_path,
            """
            import influxdb3_plugin, __main__
            local.info(influxdb3_plugin.LineBuilder is LineBuilder)
            local.info([getattr(influxdb3_plugin, n) is getattr(__main__, n) for n in NAMES])
            try:
                influxdb3_plugin.LineBuilder("m").build()
            except influxdb3_plugin.InvalidLineError as error:
                local.info(error)
            try:
                import influxdb3_pe
            except ImportError:
                local.info("no product")
            """.replace("NAMES", repr(EXCEPTIONS)),
        )
    finally:
        host.close()
    assert said == ["True", "[True, True, True, True]", "At least one field is required: m", "no product"]


@pytest.mark.process
def test_types_are_light() -> None:
    """A test of a plugin that reads no columns loads none of what columns need."""
    code = "import sys, influxdb3_plugin; print([m for m in ('pyarrow', 'numpy', 'datafusion') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
