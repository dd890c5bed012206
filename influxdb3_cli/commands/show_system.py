"""``influxdb3 show system``: the system tables of a database."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from influxdb3_cli import completion, output
from influxdb3_cli.errors import CommandFailed, ServerRefused
from influxdb3_cli.options import (
    DEFAULT_HOST,
    Database,
    Format,
    Host,
    OutputFormat,
    Token,
    comma_list,
    connect,
    whole_number,
)
from influxdb3_cli.texts import quote_all

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

app = typer.Typer(help="Show the system tables of a database.", no_args_is_help=True)

_TABLE_LIST = (
    "SELECT table_name, {} AS column_names "
    "FROM information_schema.columns WHERE table_schema = 'system' GROUP BY table_name ORDER BY table_name"
)
_COLUMNS = "array_agg(column_name ORDER BY column_name)"
_COLUMNS_AS_TEXT = f"array_to_string({_COLUMNS}, ', ')"  # CSV has no lists
_TABLE_NAMES = (
    "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'system' ORDER BY table_name"
)
_LIMIT = whole_number(0, 65535)
_ORDERED_BY = {
    "cpu": "usage_percent",
    "last_caches": "count",
    "parquet_files": "size_bytes",
    "queries": "end2end_duration",
    "distinct_caches": "max_cardinality",
}
_ONLY = {"queries": "query_text !~ 'system[.]\"?queries|information_schema'"}
"""Rows that are shown: of the queries not those that only ask for them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose system tables are shown."""

    database: str
    host: str
    token: str | None


@app.callback()
def group(context: typer.Context, database: Database, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """Show the system tables of a database; its options stand before the subcommand."""
    context.obj = Source(database, host, token)


@app.command("table-list")
def table_list(context: typer.Context, fmt: OutputFormat = Format.PRETTY) -> None:
    """List the system tables with their columns."""
    source: Source = context.obj
    with connect(source.host, source.token) as client:
        columns = _COLUMNS_AS_TEXT if fmt is Format.CSV else _COLUMNS
        _emit(client, source.database, _TABLE_LIST.format(columns), fmt)


@app.command("table")
def table(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="SYSTEM_TABLE",
            help="Name of the system table.",
            show_default=False,
            autocompletion=completion.system_tables,
        ),
    ],
    limit: Annotated[int, typer.Option("--limit", "-l", parser=_LIMIT, metavar="N", help="Most rows; 0 is all.")] = 100,
    order_by: Annotated[
        list[str] | None, typer.Option("--order-by", "-o", metavar="COLUMN,…", help="Order of the rows.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", "-s", metavar="COLUMN,…", help="Columns to show.")
    ] = None,
    fmt: OutputFormat = Format.PRETTY,
) -> None:
    """Show the rows of a system table."""
    source: Source = context.obj
    sql = table_query(name, comma_list(select), comma_list(order_by), limit)
    with connect(source.host, source.token) as client:
        try:
            _emit(client, source.database, sql, fmt)
        except ServerRefused as error:
            raise _explained(error, name, client, source.database) from error


@app.command("summary")
def summary(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", "-l", parser=_LIMIT, metavar="N", help="Most rows of each table; 0 is all.")
    ] = 10,
    fmt: OutputFormat = Format.PRETTY,
) -> None:
    """Show some rows of every system table."""
    source: Source = context.obj
    with connect(source.host, source.token) as client:
        for name in _table_names(client, source.database):
            output.line(f"{name} summary:")
            _emit(client, source.database, table_query(name, [], [], limit), fmt)


def table_query(name: str, select: list[str], order_by: list[str], limit: int) -> str:
    """Return the SQL that reads a system table; without ``order_by`` some tables have an order of their own."""
    table_name = name.replace('"', '""')
    order = order_by or [_ORDERED_BY[name]] if name in _ORDERED_BY else order_by
    clauses = [f'SELECT {", ".join(select) or "*"} FROM system."{table_name}"']
    if name in _ONLY:
        clauses.append(f"WHERE {_ONLY[name]}")
    if order:
        clauses.append(f"ORDER BY {', '.join(order)}")
    if limit:
        clauses.append(f"LIMIT {limit}")
    return "\n".join(clauses)


def _emit(client: "InfluxClient", database: str, sql: str, fmt: Format) -> None:
    with client.query_sql(database, sql, fmt.value) as body:
        output.rows(body, fmt.value)


def _table_names(client: "InfluxClient", database: str) -> list[str]:
    return [row["table_name"] for row in client.rows(database, _TABLE_NAMES)]


def _explained(error: ServerRefused, name: str, client: "InfluxClient", database: str) -> CommandFailed:
    """Return an error that names the system tables, if ``error`` says that there is none called ``name``."""
    if "not found" not in error.message:
        return error
    names = _table_names(client, database)
    if name in names:
        return error
    return CommandFailed(f"system table '{name}' not found: please use a valid system table name: {quote_all(names)}\n")
