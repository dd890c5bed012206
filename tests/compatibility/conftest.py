"""A server with each executor, on which the ways of ``docs/compatibility.md`` are tried."""

from collections.abc import Iterator

import pytest

from tests.support.listening import listening
from tests.support.scene import QUICK, Scene
from tests.support.web import Web, web

HOST = pytest.param("shared", id="host", marks=pytest.mark.process)


@pytest.fixture(scope="session", params=[pytest.param("embedded", id="embedded"), HOST])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server for all ways, once with each executor."""
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
