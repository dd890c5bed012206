"""Wheel and source package, built and installed into an environment that holds nothing else."""

import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.packaging.conftest import PROJECT, UV, Distributions
from tests.support.serving import launch

pytestmark = pytest.mark.process


def test_the_wheel_holds_what_runs_and_nothing_else(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"engine", "influxdb3_cli", "influxdb3_plugin"}
    sources = {str(path.relative_to(PROJECT)) for top in tops for path in (PROJECT / top).rglob("*.py")}
    assert sources <= set(names)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_source_package_holds_what_a_build_needs(distributions: Distributions) -> None:
    with tarfile.open(distributions.source) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "engine/runtime.py", "influxdb3_cli/app.py"} <= names


def test_the_wheel_runs_in_an_empty_environment(distributions: Distributions, tmp_path: Path) -> None:
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin"), "PATH": os.defpath}
    constraints = str(PROJECT / "constraints.txt")
    subprocess.run(
        [*UV, "tool", "install", "--quiet", "--constraints", constraints, str(distributions.wheel)],
        env=os.environ | places,
        check=True,
    )
    program = str(tmp_path / "bin" / "influxdb3")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("influxdb3 InfluxDB 3 Core, ")
    launched = launch(tmp_path / "server", "--without-auth", command=(program, "serve"))
    try:
        url = launched.listening().url
        written = httpx.post(f"{url}/api/v3/write_lp", params={"db": "home"}, content="room temp=21.5 1")
        assert written.status_code == 204, written.text
        answer = httpx.get(f"{url}/api/v3/query_sql", params={"db": "home", "q": "SELECT temp FROM room"})
        assert answer.json() == [{"temp": 21.5}]
    finally:
        launched.end()
