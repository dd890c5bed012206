"""An application that listens on a free port of this machine, from a thread of the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from engine.model.bind import Bind
from engine.runtime import Engine
from engine.server.app import App
from engine.server.listener import open_listener
from tests.support.engines import eventually


@contextmanager
def listening(engine: Engine) -> Iterator[str]:
    """Serve ``engine``; yield the address."""
    app = App(engine)
    listener = open_listener(Bind("127.0.0.1", 0))
    config = uvicorn.Config(app, interface="asgi3", ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        app.close()
