"""An application that listens on a free port of this machine, from a thread of the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from engine.model.bind import Bind
from engine.runtime import Engine
from engine.server.app import App
from engine.server.figures import ServerFigures
from engine.server.first_bytes import first_bytes_of
from engine.server.grpc import GrpcSide
from engine.server.listener import open_listener
from tests.support.engines import eventually

WAIT_S = 10.0


@contextmanager
def listening(engine: Engine) -> Iterator[str]:
    """Serve ``engine``; yield the address."""
    listener = open_listener(Bind("127.0.0.1", 0))
    grpc = GrpcSide()
    grpc.engine = engine
    app = App(engine, figures=ServerFigures(grpc.figures))
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=first_bytes_of(grpc),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        await server.serve(sockets=[listener])
        grpc.begin_end()
        grpc.cut()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        grpc.wait_ended(WAIT_S)
        app.close()
