"""``influxdb3 export``: the triggers of a server as a file for ``apply``."""

from pathlib import Path
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed, FileTrouble
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect
from influxdb3_cli.texts import quote


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
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Write the triggers of a server as a file for apply.

    \b
    influxdb3 export -o triggers.toml
    influxdb3 apply -f triggers.toml --host http://other:8181
    """  # noqa: D301 - the mark is Click's: these lines stay as they are
    from influxdb3_cli.trigger_files import format_triggers, triggers_of  # here: start-up time of other commands

    with connect(host, token) as client:
        found = triggers_of(client.catalog())
    if database is not None and database not in found:
        raise CommandFailed(f"there is no database {quote(database)}")
    chosen = {
        name: triggers for name, triggers in found.items() if (triggers if database is None else name == database)
    }
    text = format_triggers(chosen)
    if output_file is None:
        output.line(text.removesuffix("\n"))
        return
    try:
        output_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileTrouble(error) from error
    count = sum(map(len, chosen.values()))
    output.line(f"{count} trigger{'' if count == 1 else 's'} written to {output_file}")
