import pytest

from engine.host.foresight import rows_may_wait


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("", True, id="nothing"),
        pytest.param("import json, os.path\nfrom collections import abc", True, id="standard-library"),
        pytest.param("from influxdb3_plugin import LineBuilder", True, id="types"),
        pytest.param(
            "try:\n    from influxdb3_pe import LineBuilder\nexcept ImportError:\n    pass", True, id="detection"
        ),
        pytest.param("import orjson", False, id="package"),
        pytest.param("def f():\n    from msgspec.json import encode", False, id="package-inside"),
        pytest.param("import json, orjson as json2", False, id="second-of-two"),
        pytest.param("import orjson\ndef f(batch):\n    batch.to_arrow()", True, id="package-and-columns"),
        pytest.param("import pyarrow\ngetattr(batch, 'to_arrow')()", True, id="columns-by-name"),
        pytest.param("from importlib import import_module", False, id="importlib"),
        pytest.param("__import__('orjson')", False, id="__import__"),
        pytest.param("from . import helper\nfrom .x import y\nimport own.z", True, id="own-modules"),
        pytest.param("def f(:", False, id="no-python"),
        pytest.param("\0", False, id="null-byte"),
        pytest.param("-" * 100_000 + "1", False, id="too-deep"),
    ],
)
def test_rows_may_wait_where_nothing_can_read_past_the_methods(source: str, expected: bool) -> None:
    assert rows_may_wait(source, "own") is expected
