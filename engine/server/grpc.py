"""The gRPC side of the server: the Flight server, from the first connection that asks for it to its end."""

import asyncio
import logging
import re
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.server.figures import CallFigures

if TYPE_CHECKING:
    from engine.runtime import Engine

logger = logging.getLogger(__name__)

MOST_PATH = 100
"""A longer path does not fit into the address of a socket."""


class Stoppable(Protocol):
    """A server that runs in threads of its own."""

    def shutdown(self) -> None:
        """Take no more calls; return when those under way have ended."""


class NotServing(Exception):
    """There is no gRPC before the engine is open, nor behind its end."""


class GrpcSide:
    """Starts the Flight server when the first client comes, and ends it.

    All methods but ``wait_ended`` belong to the event loop.

    Attributes:
        engine: what is queried, ``None`` until it is open.
        clients: the connections that speak gRPC.
        figures: what calls came to.
    """

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.clients: set[asyncio.Transport] = set()
        self.figures = CallFigures()
        self._starting: asyncio.Task[str] | None = None
        self._server: Stoppable | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._path: Path | None = None
        self._ending: threading.Thread | None = None
        self._is_over = False

    async def address(self) -> str:
        """Return the path of the socket, at which the server listens by then.

        Raises:
            NotServing: not yet, or not any more.
        """
        if self.engine is None or self._is_over:
            raise NotServing
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start(self.engine))
        return await asyncio.shield(self._starting)

    def begin_end(self) -> None:
        """Take no more calls; connections end when the calls under way have. A second call does nothing."""
        self._is_over = True
        if self._server is not None and self._ending is None:
            self._ending = threading.Thread(target=self._server.shutdown, name="end-flight")
            self._ending.start()

    def cut(self) -> None:
        """End all connections, whatever is under way there."""
        for client in list(self.clients):
            client.abort()

    def wait_ended(self, timeout_s: float) -> None:
        """Return when the server has ended, or after ``timeout_s`` seconds; to be called after ``begin_end``."""
        if self._ending is not None:
            self._ending.join(timeout_s)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._temporary is not None:
            self._temporary.cleanup()

    async def _start(self, engine: "Engine") -> str:
        try:
            self._path = self._place(engine.paths.flight)
            self._server = await asyncio.get_running_loop().run_in_executor(
                None, _make, engine, str(self._path), self.figures
            )
        except Exception:
            logger.exception("Flight does not start")
            self._starting = None  # the next client tries again
            raise NotServing from None
        if self._is_over:
            self.begin_end()
        logger.info("serving Flight: a first client has come")
        return str(self._path)

    def _place(self, wanted: Path) -> Path:
        """Return where the socket can be: ``wanted``, unless an address cannot hold that path."""
        path = wanted.absolute()
        if len(str(path)) > MOST_PATH or not re.fullmatch(r"[\w./-]+", str(path), re.ASCII):
            self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="influxdb3-")
            path = Path(self._temporary.name) / wanted.name
        path.unlink(missing_ok=True)
        return path


def _make(engine: "Engine", path: str, figures: CallFigures) -> Stoppable:
    from engine.server.flight import FlightServer  # 80 ms and 10 MB, which only clients of gRPC need

    server: Stoppable = FlightServer(engine, path, figures)
    return server
