"""The HTTP application over a real engine, spoken to in process, without sockets."""

import asyncio
import base64
import gzip
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from engine.disk import Disk
from engine.runtime import Engine
from engine.server.app import App
from tests.support.clock import ManualClock
from tests.support.engines import open_engine

TRIGGERS = "/api/v3/configure/processing_engine_trigger"

T = TypeVar("T")


class Web:
    """A client of an application; its methods return when the answer is complete."""

    def __init__(self, engine: Engine, plugins: Path, runner: asyncio.Runner) -> None:
        self.engine = engine
        self.plugins = plugins
        self.app = App(engine)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://server")
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def send(self, method: str, target: str, **parts: Any) -> httpx.Response:
        return self.run(self.client.request(method, target, **parts))

    def get(self, target: str, **parts: Any) -> httpx.Response:
        return self.send("GET", target, **parts)

    def post(self, target: str, **parts: Any) -> httpx.Response:
        return self.send("POST", target, **parts)

    def delete(self, target: str, **parts: Any) -> httpx.Response:
        return self.send("DELETE", target, **parts)

    def write(self, lines: str | bytes, parameters: str = "db=foo", **headers: str) -> httpx.Response:
        return self.post(f"/api/v3/write_lp?{parameters}", content=lines, headers=headers)

    def sql(self, q: str, db: str = "foo", **parts: Any) -> httpx.Response:
        return self.get("/api/v3/query_sql", params={"db": db, "q": q, **parts})

    def rows(self, q: str, db: str = "foo") -> list[dict[str, Any]]:
        answer = self.sql(q, db)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def trigger(self, name: str, spec: str, plugin: str, code: str | None = None, **changes: Any) -> httpx.Response:
        """Ask for a trigger in the database ``foo``, of a plugin file with ``code`` if that is given."""
        if code is not None:
            (self.plugins / plugin).write_text(code)
        body = {
            "db": "foo",
            "plugin_filename": plugin,
            "trigger_name": name,
            "trigger_settings": {"run_async": False, "error_behavior": "log"},
            "trigger_specification": spec,
            "disabled": False,
        }
        return self.post(TRIGGERS, json=body | changes)

    def close(self) -> None:
        self.run(self.client.aclose())
        self.app.close()


@contextmanager
def web(
    tmp_path: Path, *, clock: ManualClock | None = None, disk: Disk | None = None, **settings: Any
) -> Iterator[Web]:
    """Serve an engine with a plugin folder of its own, without authentication unless ``settings`` say otherwise."""
    plugins = tmp_path / "plugins"
    plugins.mkdir(exist_ok=True)
    changes = {"plugin_dir": plugins} | settings
    with open_engine(tmp_path, clock=clock, disk=disk, **changes) as engine, asyncio.Runner() as runner:
        client = Web(engine, plugins, runner)
        try:
            yield client
        finally:
            client.close()


def told(answer: httpx.Response) -> tuple[int, str]:
    """Return status and body."""
    return answer.status_code, answer.text


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a request with a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, token: str) -> str:
    """Return the ``Authorization`` header of the scheme Basic."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def zipped(*members: bytes) -> bytes:
    """Return a gzip stream of these members."""
    return b"".join(gzip.compress(member, mtime=0) for member in members)
