"""What docs/declarative-triggers.md shows happens so."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.engines import open_engine
from tests.support.listening import listening

PAGE = (Path(__file__).parents[2] / "docs" / "declarative-triggers.md").read_text()
BLOCKS = re.findall(r"^```(python|toml|console)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[RunCli]:
    for name in [name for name in os.environ if name.startswith("INFLUXDB3_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MAIL_TOKEN", "not so secret")
    monkeypatch.chdir(tmp_path)
    for folder in ("plugins", "server"):
        (tmp_path / folder).mkdir()
    with open_engine(tmp_path, plugin_dir=tmp_path / "server") as engine, listening(engine) as url:
        monkeypatch.setenv("INFLUXDB3_HOST_URL", url)
        yield cli_runner(monkeypatch, capsysbinary)


def test_the_page_from_top_to_bottom(live: RunCli, tmp_path: Path) -> None:
    assert [kind for kind, _ in BLOCKS] == ["python", "toml", "console", "console", "toml", "console", "console"]
    for kind, text in BLOCKS:
        match kind:
            case "python":
                (tmp_path / "plugins" / "alarm.py").write_text(text)
            case "toml":
                (tmp_path / "triggers.toml").write_text(text)
            case _:
                shown = re.findall(r"^\$ influxdb3 (.*)\n((?:[^$\n].*\n)*)", text, re.MULTILINE)
                for command, output in shown:
                    done = live(*shlex.split(command))
                    assert (done.code, done.stdout, done.stderr) == (0, output, ""), command


def test_the_tables_tell_the_options(live: RunCli) -> None:
    told = set(re.findall(r"--[a-z-]+", live("apply", "--help").stdout))
    own = told - {"--file", "--host", "--token", "--tls-ca", "--tls-no-verify", "--help", "--help-all"}
    assert own == set(re.findall(r"^\| `(--[a-z-]+)(?: [A-Z]+)?` \|", PAGE, re.MULTILINE))
