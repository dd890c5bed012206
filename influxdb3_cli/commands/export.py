"""``influxdb3 export``: the triggers of a server as a file for ``apply``."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed, FileTrouble
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect
from influxdb3_cli.texts import quote


class Kind(StrEnum):
    """Files that have a schema."""

    TRIGGERS = "triggers"
    CATALOG = "catalog"


def export(
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            "-d",
            envvar="INFLUXDB3_DATABASE_NAME",
            metavar="NAME",
            help="Only the triggers of this database.",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File that is written, or replaced, instead of printing."),
    ] = None,
    schema: Annotated[
        Kind | None,
        typer.Option(help="Write the JSON Schema of such a file, or of catalog.toml, for an editor; asks no server."),
    ] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Write the triggers of a server as a file for apply.

    Without --database those of all databases. apply takes such a file, on this server or on another.
    """
    if schema is None:
        text, what = _triggers(database, host, token)
    else:
        text, what = _schema(schema), "Schema"
    if output_file is None:
        output.line(text.removesuffix("\n"))
        return
    try:
        output_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileTrouble(error) from error
    output.line(f"{what} written to {output_file}")


def _triggers(database: str | None, host: str, token: str | None) -> tuple[str, str]:
    """Return the text of a file, and what is in it."""
    from influxdb3_cli.trigger_files import format_triggers, triggers_of  # here and below: start-up time of others

    with connect(host, token) as client:
        found = triggers_of(client.catalog())
    if database is not None and database not in found:
        raise CommandFailed(f"there is no database {quote(database)}")
    chosen = {
        name: triggers for name, triggers in found.items() if (triggers if database is None else name == database)
    }
    count = sum(map(len, chosen.values()))
    return format_triggers(chosen), f"{count} trigger{'' if count == 1 else 's'}"


def _schema(kind: Kind) -> str:
    from engine.model.file_schemas import catalog_schema, triggers_schema

    schema = triggers_schema() if kind is Kind.TRIGGERS else catalog_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
