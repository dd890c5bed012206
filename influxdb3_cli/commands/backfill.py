"""``influxdb3 backfill``: send what is stored through a trigger once more."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.model.backfill import DEFAULT_BATCH_ROWS, MOST_BATCH_ROWS
from engine.model.times import parse_time
from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, TriggerName, checked, connect, whole_number
from influxdb3_cli.progress import QUIET, Bar, Unit, Work, is_shown

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

app = typer.Typer(help="Send stored rows through a trigger.", no_args_is_help=True)

LOOK_EVERY_S = 0.5
_STATE = "SELECT state, rows_done, rows_total, error FROM system.processing_engine_backfills WHERE backfill_id = {}"


def a_time(text: str) -> str:
    """Return ``text``, which is a time.

    Raises:
        InvalidRequest: it is not.
    """
    parse_time(text)
    return text


@app.callback()
def group() -> None:
    """Send stored rows through a trigger."""


@app.command("trigger")
def backfill_trigger(
    name: TriggerName,
    database: Database,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", callback=checked(a_time), help="Only rows from this time on; all without it."),
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", callback=checked(a_time), help="Only rows before this time.")
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(parser=whole_number(1, MOST_BATCH_ROWS), metavar="N", help="Most rows of a run.")
    ] = DEFAULT_BATCH_ROWS,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and tell how far it is.")] = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Send the rows that are stored now through a trigger, in the order of time, as if they were written again.

    What is written meanwhile is delivered in between. Times are RFC 3339, days, or nanoseconds since 1970.
    """
    with connect(host, token) as client:
        begun = client.begin_backfill(database, name, {"start": start, "end": end, "batch_rows": batch_rows})
        output.line(f"Backfill {begun['backfill_id']} of trigger {name} began: {begun['rows']} rows")
        if wait:
            with Bar(Work("Backfill", Unit.ROWS, begun["rows"])) as bar:
                state = _wait(client, database, begun["backfill_id"], bar)
            _tell_end(begun["backfill_id"], state)


def _wait(client: "InfluxClient", database: str, backfill_id: int, bar: Bar) -> dict[str, Any]:
    """Tell how far a backfill is until it ends; return its last state."""
    told = -1
    while (now := _state(client, database, backfill_id))["state"] == "running":
        bar.reach(now["rows_done"])
        if now["rows_done"] != told and not is_shown() and not QUIET.get():
            output.note(f"{now['rows_done']} of {now['rows_total']} rows")
        told = now["rows_done"]
        time.sleep(LOOK_EVERY_S)
    return now


def _tell_end(backfill_id: int, last: dict[str, Any]) -> None:
    """Print that a backfill is done.

    Raises:
        CommandFailed: it did not get to its end.
    """
    if last["state"] != "done":
        reason = f": {last['error']}" if last["error"] else ""
        done = f"{last['rows_done']} of {last['rows_total']} rows"
        raise CommandFailed(f"backfill {backfill_id} ended as {last['state']} after {done}{reason}")
    output.line(f"Backfill {backfill_id} is done: {last['rows_total']} rows")


def _state(client: "InfluxClient", database: str, backfill_id: int) -> dict[str, Any]:
    rows = client.rows(database, _STATE.format(backfill_id))
    if not rows:
        raise CommandFailed(f"backfill {backfill_id} ended with its trigger")
    return rows[0]
