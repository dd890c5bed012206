"""The server as a process: listens, opens the engine, serves until it is told to stop."""

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from engine.clock import SystemClock
from engine.errors import EngineError
from engine.huge_pages import allow_huge_pages
from engine.server.door import AsgiApp, Door
from engine.server.figures import ServerFigures
from engine.server.first_bytes import first_bytes_of
from engine.server.grpc import GrpcSide
from engine.server.listener import BACKLOG, bound_address, open_listener, write_address
from engine.server.logs import LogStyle, set_up_logging
from engine.server.patience import PatientHttp
from engine.server.service_manager import ServiceManager
from engine.server.summary import StartFacts, first_steps, summary
from engine.server.tls import tls_context
from engine.server.version import product_version
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.runtime import Engine, Outside
    from engine.server.app import App

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
JOIN_S = 0.5
"""So long a thread gets to notice that the server ends."""

GOODBYE_S = 0.2
"""So long a client gets at the end to close a connection on which all is said."""

SWITCH_INTERVAL_S = 0.001
"""After so long a thread lets another one have the interpreter: most wait for it with very little to do."""

QUERY_THREADS = 8
"""More than there are processors: a query that computes without a pause keeps as many threads as there are, and others
must have some left."""

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


def run(
    settings: Settings,
    outside: "Outside | None" = None,
    *,
    is_quick_start: bool = False,
    notify_socket: str | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code. A second signal ends the process at once.

    ``outside`` is what the engine works on, ``None`` = this machine. ``is_quick_start``: tell what to do next.
    ``notify_socket``: where a service manager listens, see ``ServiceManager``.
    """
    allow_huge_pages(False)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    style = LogStyle(settings.log_format, settings.log_destination, settings.disable_log_filter_noise_reduction)
    set_up_logging(settings.log_filter, style)
    for note in settings.notes:
        logger.warning("%s", note)
    # Scripts of the product look for this line; that nothing is uploaded holds here whatever anybody sets.
    logger.debug(
        "Initializing TelemetryStore with upload disabled. This server has no telemetry: nothing is ever sent."
    )
    # DataFusion's runtime reads it when the first query comes.
    os.environ.setdefault("TOKIO_WORKER_THREADS", str(max(QUERY_THREADS, 2 * (os.cpu_count() or 1))))
    try:
        tls = tls_context(settings.tls_key, settings.tls_cert, settings.tls_minimum_version)
        listener = open_listener(settings.http_bind)
        recovery = _recovery_listener(settings)
    except EngineError as error:
        return _failed(str(error))
    around = _Around(listener, recovery, tls, ServiceManager(notify_socket), is_quick_start)
    serving = _Serving(settings, around, outside)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(serving.run())
    serving.leave(code)
    return code


class _Http(uvicorn.Server):
    """Uvicorn without its own handling of signals, which at its end does not wait for clients to say goodbye."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End all connections, each after what is under way there."""
        cutting = asyncio.create_task(self._cut_silent())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_silent(self) -> None:
        """Cut connections on which all is said: with TLS a client that is idle does not notice that it shall close them."""
        while True:
            await asyncio.sleep(GOODBYE_S)
            for connection in list(self.server_state.connections):
                transport = connection.transport
                if transport.is_closing() and not transport.get_write_buffer_size():
                    transport.abort()


@dataclass(frozen=True, slots=True)
class _Around:
    """What a server meets the world with; ``recovery``: the socket of the second address, if there is one."""

    listener: socket
    recovery: socket | None
    tls: ssl.SSLContext | None
    manager: ServiceManager
    is_quick_start: bool


class _Serving:
    """One server from its start to its end."""

    def __init__(self, settings: Settings, around: _Around, outside: "Outside | None") -> None:
        self._settings = settings
        self._around = around
        self._outside = outside
        self._recovery_http: _Http | None = None
        self._address = bound_address(around.listener)
        self._clock = SystemClock()
        self._started_ns = self._clock.monotonic_ns()
        self._stopped_ns = 0
        self._door = Door()
        self._grpc = GrpcSide()
        self._http = _Http(_http_config(self._door, settings, first_bytes_of(self._grpc), around.tls))
        # One thread does all to the engine that takes long, and lives as long as the server: processes that are
        # started from a thread end with it.
        self._engine_thread = ThreadPoolExecutor(1, "engine")
        self._engine: Engine | None = None
        self._app: App | None = None
        self._problem: str | None = None

    async def run(self) -> int:
        """Serve; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop_on, number)
        http = asyncio.create_task(self._http.serve(sockets=[self._around.listener]))
        starting = asyncio.create_task(self._around.manager.wait_for_start(lambda: self._door.progress()))
        try:
            self._door.app = await loop.run_in_executor(self._engine_thread, self._open)
            if self._settings.tcp_listener_file_path is not None:
                write_address(self._settings.tcp_listener_file_path, self._address)
        except EngineError as error:
            self._problem = str(error)
        except OSError as error:
            self._problem = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        except Exception:
            logger.exception("the engine did not open")
            self._problem = "internal error, see the log"
        starting.cancel()
        if self._problem is None:
            self._tell()
            self._around.manager.ready(str(self._address))
            self._end_when_lost(loop)
        else:
            self._stop()
        await asyncio.gather(http, self._serve_recovery())
        self._grpc.begin_end()
        self._grpc.cut()
        await loop.run_in_executor(self._engine_thread, self._close)
        self._engine_thread.shutdown()
        return 0 if self._problem is None else _failed(self._problem)

    def leave(self, code: int) -> None:
        """End without threads that are still at work: a query cannot be stopped, and nobody waits for it any more."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(JOIN_S)
                if thread.is_alive():
                    logger.warning("ending with work under way: thread=%s", thread.name)
                    logging.shutdown()
                    os._exit(code)

    def _open(self) -> "App":
        # Here: by now somebody answers that asks how far the server is.
        from engine.no_pandas import leave_out_pandas

        if self._settings.plugin_isolation != "embedded":  # those plugins may use it here
            leave_out_pandas()
        from engine.runtime import Engine
        from engine.server.app import App

        # What is loaded by now stays; to look through all of it for garbage again and again holds everybody up for 20 ms.
        gc.freeze()
        gc.enable()  # off during the imports
        engine = Engine(self._settings, self._outside)
        self._door.progress = lambda: engine.progress
        engine.start()
        self._engine = engine
        self._grpc.engine = engine
        self._app = App(engine, figures=ServerFigures(self._grpc.figures))
        gc.freeze()  # what the engine has loaded stays, too
        return self._app

    def _end_when_lost(self, loop: asyncio.AbstractEventLoop) -> None:
        """End as soon as another server has taken over the data: nothing that is written here would be found there."""

        def lose(reason: str) -> None:
            self._problem = reason
            self._stop()

        assert self._engine is not None
        self._engine.lost.add_done_callback(lambda lost: loop.call_soon_threadsafe(lose, lost.result()))

    async def _serve_recovery(self) -> None:
        """Renew a lost operator token at the second address, if there is one, until that is done or the server ends."""
        second = self._around.recovery
        if second is None or self._engine is None or self._http.should_exit:
            return
        from engine.server.recovery import Recovery  # here: it needs the application, which comes late

        app = Recovery(self._engine.tokens.regenerate_admin, self._end_recovery)
        self._recovery_http = _Http(_http_config(app, self._settings, PatientHttp, self._around.tls))
        address = bound_address(second)
        logger.warning(
            "whoever reaches %s may renew the operator token, once: "
            "influxdb3 create token --admin --regenerate --host http://%s",
            address,
            address,
        )
        if self._settings.admin_token_recovery_tcp_listener_file_path is not None:
            write_address(self._settings.admin_token_recovery_tcp_listener_file_path, address)
        await self._recovery_http.serve(sockets=[second])

    def _end_recovery(self) -> None:
        if self._recovery_http is not None:
            self._recovery_http.should_exit = True

    def _stop_on(self, number: signal.Signals) -> None:
        logger.info(
            "stopping: signal=%s; requests and plugins under way may take %gs, a second signal ends them at once",
            number.name,
            self._settings.shutdown_timeout_s,
        )
        self._stop()

    def _stop(self) -> None:
        """Begin to end: take no more connections, finish what is under way."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self._stopped_ns = self._clock.monotonic_ns()
        self._http.should_exit = True
        self._end_recovery()
        self._around.manager.stopping(self._settings.shutdown_timeout_s)

    def _close(self) -> None:
        if self._app is not None:
            self._app.close()
        self._grpc.wait_ended(JOIN_S)
        if self._engine is not None:
            self._engine.close(self._left_s())
            logger.info("stopped")

    def _left_s(self) -> float:
        gone_s = (self._clock.monotonic_ns() - self._stopped_ns) / _NS_PER_S
        return max(self._settings.shutdown_timeout_s - gone_s, 0.0)

    def _tell(self) -> None:
        assert self._engine is not None
        settings = self._settings
        has_tokens = bool(self._engine.catalog.state.tokens)
        facts = StartFacts(product_version(), os.getpid(), self._address, self._around.tls is not None, has_tokens)
        for line in summary(settings, facts):
            logger.info("%s", line)
        if settings.without_auth and not settings.http_bind.is_loopback:
            logger.warning(
                "ANYBODY WHO REACHES %s MAY READ AND CHANGE ALL DATA AND RUN CODE ON THIS MACHINE: "
                "authentication is off and the address is not loopback",
                self._address,
            )
        took_ms = (self._clock.monotonic_ns() - self._started_ns) // _NS_PER_MS
        logger.info("startup time: %dms address=%s", took_ms, self._address)
        for line in first_steps(settings, facts) if self._around.is_quick_start else ():
            logger.info("%s", line)


def _recovery_listener(settings: Settings) -> socket | None:
    """Return the socket of the second address, ``None`` where there is none or nobody needs a token."""
    bind = settings.admin_token_recovery_http_bind
    if bind is None or settings.without_auth:
        return None
    return open_listener(bind, "--admin-token-recovery-http-bind")


def _http_config(
    app: AsgiApp,
    settings: Settings,
    protocol: type[asyncio.Protocol],
    tls: ssl.SSLContext | None,
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(round(settings.shutdown_timeout_s), 1),
    )
    config.load()
    config.ssl = tls
    return config


def _failed(reason: str) -> int:
    sys.stderr.write(f"Serve command failed: {reason}\n")
    return 1
