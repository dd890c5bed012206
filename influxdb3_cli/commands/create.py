"""``influxdb3 create``: databases, tables, caches, triggers, tokens."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.model.caches import DEFAULT_MAX_AGE_S, DEFAULT_MAX_CARDINALITY, DEFAULT_TTL_S
from engine.model.trigger import ErrorBehavior
from influxdb3_cli import output
from influxdb3_cli.cache_options import NewCacheName, OfTable, cardinality, row_count, seconds
from influxdb3_cli.commands.tokens import create_token
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import (
    DEFAULT_HOST,
    Database,
    DatabaseName,
    Host,
    RetentionPeriod,
    TableName,
    Token,
    TriggerName,
    checked,
    comma_list,
    connect,
    key_values,
)
from influxdb3_cli.texts import quote
from influxdb3_cli.trigger_options import canonical_spec, with_trigger_options
from influxdb3_cli.uploads import read_plugin

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient, NewTrigger

app = typer.Typer(help="Create a database, a cache, a table, a trigger or a token.", no_args_is_help=True)

_FIELD_TYPES = ("int64", "uint64", "float64", "utf8", "bool")


@app.command("database")
def create_database(
    name: DatabaseName, retention_period: RetentionPeriod = None, host: Host = DEFAULT_HOST, token: Token = None
) -> None:
    """Create a database; a write creates it too.

    Without --retention-period its rows are kept for ever.
    """
    with connect(host, token) as client:
        client.create_database(name, retention_period)
    output.line(f"Database {quote(name)} created successfully")


@app.command("last_cache")
def create_last_cache(
    database: Database,
    table: OfTable,
    name: NewCacheName = None,
    key_columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN,…",
            help="Rows with equal values here are of one key; all tags by default.",
            show_default=False,
        ),
    ] = None,
    value_columns: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN,…", help="What is kept; all other columns by default.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(parser=row_count, metavar="N", help="Rows that are kept of each key.")] = 1,
    ttl: Annotated[
        int, typer.Option(parser=seconds, metavar="DURATION", show_default="4 hours", help="How long a row is kept.")
    ] = DEFAULT_TTL_S,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Create a last-value cache, which SELECT … FROM last_cache('TABLE') reads; it begins empty."""
    wanted = {
        "name": name,
        "key_columns": comma_list(key_columns) or None,
        "value_columns": comma_list(value_columns) or None,
        "count": count,
        "ttl": ttl,
    }
    _create_cache("last_cache", database, table, wanted, host, token)


@app.command("distinct_cache")
def create_distinct_cache(
    database: Database,
    table: OfTable,
    name: NewCacheName = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN,…", help="The columns, tags or strings, from general to special.", show_default=False
        ),
    ] = None,
    max_cardinality: Annotated[
        int, typer.Option(parser=cardinality, metavar="N", help="Most combinations that are kept.")
    ] = DEFAULT_MAX_CARDINALITY,
    max_age: Annotated[
        int,
        typer.Option(
            parser=seconds,
            metavar="DURATION",
            show_default="1d",
            help="A combination goes when its latest row is older.",
        ),
    ] = DEFAULT_MAX_AGE_S,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Create a distinct-value cache, which SELECT … FROM distinct_cache('TABLE') reads; it begins empty."""
    wanted = {"name": name, "columns": comma_list(columns), "max_cardinality": max_cardinality, "max_age": max_age}
    _create_cache("distinct_cache", database, table, wanted, host, token)


@app.command("table")
def create_table(
    name: TableName,
    database: Database,
    tags: Annotated[list[str] | None, typer.Option("--tags", metavar="TAG,…", help="Names of the tags.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--fields", "-f", metavar="FIELD:TYPE,…", help=f"Fields; types are {', '.join(_FIELD_TYPES)}."),
    ] = None,
    retention_period: RetentionPeriod = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Create a table; a write creates it too.

    A database holds tables; tags tell series apart and are text, fields are what is measured. Without
    --retention-period its rows are kept as long as those of its database.
    """
    columns = [_field(text) for text in comma_list(fields)]
    with connect(host, token) as client:
        client.create_table(database, name, comma_list(tags), columns, retention_period)
    output.line(f"Table {quote(database)}.{quote(name)} created successfully")


@app.command("trigger")
@with_trigger_options()
def create_trigger(
    name: TriggerName,
    database: Database,
    trigger_spec: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            callback=checked(canonical_spec),
            help="When to run: table:<TABLE>, all_tables, every:<DURATION>, cron:<5, 6 or 7 fields>, request:<PATH>.",
        ),
    ],
    path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Plugin file or folder, in the server's plugin folder; with --upload a local one."
        ),
    ] = None,
    plugin_filename: Annotated[str | None, typer.Option(metavar="PATH", help="The same as --path.")] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Send the local file or folder to the server with the trigger.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a plugin that does not compile or lacks the trigger's function.")
    ] = False,
    trigger_arguments: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,…",
            help="Arguments for the plugin; env:NAME and file:PATH stand for secrets that are read when it runs.",
        ),
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Create the trigger without starting it.")] = False,
    run_asynchronous: Annotated[
        bool, typer.Option("--run-asynchronous", help="Let several runs go on at the same time.")
    ] = False,
    error_behavior: Annotated[ErrorBehavior, typer.Option(help="What follows a failed run.")] = ErrorBehavior.LOG,
    *,
    settings: dict[str, Any],
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Create a trigger: run a plugin on writes, on a schedule or on requests.

    A plugin is a Python file in the folder that the server was given by --plugin-dir. What it logs and how its runs end
    is shown by `influxdb3 logs` and `influxdb3 show triggers`.
    """
    from influxdb3_cli.client import NewTrigger  # here: start-up time, as in options.connect

    trigger = NewTrigger(
        database=database,
        name=name,
        plugin_filename=_plugin(path, plugin_filename),
        specification=trigger_spec,
        arguments=key_values(trigger_arguments, "--trigger-arguments"),
        run_async=run_asynchronous,
        error_behavior=error_behavior.value,
        disabled=disabled,
        settings=settings,
        strict=strict,
    )
    if upload:
        trigger = _with_files(trigger)
    with connect(host, token) as client:
        warnings = _create(client, trigger)
    for text in warnings:
        output.note(f"warning: {text}")
    output.line(f"Trigger {name} created successfully")


app.command("token")(create_token)


def _create_cache(kind: str, database: str, table: str, wanted: dict[str, Any], host: str, token: str | None) -> None:
    request = {"db": database, "table": table, **{key: value for key, value in wanted.items() if value is not None}}
    with connect(host, token) as client:
        made = client.create_cache(kind, request)
    if made is None:
        output.line("a cache already exists for the provided parameters")
    else:
        output.line(f"new cache created: {json.dumps(made, indent=2, ensure_ascii=False)}")


def _field(text: str) -> tuple[str, str]:
    """Return name and type of ``<name>:<type>``."""
    name, colon, kind = text.partition(":")
    if not colon:
        raise typer.BadParameter(f"invalid FIELD:VALUE. No `:` found in `{text}`", param_hint="--fields")
    if kind not in _FIELD_TYPES:
        raise typer.BadParameter(
            f"{kind} is not a valid data type, values are int64, uint64, float64, utf8, and bool", param_hint="--fields"
        )
    return name, kind


def _plugin(path: str | None, plugin_filename: str | None) -> str:
    """Return the plugin that one of the two options names."""
    if path is not None and plugin_filename is not None:
        raise typer.BadParameter(f"{path!r}: cannot be used with --plugin-filename", param_hint="--path")
    chosen = path if path is not None else plugin_filename
    if chosen is None:
        raise CommandFailed("Either --path or --plugin-filename must be provided")
    return chosen


def _with_files(trigger: "NewTrigger") -> "NewTrigger":
    """Return ``trigger`` with its local files, and the name that they have on the server."""
    plugin = read_plugin(Path(trigger.plugin_filename))
    return replace(trigger, plugin_filename=plugin.plugin_filename, plugin_files=dict(plugin.files))


def _create(client: "InfluxClient", trigger: "NewTrigger") -> list[str]:
    try:
        return client.create_trigger(trigger)
    except CommandFailed as error:
        output.note(f"Failed to create trigger: {error}")
        raise
