"""``influxdb3 test``: run a plugin without effects."""

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed, FileTrouble
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, connect, key_values, pairs

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
    """Run a plugin for data writes.

    Nothing is written: what it logged, and what it would have written, is printed.
    """
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
        str | None,
        typer.Option(metavar="SCHEDULE", help="Cron fields, cron:… or every:…; its next time is the call time."),
    ] = None,
    input_arguments: Arguments = None,
    cache_name: CacheName = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Run a plugin for scheduled events.

    Nothing is written: what it logged, and what it would have written, is printed.
    """
    request = {
        "filename": filename,
        "database": database,
        "schedule": schedule,
        "cache_name": cache_name,
        "input_arguments": key_values(input_arguments, "--input-arguments"),
    }
    _run("schedule", request, host, token)


@app.command("request_plugin")
def run_request_plugin(
    filename: Filename,
    database: Database,
    method: Annotated[str, typer.Option(help="GET or POST.")] = "GET",
    path: Annotated[str, typer.Option(help="Path below /api/v3/engine/.")] = "test",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="A header of the request; may be repeated.")
    ] = None,
    query: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A query parameter; may be repeated.")
    ] = None,
    body: Annotated[str | None, typer.Option(metavar="TEXT", help="Body of the request.")] = None,
    body_file: Annotated[Path | None, typer.Option(help="A local file with the body, instead of --body.")] = None,
    input_arguments: Arguments = None,
    cache_name: CacheName = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Run a plugin for HTTP requests, and show what it answers.

    Nothing is written: what it logged, and what it would have written, is printed too.
    """
    request = {
        "filename": filename,
        "database": database,
        "method": method.upper(),
        "path": path,
        "headers": {name: value.strip() for name, value in pairs(header, ":", "--header").items()},
        "query_params": pairs(query, "=", "--query"),
        "body": base64.b64encode(_body(body, body_file)).decode(),
        "body_is_base64": True,
        "cache_name": cache_name,
        "input_arguments": key_values(input_arguments, "--input-arguments"),
    }
    _run("request", request, host, token)


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


def _body(body: str | None, file: Path | None) -> bytes:
    if body is not None and file is not None:
        raise typer.BadParameter("the body is given by --body already", param_hint="--body-file")
    if body is not None:
        return body.encode(errors="surrogateescape")
    if file is None:
        return b""
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileTrouble(error) from error
