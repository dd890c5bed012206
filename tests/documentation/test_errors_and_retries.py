"""The session on the page about errors, run as it is written against a real server."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import eventually
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

pytestmark = pytest.mark.process

PAGE = (Path(__file__).parents[2] / "docs" / "errors-and-retries.md").read_text()
SESSIONS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
(PLUGIN,) = re.findall(r"```python\n# double.py\n(.*?)```", PAGE, re.DOTALL)
ID = re.compile(r"\b\d{19}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9} *")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "double.py").write_text(PLUGIN)
    values = ("x" if n == 613 else str(n) for n in range(1000))
    lines = (f'reading,sensor=s{n % 10} value="{value}" {1_763_700_000 + n}' for n, value in enumerate(values))
    (tmp_path / "readings.lp").write_text("\n".join(lines))
    with serving(tmp_path, "--without-auth", "--plugin-dir", str(plugins)) as running:
        ran(running, tmp_path, "influxdb3 create database plant")
        yield running


def ran(server: Serving, folder: Path, command: str) -> str:
    environment = clean_environment(folder) | {"INFLUXDB3_HOST_URL": server.url}
    line = command.replace("influxdb3", str(PROGRAM), 1)
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout


def plain(text: str) -> str:
    return TIME.sub("TIME", ID.sub("ID", text)).strip()


def steps(session: str) -> list[tuple[str, str]]:
    """The commands of a session with what they print."""
    parts = [part.partition("\n") for part in session.split("$ ")[1:]]
    return [(command, printed) for command, _, printed in parts]


def test_the_session_goes_as_it_is_written(server: Serving, tmp_path: Path) -> None:
    first, second = SESSIONS
    (create, write, *asking) = steps(first)
    for command, printed in (create, write):
        assert plain(ran(server, tmp_path, command)) == plain(printed)
    for command, printed in asking:
        eventually(lambda c=command, p=printed: plain(ran(server, tmp_path, c)) == plain(p))  # type: ignore[misc]
    (tmp_path / "plugins" / "double.py").write_text(PLUGIN.replace('float(row["value"])', "1.0"))
    for command, printed in steps(second):
        assert plain(ran(server, tmp_path, command)) == plain(printed)
