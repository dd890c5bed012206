"""Trying plugins on a real server: packages, triggers, rows, requests, and what is recorded of it."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.public_plugins.found import FoundPlugin
from tests.public_plugins.trials import HISTORY, NOTIFY, Server, Trial, rows
from tests.public_plugins.verdict import Seen
from tests.support.serving import PROGRAM, Serving, clean_environment, serving

NOTIFIER = '''
import json


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    """Take every alert."""
    return {"status": "success", "results": dict.fromkeys(json.loads(request_body).get("senders_config", {}), True)}
'''
RUNS = "SELECT outcome, error, traceback FROM system.processing_engine_runs ORDER BY started"
LOGS = "SELECT log_level, log_text FROM system.processing_engine_logs WHERE log_level != 'INFO' ORDER BY event_time"
TABLES = "SHOW TABLES"
RUNS_OF_A_TRIAL = 2
"""Many plugins only look about them in their first run."""

NEW_ROWS = 2
"""Rows of each series that come between two runs."""

_TRIGGERS = "/api/v3/configure/processing_engine_trigger"
_DATABASE = "/api/v3/configure/database"
_LOOK_S = 0.1
_PERIOD_S = 1.1
"""More than the shortest time for which plugins collect rows before they write something."""
_HOLD_S = 0.5
"""Until lines of the log, and writes that nobody waits for, can be read."""


class Bench:
    """A server with a copy of the folder as its plugin folder, on which trials are made one after another."""

    def __init__(self, server: Serving, work: Path, patience_s: float) -> None:
        self.server = Server(int(server.url.rpartition(":")[2]))
        self._url = server.url
        self._work = work
        self._patience_s = patience_s
        self._http = httpx.Client(base_url=server.url, timeout=patience_s)
        self._number = 0
        self._installed: dict[tuple[str, ...], str | None] = {}

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def add_notifier(self) -> None:
        """Make a trigger that takes alerts: plugins that send some find it where their arguments say."""
        self._http.post(_DATABASE, json={"db": NOTIFY}).raise_for_status()
        trial = Trial("process_request", "", {}, (NOTIFY,))
        self._create(NOTIFY, "taking_notifier.py", trial, NOTIFY).raise_for_status()

    def install(self, packages: tuple[str, ...]) -> str | None:
        """Install ``packages`` by command, as a user does; return the end of what the installer said if it failed."""
        if packages and packages not in self._installed:
            command = [str(PROGRAM), "install", "package", *packages, "--host", self._url]
            environment = clean_environment(self._work)
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            lines = (done.stdout + done.stderr).strip().splitlines() or ["nothing was said"]
            self._installed[packages] = lines[-1] if done.returncode else None
        return self._installed.get(packages)

    def try_(self, plugin: FoundPlugin, trial: Trial) -> Seen:
        """Make one trial in a database of its own; return what is recorded of it."""
        self._number += 1
        database = f"trial{self._number}"
        self._http.post(_DATABASE, json={"db": database}).raise_for_status()
        before, alerts = self._rows_elsewhere(database), len(self._ended_runs(NOTIFY))
        refusal, answer, is_over, sent = None, None, True, 0
        if trial.kind != "writes":
            sent += self._write(database, trial)
        path = f"{database}/tried"
        created = self._create(database, plugin.path, trial, path)
        if created.status_code >= 400:
            refusal = f"{created.status_code} {created.text}"
        elif trial.kind == "request":
            answer, is_over = self._request(path, trial.body)
        else:
            is_over, more = self._fire(database, trial)
            sent += more
        time.sleep(_HOLD_S)
        runs = self._ended_runs(database)
        warnings = tuple(f"{row['log_level']} {row['log_text']}" for row in self._query(database, LOGS))
        # Only then: what disabling breaks off is nobody's fault.
        self._http.post(f"{_TRIGGERS}/disable", params={"db": database, "trigger_name": "tried"})
        written = self._count(database) - sent + self._rows_elsewhere(database) - before
        seen = Seen(
            runs=len(runs),
            is_over=is_over,
            errors=tuple((run["error"], run.get("traceback") or "") for run in runs if run.get("error")),
            warnings=warnings,
            refusal=refusal,
            answer=answer,
            rows=written,
            alerts=len(self._ended_runs(NOTIFY)) - alerts,
            port=self.server.port,
            modules=self._modules(),
        )
        self._http.delete(_DATABASE, params={"db": database})
        return seen

    def _modules(self) -> frozenset[str]:
        """Return the names of what is installed for plugins."""
        folders = (self._work / "plugins" / ".venv" / "lib").glob("python*/site-packages")
        return frozenset(path.stem for folder in folders for path in folder.iterdir())

    def _create(self, database: str, path: str, trial: Trial, request: str) -> httpx.Response:
        specs = {"writes": f"table:{trial.tables[0]}", "schedule": "every:1s", "request": f"request:{request}"}
        body = {
            "db": database,
            "plugin_filename": path,
            "trigger_name": "tried",
            "trigger_settings": {"run_async": False, "error_behavior": "log"},
            "trigger_specification": specs[trial.kind],
            "trigger_arguments": trial.arguments or None,
            "disabled": False,
        }
        return self._http.post(_TRIGGERS, json=body)

    def _fire(self, database: str, trial: Trial) -> tuple[bool, int]:
        """Let the trigger run twice, with new rows before each run; return whether it did, and how many rows that took."""
        sent = 0
        for number in range(RUNS_OF_A_TRIAL):
            if number and trial.kind == "writes":
                time.sleep(_PERIOD_S)
            sent += self._write(database, trial, NEW_ROWS)
            if not self._wait_for_runs(database, number + 1):
                return False, sent
        return True, sent

    def _write(self, database: str, trial: Trial, count: int = HISTORY) -> int:
        """Write rows to all tables of a trial; return how many."""
        lines = "\n".join(rows(trial, table, time.time_ns(), count) for table in trial.tables)
        target = {"db": database, "precision": "nanosecond"}
        self._http.post("/api/v3/write_lp", params=target, content=lines.encode()).raise_for_status()
        return lines.count("\n") + 1

    def _request(self, path: str, body: bytes) -> tuple[tuple[int, str] | None, bool]:
        try:
            answer = self._http.post(f"/api/v3/engine/{path}", content=body)
        except httpx.TimeoutException:
            return None, False
        return (answer.status_code, answer.text), True

    def _wait_for_runs(self, database: str, count: int) -> bool:
        """Wait until ``count`` runs have ended, or one failed; return whether they have."""
        deadline_s = time.monotonic() + self._patience_s
        while time.monotonic() < deadline_s:
            runs = self._ended_runs(database)
            if len(runs) >= count or any(run.get("error") for run in runs):
                return True
            time.sleep(_LOOK_S)
        return False

    def _ended_runs(self, database: str) -> list[dict[str, Any]]:
        return self._query(database, RUNS)

    def _count(self, database: str) -> int:
        """Return how many rows the tables of a database have."""
        names = [row["table_name"] for row in self._query(database, TABLES) if row["table_schema"] == "iox"]
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        return sum(self._query(database, f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in quoted)

    def _rows_elsewhere(self, database: str) -> int:
        """Return how many rows other databases have: some plugins write to one of their own."""
        answer = self._http.get(_DATABASE, params={"format": "json"})
        names = [row["iox::database"] for row in answer.json()]
        return sum(self._count(name) for name in names if name not in (database, "_internal"))

    def _query(self, database: str, sql: str) -> list[dict[str, Any]]:
        answer = self._http.post("/api/v3/query_sql", json={"db": database, "q": sql, "format": "json"})
        answer.raise_for_status()
        found: list[dict[str, Any]] = json.loads(answer.text)
        return found


@contextmanager
def bench(folder: Path, work: Path, patience_s: float) -> Iterator[Bench]:
    """Run a server whose plugin folder is a copy of ``folder``, and that has a notifier; stop it at the end."""
    plugins = work / "plugins"
    shutil.copytree(folder, plugins, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.pyc"))
    (plugins / "taking_notifier.py").write_text(NOTIFIER)
    with serving(work / "server", "--plugin-dir", str(plugins), "--without-auth") as server:
        made = Bench(server, work, patience_s)
        try:
            made.add_notifier()
            yield made
        finally:
            made.close()
