"""``influxdb3 logs``: what a trigger's plugin logged, and how its runs went."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, TriggerName, connect, whole_number
from influxdb3_cli.texts import harmless, quote, sql_text

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

LOOK_AGAIN_S = 0.5

LATE_S = 30
"""A line may come so much later than its time says: a run's first line is known when the run has ended."""

MOST_LINES = 100_000


class Level(StrEnum):
    """The least serious lines that are shown."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


_LEVELS = {Level.INFO: ("INFO", "WARN", "ERROR"), Level.WARN: ("WARN", "ERROR"), Level.ERROR: ("ERROR",)}


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines are wanted."""

    trigger: str
    level: Level

    def last(self, count: int) -> str:
        """Return the SQL of the newest ``count`` lines."""
        return f"{self._select()} ORDER BY event_time DESC LIMIT {count}"

    def since(self, time_text: str) -> str:
        """Return the SQL of the lines from a time on."""
        return f"{self._select()} AND event_time >= {sql_text(time_text)} ORDER BY event_time LIMIT {MOST_LINES}"

    def _select(self) -> str:
        levels = ", ".join(map(sql_text, _LEVELS[self.level]))
        return (
            "SELECT CAST(event_time AS VARCHAR) AS event_time, log_level, log_text, error_details, run_id "
            f"FROM system.processing_engine_logs WHERE trigger_name = {sql_text(self.trigger)} AND log_level IN ({levels})"
        )


def logs(
    name: TriggerName,
    database: Database,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until interrupted.")] = False,
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", parser=whole_number(0, MOST_LINES), metavar="N", help="Lines to begin with."),
    ] = 20,
    level: Annotated[Level, typer.Option(help="The least serious lines to show.")] = Level.INFO,
    details: Annotated[bool, typer.Option("--details", help="Show tracebacks too.")] = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show or follow the log of a trigger."""
    query = LogQuery(name, level)
    with connect(host, token) as client:
        client.check_trigger(database, name)
        shown = list(reversed(client.rows(database, query.last(lines)))) if lines else []
        _print(shown, details=details)
        if follow:
            old = client.rows(database, query.since(_look(client, database, query).begin))
            for fresh in _news(client, database, query, [*shown, *old]):
                _print(fresh, details=details)


def _news(
    client: "InfluxClient", database: str, query: LogQuery, known: Iterable[dict[str, Any]]
) -> Iterator[list[dict[str, Any]]]:
    """Yield lines that are not among ``known``, as they come.

    Raises:
        CommandFailed: the trigger is gone; its last lines were yielded.
    """
    seen = {_identity(row): None for row in known}
    while True:
        time.sleep(LOOK_AGAIN_S)
        look = _look(client, database, query)
        rows = client.rows(database, query.since(look.begin))
        yield [row for row in rows if _identity(row) not in seen]
        if not look.is_there:
            raise CommandFailed(f"trigger {quote(query.trigger)} was deleted")
        # What is older than the next look cannot come again.
        seen = {_identity(row): None for row in rows}


@dataclass(frozen=True, slots=True)
class _Look:
    """From when on there may be new lines, and whether the trigger is there."""

    begin: str
    is_there: bool


def _look(client: "InfluxClient", database: str, query: LogQuery) -> _Look:
    sql = (
        f"SELECT CAST(now() - INTERVAL '{LATE_S} seconds' AS VARCHAR) AS begin, count(*) AS found "
        f"FROM system.processing_engine_triggers WHERE trigger_name = {sql_text(query.trigger)}"
    )
    (row,) = client.rows(database, sql)
    return _Look(row["begin"], row["found"] > 0)


def _identity(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["event_time"], row["run_id"], row["log_text"]


def _print(rows: Iterable[dict[str, Any]], *, details: bool) -> None:
    for row in rows:
        output.log_line(row["event_time"], row["log_level"], row["log_text"])
        if details and row.get("error_details") and row["error_details"] != row["log_text"]:
            output.line(harmless(row["error_details"].rstrip("\n")))
