"""What a shell offers where a name is typed: names that the server knows. A server that does not answer soon has none."""

import json
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from influxdb3_cli.errors import CommandFailed

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

LONGEST_S = 1.0
"""Whoever presses the tabulator key waits no longer."""

VARIABLE = "_INFLUXDB3_COMPLETE"

_HOST = "INFLUXDB3_HOST_URL"
_TOKEN = "INFLUXDB3_AUTH_TOKEN"
_DATABASE = "INFLUXDB3_DATABASE_NAME"
_TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'iox' ORDER BY 1"
_SYSTEM_TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'system' ORDER BY 1"
_TRIGGERS = "SELECT trigger_name AS name FROM system.processing_engine_triggers ORDER BY 1"
_TOKENS = "SELECT name FROM system.tokens ORDER BY 1"

Complete = Callable[[typer.Context, str], list[str]]
"""Returns what fits, for the command so far and the beginning of the word that is typed."""


def script_for(shell: str) -> str:
    """Return what makes ``shell`` ask the command line for completions."""
    from typer import completion  # here: other commands need it not

    script: str = completion.get_completion_script(  # type: ignore[attr-defined] # what --show-completion of Typer prints
        prog_name="influxdb3", complete_var=VARIABLE, shell=shell
    )
    return script


def begin() -> None:
    """Let the command line answer a shell that asks for completions, as it does if ``VARIABLE`` is set."""
    from typer import completion

    completion.completion_init()  # type: ignore[attr-defined] # as --install-completion of Typer does


def databases(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a database."""

    def ask(client: "InfluxClient") -> list[str]:
        with client.databases("json", show_deleted=False) as body:
            return [row["iox::database"] for row in json.loads(b"".join(body))]

    return _names(context, incomplete, ask)


def _by_sql(sql: str, database: str | None = None) -> Complete:
    """Return what completes by the column ``name`` of a query, in the database that the command is about."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        about = database or _said(context, "database", _DATABASE)
        if about is None:
            return []
        return _names(context, incomplete, lambda client: [row["name"] for row in client.rows(about, sql)])

    return complete


tables = _by_sql(_TABLES)
system_tables = _by_sql(_SYSTEM_TABLES)
triggers = _by_sql(_TRIGGERS)
tokens = _by_sql(_TOKENS, "_internal")


def _names(context: typer.Context, incomplete: str, ask: "Callable[[InfluxClient], list[str]]") -> list[str]:
    """Return the names that begin as ``incomplete`` does."""
    from influxdb3_cli.options import DEFAULT_HOST, check_url, connect

    found: list[str] = []

    def go() -> None:
        try:
            host = check_url(_said(context, "host", _HOST) or DEFAULT_HOST)
            with connect(host or DEFAULT_HOST, _said(context, "token", _TOKEN)) as client:
                found.extend(name for name in ask(client) if name.startswith(incomplete))
        except (CommandFailed, typer.BadParameter, ValueError):
            return  # a shell shows no reasons; whoever runs the command is told

    asking = threading.Thread(target=go, daemon=True)
    asking.start()
    asking.join(LONGEST_S)
    return list(found)


def _said(context: typer.Context, name: str, variable: str) -> str | None:
    """Return the option ``name`` as it was given to this command or one above it, else what the variable says."""
    at: typer.Context | None = context
    while at is not None:
        if at.params.get(name):
            return str(at.params[name])
        at = at.parent  # type: ignore[assignment] # contexts have contexts above them
    return os.environ.get(variable) or None
