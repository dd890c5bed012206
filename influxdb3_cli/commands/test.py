"""``influxdb3 test``: run a plugin without effects."""

from pathlib import Path
from typing import Annotated, Any

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, connect, key_values

app = typer.Typer(help="Run a plugin without effects.", no_args_is_help=True)

Filename = Annotated[
    str, typer.Argument(metavar="FILENAME", help="Plugin file or folder, in the server's plugin folder.")
]
Arguments = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE,…", help="Arguments for the plugin.")]
CacheName = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the cache that tests share.")]


@app.command("wal_plugin")
def run_wal_plugin(
    filename: Filename,
    database: Database,
    lp: Annotated[
        str | None, typer.Option(metavar="LINES", help="Line protocol for the plugin; time in nanoseconds.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A local file with line protocol, instead of --lp.")] = None,
    input_arguments: Arguments = None,
    cache_name: CacheName = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Run a plugin for data writes."""
    request = {
        "filename": filename,
        "database": database,
        "input_lp": _lines(lp, file),
        "cache_name": cache_name,
        "input_arguments": key_values(input_arguments, "--input-arguments"),
    }
    _run("wal", request, host, token)


@app.command("schedule_plugin")
def run_schedule_plugin(
    filename: Filename,
    database: Database,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="Cron fields; its next time is the call time.")
    ] = None,
    input_arguments: Arguments = None,
    cache_name: CacheName = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Run a plugin for scheduled events."""
    request = {
        "filename": filename,
        "database": database,
        "schedule": schedule,
        "cache_name": cache_name,
        "input_arguments": key_values(input_arguments, "--input-arguments"),
    }
    _run("schedule", request, host, token)


def _run(kind: str, request: dict[str, Any], host: str, token: str | None) -> None:
    """Print what the run would have done; a run with errors ends the command with 1."""
    with connect(host, token) as client:
        answer = client.test_plugin(kind, request)
    output.emit_json(answer)
    if answer["errors"]:
        raise typer.Exit(1)


def _lines(lp: str | None, file: Path | None) -> str:
    if lp is not None:
        return lp
    if file is None:
        raise CommandFailed("either --lp or --file must be provided")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed("unable to read input file") from error
