"""A real server on which the commands and plugins of a document are tried, through the real command line."""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import until
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

PLUGINS = Path(__file__).parents[2] / "plugins"
REPOSITORY = Path(__file__).parents[1] / "documentation" / "repository"
"""Stands for the public repository of plugins."""

CURL = """#!{python}
import sys, urllib.request
url, body = sys.argv[1], sys.argv[3].encode() if sys.argv[2:3] == ["-d"] else None
print(urllib.request.urlopen(url, body).read().decode())
"""


class SeedServer:
    """The server, its plugin folder, and an empty folder in which commands run."""

    def __init__(self, server: Serving, plugins: Path, work: Path) -> None:
        self.url = server.url
        self.plugins = plugins
        self.work = work
        self._log = server.log
        self._http = httpx.Client(base_url=server.url, timeout=30)
        self._numbers = itertools.count(1)
        until(lambda: self._http.get("/health").status_code == 200)

    def close(self) -> None:
        self._http.close()

    def bash(self, commands: str) -> str:
        """Run ``commands`` as somebody types them; return what they print."""
        path = f"{self.work / 'bin'}:{PROGRAM.parent}:{os.environ['PATH']}"
        environment = clean_environment(self.work) | {"INFLUXDB3_HOST_URL": self.url, "PATH": path}
        ended = subprocess.run(
            ["bash", "-euc", commands], env=environment, cwd=self.work, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{commands}\n{ended.stdout}{ended.stderr}{self._log.read_text()[-2000:]}"
        return ended.stdout

    def new_database(self) -> str:
        """Create a database of a new name."""
        name = f"my_database_{next(self._numbers)}"
        self.bash(f"influxdb3 create database {name}")
        return name

    def delete_database(self, name: str) -> None:
        """Delete a database, so that its triggers stop."""
        self._http.delete("/api/v3/configure/database", params={"db": name}).raise_for_status()

    def plugin(self, text: str) -> str:
        """Put a plugin into the folder; return its name."""
        name = f"plugin_{next(self._numbers)}.py"
        (self.plugins / name).write_text(text, encoding="utf-8")
        return name

    def trigger(self, database: str, spec: str, plugin: str, *options: str) -> str:
        """Create a trigger by command; return its name."""
        name = f"trigger_{next(self._numbers)}"
        command = ["influxdb3", "create", "trigger", "--trigger-spec", spec, "--plugin-filename", plugin]
        said = self.bash(shlex.join([*command, *options, "--database", database, name]))
        assert said == f"Trigger {name} created successfully\n"
        return name

    def write(self, database: str, lines: str) -> None:
        """Write line protocol with nanoseconds."""
        parameters = {"db": database, "precision": "nanosecond"}
        self._http.post("/api/v3/write_lp", params=parameters, content=lines.encode()).raise_for_status()

    def rows(self, database: str, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, none if it cannot be planned: its table may come later."""
        answer = self._http.post("/api/v3/query_sql", json={"db": database, "q": sql, "format": "json"})
        rows: list[dict[str, Any]] = answer.json() if answer.status_code == 200 else []
        return rows

    def rows_when(
        self, database: str, sql: str, enough: Callable[[list[dict[str, Any]]], object] = bool
    ) -> list[dict[str, Any]]:
        """Return the rows of a query as soon as they are enough."""
        found: list[dict[str, Any]] = []

        def are_enough() -> bool:
            found[:] = self.rows(database, sql)
            return bool(enough(found))

        until(are_enough)
        return found

    def logged(self, database: str, *lines: str) -> None:
        """Wait until plugins of ``database`` have logged ``lines``, each as ``LEVEL text``."""
        sql = "SELECT log_level, log_text FROM system.processing_engine_logs"
        self.rows_when(
            database, sql, lambda rows: set(lines) <= {f"{row['log_level']} {row['log_text']}" for row in rows}
        )

    def request(self, path: str, **body: Any) -> Any:
        """Send a request to the trigger of ``path``; return what the JSON of the answer says."""
        answer = self._http.post(f"/api/v3/engine/{path}", content=json.dumps(body) if body else b"")
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def seed_server(folder: Path, options: list[str]) -> Iterator[SeedServer]:
    """Run a server with ``options``, in which ``{plugins}`` is its plugin folder; that holds the example plugins."""
    plugins, work = folder / "plugins", folder / "work"
    (work / "bin").mkdir(parents=True)
    plugins.mkdir()
    if shutil.which("curl") is None:
        (work / "bin" / "curl").write_text(CURL.format(python=sys.executable))
        (work / "bin" / "curl").chmod(0o755)
    for example in PLUGINS.glob("*.py"):
        shutil.copy(example, plugins)
    options = [option.format(plugins=plugins) for option in options]
    with serving(folder, *options, "--without-auth", "--plugin-repo", f"{REPOSITORY.as_uri()}/") as server:
        running = SeedServer(server, plugins, work)
        try:
            yield running
        finally:
            running.close()
