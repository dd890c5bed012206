"""``influxdb3 query``: run SQL on a server."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed, FileTrouble
from influxdb3_cli.options import DEFAULT_HOST, Database, FileFormat, Host, Token, check_url, connect
from influxdb3_cli.progress import Bar, Unit, Work


class Language(StrEnum):
    """In what a query is written."""

    SQL = "sql"


def query(
    database: Database,
    text: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="The query; else --file, else standard input.")
    ] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
    query_host: Annotated[
        str | None,
        typer.Option(
            envvar="INFLUXDB3_QUERY_HOST_URL",
            metavar="URL",
            callback=check_url,
            help="URL of the server for queries, instead of --host.",
        ),
    ] = None,
    language: Annotated[
        Language, typer.Option("--language", "-l", help="In what the query is written.")
    ] = Language.SQL,
    fmt: Annotated[FileFormat, typer.Option("--format", help="How rows are printed.")] = FileFormat.PRETTY,
    output_path: Annotated[Path | None, typer.Option("--output", "-o", help="Write the rows to this file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the query from this file.")] = None,
) -> None:
    """Run a query and print its rows. Short: q.

    The query is SQL. `SHOW TABLES` tells what a database has.
    """
    sql = _query_text(text, file)
    with (
        connect(query_host or host, token) as client,
        Bar(Work("Receiving", Unit.BYTES), is_wanted=output_path is not None) as bar,
        client.query_sql(database, sql, fmt.value) as body,
    ):
        if output_path is not None:
            _save(bar.counted(body), output_path)
        elif fmt is not FileFormat.PARQUET:
            output.rows(body, fmt.value)
        elif sys.stdout.isatty():
            raise CommandFailed("cannot write parquet to a terminal, use `--output <file>` or pipe the output")
        else:
            output.emit_raw(body)


def _query_text(text: str | None, file: Path | None) -> str:
    if text is not None:
        return text
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        if not sys.stdin.isatty():
            return sys.stdin.buffer.read().decode()
    except OSError as error:
        raise FileTrouble(error, file) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"the query is not UTF-8: {error}") from error
    raise CommandFailed("No input from stdin detected, no string was passed in,  and no file path was given")


def _save(body: Iterator[bytes], path: Path) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(body)
    except OSError as error:
        raise FileTrouble(error, path) from error
