"""A whole engine in the process of the test: real plugins, run by the embedded executor."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from engine.disk import Disk
from engine.errors import QueryError
from engine.host.protocol import RequestData, Response
from engine.model.precision import Precision
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_spec import parse_trigger_spec
from engine.runtime import Engine, Outside
from engine.settings import Settings
from engine.write.service import WriteParams
from tests.support.batches import rows_of
from tests.support.clock import ManualClock

PLUGINS = Path(__file__).parents[2] / "plugins"
"""The example plugins of this repository."""

WAIT_S = 20.0
_LOOK_S = 0.005
_T = TypeVar("_T")
JOURNAL_S = 0.2
"""After this time log lines of plugins are on their way into the log."""


@contextmanager
def open_engine(
    tmp_path: Path, *, clock: ManualClock | None = None, disk: Disk | None = None, **settings: Any
) -> Iterator[Engine]:
    """Run an engine with its data below ``tmp_path``; ``settings`` are attributes of ``Settings``.

    With a ``clock`` time stands still, and ``advance`` lets it pass.
    """
    changes = {"plugin_dir": PLUGINS, "virtual_env_location": tmp_path / "venv"} | settings
    outside = Outside(clock=clock, in_background=False) if clock else Outside()
    outside = replace(outside, disk=disk) if disk else outside
    with Engine.open(Settings.for_tests(tmp_path, **changes), outside) as engine:
        yield engine


def advance(engine: Engine, clock: ManualClock, seconds: float) -> None:
    """Let time pass, and the engine do what is due then."""
    clock.advance(round(seconds * 1e9))
    engine.tick()


def write(engine: Engine, database: str, lines: str) -> None:
    """Write line protocol with nanoseconds; return when all of it is durable."""
    params = WriteParams(database, Precision.NANOSECOND, accept_partial=False)
    engine.write(params, lines.encode()).result(WAIT_S)


def query(engine: Engine, database: str, sql: str, **params: Any) -> list[dict[str, Any]]:
    """Return the rows of a query, times as integer nanoseconds, without columns that are null."""
    with engine.query(database, sql, params) as result:
        return [row for batch in result.batches for row in rows_of(batch)]


def create_trigger(
    engine: Engine, database: str, name: str, spec: str, plugin: str, **options: Any
) -> TriggerDefinition:
    """Make a trigger, and its database if need be; ``options`` are those of ``TriggerDefinition``."""
    if engine.catalog.state.database(database) is None:
        engine.tables.create_database(database)
    behavior = ErrorBehavior(options.pop("error_behavior", "log"))
    definition = TriggerDefinition(0, name, plugin, parse_trigger_spec(spec), error_behavior=behavior, **options)
    engine.create_trigger(database, definition)
    return definition


def request(engine: Engine, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
    """Send a request to the trigger of ``path``; raises what the run raised."""
    return engine.request(path, RequestData({}, dict(headers or {}), body)).result(WAIT_S)


def eventually(condition: Callable[[], _T], timeout_s: float = WAIT_S) -> _T:
    """Return the first true value of ``condition``, for what tells nobody when it happens."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"it did not become true, but stayed {value!r}"
        pause.wait(_LOOK_S)
    return value


def rows_when(engine: Engine, database: str, sql: str, count: int = 1) -> list[dict[str, Any]]:
    """Return the rows of a query as soon as there are ``count`` of them, in tables that may not be there yet."""

    def found() -> list[dict[str, Any]]:
        try:
            return query(engine, database, sql)
        except QueryError as error:
            if "not found" not in str(error):
                raise
            return []

    rows = eventually(lambda: (rows := found()) and len(rows) >= count and rows)
    assert len(rows) == count, rows
    return rows


def runs_when(engine: Engine, database: str, count: int) -> list[dict[str, Any]]:
    """Return outcome and error of all runs in a database as soon as there are ``count`` of them."""
    sql = "SELECT outcome, error, rows_in, lines_out FROM system.processing_engine_runs ORDER BY started"
    return rows_when(engine, database, sql, count)


def logged_when(engine: Engine, database: str, count: int) -> list[str]:
    """Return what plugins of a database logged themselves, as ``LEVEL text``, as soon as there are ``count`` lines.

    By the clock of a test, time must first pass until they are written: ``JOURNAL_S``.
    """
    frames = " AND ".join(f"log_text NOT LIKE '{begin} %'" for begin in ("starting", "finished", "error executing"))
    sql = f"SELECT log_level, log_text FROM system.processing_engine_logs WHERE {frames} ORDER BY event_time"
    return [f"{row['log_level']} {row['log_text']}" for row in rows_when(engine, database, sql, count)]
