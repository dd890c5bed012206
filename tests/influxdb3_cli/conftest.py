import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunCli:
    """Run commands in an empty folder, without variables of the caller."""
    for name in [name for name in os.environ if name.startswith("INFLUXDB3_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return cli_runner(monkeypatch, capsysbinary)


@pytest.fixture
def connected(cli: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Run commands that speak with the scripted server."""
    monkeypatch.setenv("INFLUXDB3_HOST_URL", server.url)
    return cli
