"""The entrypoint of the container image, run in a shell, and what the Dockerfile says."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.settings import SETTINGS
from tests.packaging.conftest import PROJECT

FOLDER = PROJECT / "packaging/docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()

# Stands where the real command would be, and tells how it was called.
COMMAND = """#!/bin/sh
echo "influxdb3 $*"
echo "plugins=${INFLUXDB3_PLUGIN_DIR-unset} log=${INFLUXDB3_LOG_FILTER-unset} unset=${INFLUXDB3_UNSET_VARS-unset}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("envsubst") is None:
        pytest.skip("envsubst is not installed (Debian: apt install gettext-base)")
    program = tmp_path / "influxdb3"
    program.write_text(COMMAND)
    program.chmod(0o755)
    return tmp_path


def run(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", **image_variables(), **(environ or {})}
    return subprocess.run(
        ["sh", str(FOLDER / "entrypoint.sh"), *arguments], env=variables, capture_output=True, text=True, check=False
    )


def image_variables() -> dict[str, str]:
    found = re.findall(r"(INFLUXDB3_\w+)=(\S+)", DOCKERFILE)
    return dict(found)


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        pytest.param((), "influxdb3 serve", id="nothing-said"),
        pytest.param(("serve", "--without-auth"), "influxdb3 serve --without-auth", id="a-command"),
        pytest.param(("influxdb3", "show", "databases"), "influxdb3 show databases", id="the-program"),
        pytest.param(("query", "-d", "home", "SELECT 1"), "influxdb3 query -d home SELECT 1", id="another-command"),
        pytest.param(("serve", "--node-id", "$NODE"), "influxdb3 serve --node-id edge 7", id="a-variable"),
        pytest.param(("serve", "--node-id", "${NODE}-a"), "influxdb3 serve --node-id edge 7-a", id="within-a-word"),
        pytest.param(("sh", "-c", "exec influxdb3 serve"), "influxdb3 serve", id="a-shell"),
    ],
)
def test_arguments_become_a_command(folder: Path, arguments: tuple[str, ...], called: str) -> None:
    assert run(folder, *arguments, environ={"NODE": "edge 7"}).stdout.splitlines()[0] == called


@pytest.mark.process
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param("", "plugins=/plugins log=info unset=unset", id="none"),
        pytest.param("INFLUXDB3_PLUGIN_DIR", "plugins=unset log=info unset=unset", id="one"),
        pytest.param("INFLUXDB3_PLUGIN_DIR,INFLUXDB3_LOG_FILTER", "plugins=unset log=unset unset=unset", id="two"),
        pytest.param("INFLUXDB3_LOG_FILTER, NEVER_SET", "plugins=/plugins log=unset unset=unset", id="blanks"),
    ],
)
def test_variables_are_unset_before_the_server_starts(folder: Path, names: str, expected: str) -> None:
    assert run(folder, environ={"INFLUXDB3_UNSET_VARS": names}).stdout.splitlines()[1] == expected


@pytest.mark.process
@pytest.mark.parametrize("name", ["PLUGIN-DIR", "1ST", "A;touch${IFS}x", "$(touch x)"])
def test_what_is_no_name_is_refused_and_not_run(folder: Path, name: str) -> None:
    done = run(folder, environ={"INFLUXDB3_UNSET_VARS": name})
    assert (done.returncode, done.stdout) == (2, "")
    assert "which is no name of a variable" in done.stderr
    assert not list(folder.glob("x"))


@pytest.mark.process
def test_the_seeds_way_to_switch_the_engine_off_works(folder: Path) -> None:
    done = run(folder, "sh", "-c", "unset INFLUXDB3_PLUGIN_DIR && exec influxdb3 serve --object-store memory")
    assert done.stdout.splitlines() == [
        "influxdb3 serve --object-store memory",
        "plugins=unset log=info unset=unset",
    ]


def test_variables_of_the_image_are_variables_of_the_server() -> None:
    known = {variable for setting in SETTINGS for variable in setting.environment}
    assert image_variables().keys() <= known
    assert image_variables()["INFLUXDB3_PLUGIN_DIR"] == "/plugins"


def test_what_the_image_copies_is_there() -> None:
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert copied
    assert [word for word in copied if not (PROJECT / word).exists()] == []
