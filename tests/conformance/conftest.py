"""Servers for the rows of the checklist: one with each executor for all of them, and one with a clock for each that needs it."""

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


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server that runs plugins itself."""
    with web(tmp_path_factory.mktemp("embedded"), plugin_isolation="embedded", **QUICK) as served:
        yield served


@pytest.fixture(scope="session")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server that runs plugins in a host."""
    with web(tmp_path_factory.mktemp("hosted"), plugin_isolation="shared", **QUICK) as served:
        yield served


@pytest.fixture(scope="session", params=["embedded", pytest.param("hosted", id="host", marks=pytest.mark.process)])
def server(request: pytest.FixtureRequest) -> Web:
    """Both servers, one after the other."""
    served: Web = request.getfixturevalue(request.param)
    return served


@pytest.fixture
def scene(server: Web) -> Iterator[Scene]:
    """A new database of each server."""
    made = Scene(server)
    yield made
    made.close()


@pytest.fixture
def plain(embedded: Web) -> Iterator[Scene]:
    """A new database of one server, for rows that no plugin's run is part of."""
    made = Scene(embedded)
    yield made
    made.close()


@pytest.fixture(scope="session")
def address(embedded: Web) -> Iterator[str]:
    """Where the one server listens."""
    with listening(embedded.engine) as url:
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
    """Run commands that speak with the server of ``plain``."""
    monkeypatch.setenv("INFLUXDB3_HOST_URL", address)
    return cli


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Timed]:
    """A server of its own, with a clock of the test: 2026-11-21, a Saturday, 12:00 UTC."""
    clock = ManualClock()
    with web(tmp_path, clock=clock, **QUICK) as served:
        yield Timed(served, clock)
