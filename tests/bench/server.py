"""A real server to measure: started with a plugin folder, spoken to over one connection."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.support.serving import Serving, serving

DATABASE = "bench"


@dataclass(frozen=True, slots=True)
class Bench:
    """A server without authentication, its plugin folder, and a client that keeps its connection."""

    serving: Serving
    plugins: Path
    client: httpx.Client

    def write(self, lines: str, **params: str) -> httpx.Response:
        """Write line protocol and return the answer."""
        reply = self.client.post("/api/v3/write_lp", params={"db": DATABASE, **params}, content=lines)
        reply.raise_for_status()
        return reply

    def query(self, sql: str) -> list[dict[str, object]]:
        """Return the rows of ``sql``."""
        reply = self.client.post("/api/v3/query_sql", json={"db": DATABASE, "q": sql, "format": "json"})
        reply.raise_for_status()
        rows: list[dict[str, object]] = reply.json()
        return rows

    def trigger(self, name: str, spec: str, plugin: str, **settings: object) -> None:
        """Make a trigger of the plugin file ``plugin``."""
        body = {
            "db": DATABASE,
            "plugin_filename": plugin,
            "trigger_name": name,
            "trigger_settings": {"run_async": False, "error_behavior": "log", **settings},
            "trigger_specification": spec,
            "disabled": False,
        }
        self.client.post("/api/v3/configure/processing_engine_trigger", json=body).raise_for_status()

    def pss_mb(self) -> tuple[float, float]:
        """Return the memory (proportional set size) of the server, and of its plugin hosts together, in MB."""
        server = psutil.Process(self.serving.process.pid)
        hosts = sum(child.memory_full_info().pss for child in server.children(recursive=True))
        return server.memory_full_info().pss / 1e6, hosts / 1e6


@contextmanager
def bench_server(*options: str) -> Iterator[Bench]:
    """Run a server in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as folder:
        plugins = Path(folder) / "plugins"
        plugins.mkdir()
        with (
            serving(Path(folder), "--without-auth", "--plugin-dir", str(plugins), *options) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            client.post("/api/v3/configure/database", json={"db": DATABASE}).raise_for_status()
            yield Bench(server, plugins, client)
