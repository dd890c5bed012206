"""Servers for the rows of the checklist: one with each executor for all rows, and one with a clock for each that needs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.clock import ManualClock
from tests.support.listening import listening
from tests.support.scene import QUICK, Scene, Timed
from tests.support.web import Web, web


@pytest.fixture(autouse=True)
def row(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The rows that a test covers; they stand in its name."""
    numbers: tuple[str, ...] = getattr(request, "param", ())
    return numbers


@pytest.fixture(
    scope="session",
    params=[pytest.param("embedded", id="embedded"), pytest.param("shared", id="host", marks=pytest.mark.process)],
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server for all rows, once with each executor."""
    with web(tmp_path_factory.mktemp("server"), plugin_isolation=request.param, **QUICK) as served:
        yield served


@pytest.fixture
def scene(server: Web) -> Iterator[Scene]:
    """A new database of that server."""
    made = Scene(server)
    yield made
    made.close()


@pytest.fixture(scope="session")
def address(server: Web) -> Iterator[str]:
    """Where that server listens."""
    with listening(server.engine) as url:
        yield url


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunCli:
    """Run commands in an empty folder, without variables of the caller."""
    for name in [name for name in os.environ if name.startswith("INFLUXDB3_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return cli_runner(monkeypatch, capsysbinary)


@pytest.fixture
def connected(cli: RunCli, address: str, monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Run commands that speak with the server of all rows."""
    monkeypatch.setenv("INFLUXDB3_HOST_URL", address)
    return cli


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Timed]:
    """A server of its own, with a clock of the test: 2026-11-21, a Saturday, 12:00 UTC."""
    clock = ManualClock()
    with web(tmp_path, clock=clock, **QUICK) as served:
        yield Timed(served, clock)
