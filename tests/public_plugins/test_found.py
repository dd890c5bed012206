import json
from pathlib import Path

import pytest

from tests.public_plugins.found import Argument, FoundPlugin, find_plugins
from tests.support.scene import write_files

HEADER = {
    "plugin_type": ["onwrite", "http"],
    "onwrite_args_config": [
        {"name": "table", "example": "home", "required": True},
        {"name": "limit", "example": 3, "required": False},
    ],
    "http_body_config": [{"name": "fields", "example": "a b", "required": True}],
}
WRITES = "def process_writes(influxdb3_local, table_batches, args=None): pass\n"
REQUEST = "def process_request(local, query, headers, body, args=None): return {}\n"
MANIFEST = """
[plugin]
name = "counter"
triggers = ["process_request", "process_writes"]
[dependencies]
python = ["pint>=0.20"]
"""


def found(folder: Path, files: dict[str, str]) -> list[FoundPlugin]:
    write_files(folder, files)
    return find_plugins(folder)


def test_plugin_with_manifest_header_and_requirements(tmp_path: Path) -> None:
    (plugin,) = found(
        tmp_path,
        {
            "me/counter/manifest.toml": MANIFEST,
            "me/counter/count_plugin.py": f'"""\n{json.dumps(HEADER)}\n\nMore words.\n"""\nimport json, pint\n{WRITES}{REQUEST}',
            "me/counter/test_count.py": WRITES,
            "me/counter/requirements.txt": "# needed\npint>=0.20\ninfluxdata-plugin-utils>=0.4 # helpers\n",
            "me/counter/count_config.toml": 'table = "home"\n',
            "me/counter/count_template.toml": 'table = "your_table"\n',
        },
    )
    assert plugin == FoundPlugin(
        name="counter",
        path="me/counter/count_plugin.py",
        entries=("process_writes", "process_request"),
        declared=("process_writes", "process_request"),
        packages=("pint>=0.20", "influxdata-plugin-utils>=0.4"),
        arguments={
            "writes": (Argument("table", "home", True), Argument("limit", "3", False)),
            "schedule": (),
            "request": (),
        },
        body=(Argument("fields", "a b", True),),
        configs=("me/counter/count_config.toml",),
    )


def test_package_is_one_plugin(tmp_path: Path) -> None:
    (plugin,) = found(
        tmp_path,
        {
            "hello-world/manifest.toml": '[plugin]\nname = "hello-world"\ntriggers = ["process_request"]\n',
            "hello-world/__init__.py": "from .answers import process_request\n",
            "hello-world/answers.py": REQUEST,
        },
    )
    assert (plugin.path, plugin.entries, plugin.declared) == (
        "hello-world",
        ("process_request",),
        ("process_request",),
    )


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        ({"a.py": WRITES, "b/c.py": REQUEST}, ["a.py", "b/c.py"]),
        ({"a.py": "x = 1\n", "conftest.py": WRITES, "tests/p.py": WRITES, ".venv/p.py": WRITES}, []),
        ({"newer.py": "type X = int\n" + WRITES}, ["newer.py"]),
        ({"async.py": "async " + WRITES}, ["async.py"]),
    ],
    ids=["without-manifest", "no-plugins", "syntax-of-a-later-python", "coroutine"],
)
def test_files(tmp_path: Path, files: dict[str, str], paths: list[str]) -> None:
    assert [plugin.path for plugin in found(tmp_path, files)] == paths


def test_manifest_without_code_is_told(tmp_path: Path) -> None:
    (plugin,) = found(tmp_path, {"empty/manifest.toml": '[plugin]\nname = "e"\ntriggers = ["process_writes"]\n'})
    assert plugin.problem == "no file in it has one of process_writes, process_scheduled_call, process_request"


def test_what_comes_with_the_product_is_installed_though_nobody_asks(tmp_path: Path) -> None:
    (plugin,) = found(tmp_path, {"p.py": "from influxdata_plugin_utils.write import write_data\n" + WRITES})
    assert plugin.packages == ("influxdata-plugin-utils",)
