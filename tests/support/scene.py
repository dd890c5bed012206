"""One database of a server with plugins, for one test: everything goes through HTTP, as a client does it."""

import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.clock import ManualClock
from tests.support.engines import advance, eventually
from tests.support.web import TRIGGERS, Web

WRITES = "def process_writes(influxdb3_local, table_batches, args=None):\n"
CALLS = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
REQUESTS = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"

QUICK: dict[str, Any] = {"wal_flush_interval_s": 0.005}
"""What nobody waits for goes to the disk at once, for in a scene somebody does."""

SETTINGS = {"run_async", "error_behavior", "timeout_s", "max_memory_bytes", "max_cpu_s", "isolation"}

LOGS = "SELECT log_level, log_text FROM system.processing_engine_logs ORDER BY event_time"
FRAMES = ("starting ", "finished ", "error executing ")
_numbers = itertools.count(1)


class Scene:
    """A database of ``web``, made if it is not there, with triggers of its own.

    Attributes:
        database: its name, which is also the start of its plugins' names and of its triggers' paths.
    """

    def __init__(self, web: Web, database: str | None = None) -> None:
        self.web = web
        self.database = database or f"scene{next(_numbers)}"
        if web.engine.catalog.state.database(self.database) is None:
            web.engine.tables.create_database(self.database)

    # ---- plugins and triggers

    def plugin(self, code: str, name: str = "plugin.py") -> str:
        """Put a plugin file into the folder; return its name there."""
        filename = f"{self.database}_{name}"
        (self.web.plugins / filename).write_text(textwrap.dedent(code))
        return filename

    def package(self, files: Mapping[str, str], name: str = "package") -> str:
        """Put the files of a plugin folder below the plugin folder; return its name there."""
        filename = f"{self.database}_{name}"
        write_files(self.web.plugins / filename, files)
        return filename

    def ask_trigger(self, spec: str, plugin: str, name: str = "t", **changes: Any) -> httpx.Response:
        """Ask for a trigger; ``changes`` are members of the request's body, and of its settings if they are known there."""
        settings = {"run_async": False, "error_behavior": "log"}
        settings |= {name: changes.pop(name) for name in SETTINGS & changes.keys()}
        return self.web.trigger(name, spec, plugin, **{"db": self.database, "trigger_settings": settings} | changes)

    def trigger(self, spec: str, code: str, name: str = "t", **changes: Any) -> None:
        """Make a trigger of a new plugin file with ``code``."""
        self.trigger_of(spec, self.plugin(code, f"{name}.py"), name, **changes)

    def trigger_of(self, spec: str, plugin: str, name: str = "t", **changes: Any) -> None:
        """Make a trigger of a plugin that is there."""
        answer = self.ask_trigger(spec, plugin, name, **changes)
        assert (answer.status_code, answer.text) == (200, "")

    def switch(self, verb: str, name: str = "t") -> httpx.Response:
        """Enable or disable a trigger."""
        return self.web.post(f"{TRIGGERS}/{verb}", params={"db": self.database, "trigger_name": name})

    def delete(self, name: str = "t", force: bool = True) -> httpx.Response:
        """Delete a trigger."""
        params = {"db": self.database, "trigger_name": name, "force": str(force).lower()}
        return self.web.delete(TRIGGERS, params=params)

    def triggers(self) -> list[dict[str, Any]]:
        """Return what the table of triggers shows, by name."""
        return self.rows("SELECT * FROM system.processing_engine_triggers ORDER BY trigger_name")

    # ---- requests

    def endpoint(self, code: str, name: str = "r", **changes: Any) -> str:
        """Make a request trigger of a plugin with ``code``; return where it answers."""
        self.trigger(f"request:{self.database}/{name}", code, name, **changes)
        return f"/api/v3/engine/{self.database}/{name}"

    def ask(self, body: str, *, top: str = "", **changes: Any) -> httpx.Response:
        """Return the answer of a request trigger whose function has ``body``, behind ``top``; the trigger goes again."""
        name = f"ask{next(_numbers)}"
        target = self.endpoint(textwrap.dedent(top) + REQUESTS + indented(body), name, **changes)
        answer = self.web.post(target)
        assert self.delete(name).status_code == 200
        return answer

    def told(self, body: str, **changes: Any) -> Any:
        """Return the JSON that ``ask`` is answered."""
        answer = self.ask(body, **changes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # ---- data

    def write(self, lines: str, **params: str) -> httpx.Response:
        """Write line protocol with nanoseconds; it must be taken."""
        answer = self.ask_write(lines, **params)
        assert answer.status_code == 204, answer.text
        return answer

    def ask_write(self, lines: str, **params: str) -> httpx.Response:
        """Write line protocol with nanoseconds."""
        parameters = {"db": self.database, "precision": "nanosecond"} | params
        return self.web.post("/api/v3/write_lp", params=parameters, content=lines.encode())

    def rows(self, sql: str, database: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query, none of a table that is not there."""
        answer = self.web.sql(sql, database or self.database)
        if answer.status_code in (400, 404) and "not found" in answer.text:
            return []
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def rows_when(self, sql: str, count: int = 1, database: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query as soon as there are ``count`` of them."""
        rows = eventually(lambda: (found := self.rows(sql, database)) and len(found) >= count and found)
        assert len(rows) == count, rows
        return rows

    def tables(self, database: str | None = None) -> set[str]:
        """Return the names of the database's own tables."""
        return {row["table_name"] for row in self.rows("SHOW TABLES", database) if row["table_schema"] == "iox"}

    # ---- what happened

    def logged(self, count: int) -> list[str]:
        """Return what plugins logged themselves, as ``LEVEL text``, as soon as there are ``count`` lines."""
        lines = eventually(lambda: len(found := self.own_lines()) >= count and found)
        assert len(lines) == count, lines
        return lines

    def own_lines(self) -> list[str]:
        """Return what plugins logged themselves until now."""
        return [line for line in self.lines() if not line.split(" ", 1)[1].startswith(FRAMES)]

    def lines(self) -> list[str]:
        """Return the whole log of the database until now, as ``LEVEL text``."""
        return [f"{row['log_level']} {row['log_text']}" for row in self.rows(LOGS)]

    def line_when(self, begin: str) -> str:
        """Return the line of the log that begins so, as soon as it is there."""
        found = eventually(lambda: [line for line in self.lines() if line.startswith(begin)])
        assert len(found) == 1, found
        return found[0]

    def runs_when(self, count: int) -> list[dict[str, Any]]:
        """Return the runs as soon as there are ``count`` of them."""
        return self.rows_when("SELECT * FROM system.processing_engine_runs ORDER BY started, time", count)

    def close(self) -> None:
        """Delete the database, so that its triggers stop."""
        self.web.delete("/api/v3/configure/database", params={"db": self.database})


class Timed(Scene):
    """A scene whose time passes only when the test lets it."""

    def __init__(self, served: Web, clock: ManualClock, database: str | None = None) -> None:
        super().__init__(served, database)
        self.clock = clock

    def advance(self, seconds: float) -> None:
        """Let time pass, and the server do what is due then."""
        advance(self.web.engine, self.clock, seconds)

    def runs_when(self, count: int) -> list[dict[str, Any]]:
        """See ``Scene``; a write takes along what nobody waits for."""

        def enough() -> bool:
            self.write("settled v=1")
            return len(self.rows("SELECT * FROM system.processing_engine_runs")) >= count

        eventually(enough)
        return super().runs_when(count)

    def lines(self) -> list[str]:
        """See ``Scene``; what waits to be written is, for that takes a little time."""
        self.advance(0.06)
        self.write("settled v=1")
        return super().lines()


def indented(body: str) -> str:
    """Return ``body`` as that of a function."""
    return textwrap.indent(textwrap.dedent(body), "    ")


WAIT_FOR = """
def wait_for(path):
    import os, time
    end = time.monotonic() + 20
    while not os.path.exists(path):
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.002)


"""
"""A function for plugins that go on when the test says so, by making a file."""


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Put ``files`` (relative path, text) below ``folder``."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
