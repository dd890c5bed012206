"""``influxdb3 show``: what a server has."""

from enum import StrEnum
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.commands import show_system
from influxdb3_cli.options import DEFAULT_HOST, Database, Format, Host, OfTrigger, OutputFormat, Token, connect
from influxdb3_cli.texts import sql_text

app = typer.Typer(help="Show databases, tokens, triggers, dead letters, system tables.", no_args_is_help=True)
app.add_typer(show_system.app, name="system")
app.add_typer(show_system.app, name="s", hidden=True)

_INTERNAL = "_internal"
_PLUGINS = "SELECT plugin_name, file_name, file_path, size_bytes, last_modified FROM system.plugin_files"
_TOKENS = "SELECT * FROM system.tokens ORDER BY name"
_RETENTION = (
    "SELECT database_name, CASE WHEN seconds IS NULL THEN 'infinite' "
    "WHEN seconds % 86400 = 0 THEN concat(seconds / 86400, 'd') "
    "WHEN seconds % 3600 = 0 THEN concat(seconds / 3600, 'h') "
    "WHEN seconds % 60 = 0 THEN concat(seconds / 60, 'm') "
    "ELSE concat(seconds, 's') END AS retention_period "
    "FROM (SELECT database_name, CAST(retention_period_ns / 1000000000 AS BIGINT) AS seconds "
    "FROM system.databases){} ORDER BY database_name"
)
_TRIGGERS = (
    "SELECT t.trigger_name, s.trigger_spec, t.plugin_filename, s.state, t.error_behavior, "
    "s.last_run, s.last_outcome, s.runs, s.failures, s.lag_rows, s.next_due, s.reason "
    "FROM system.processing_engine_triggers t JOIN system.processing_engine_trigger_state s "
    "ON t.trigger_name = s.trigger_name ORDER BY t.trigger_name"
)


_LETTERS = (
    "SELECT id, trigger_name, state, kind, table_name, rows, attempts, error, time "
    "FROM system.processing_engine_dead_letters{} ORDER BY time"
)
_BACKFILLS = (
    "SELECT backfill_id, trigger_name, state, rows_done, rows_total, start_time, end_time, began, ended, error "
    "FROM system.processing_engine_backfills ORDER BY began"
)
_CACHE_STATE = (
    "SELECT trigger_name, scope, key, size_bytes, is_kept, expires "
    "FROM system.processing_engine_cache_state{} ORDER BY scope DESC, trigger_name, key"
)


class CatalogFormat(StrEnum):
    """How the catalog is printed."""

    TEXT = "text"
    JSON = "json"


@app.command()
def databases(
    show_deleted: Annotated[bool, typer.Option("--show-deleted", help="Show deleted databases too.")] = False,
    fmt: OutputFormat = Format.PRETTY,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show the databases."""
    with connect(host, token) as client, client.databases(fmt.value, show_deleted=show_deleted) as body:
        output.rows(body, fmt.value)


@app.command()
def retention(
    database: Annotated[
        str | None, typer.Option("--database", metavar="NAME", help="Only this database.", show_default=False)
    ] = None,
    fmt: OutputFormat = Format.PRETTY,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show how long the rows of databases are kept."""
    chosen = "" if database is None else f" WHERE database_name = {sql_text(database)}"
    with connect(host, token) as client, client.query_sql(_INTERNAL, _RETENTION.format(chosen), fmt.value) as body:
        output.rows(body, fmt.value)


@app.command()
def tokens(fmt: OutputFormat = Format.PRETTY, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """Show the tokens: names, ids, when they were made and expire; of their hashes the beginning."""
    with connect(host, token) as client, client.query_sql(_INTERNAL, _TOKENS, fmt.value) as body:
        output.rows(body, fmt.value)


@app.command()
def plugins(fmt: OutputFormat = Format.PRETTY, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """Show the plugin files of all triggers."""
    with connect(host, token) as client, client.query_sql(_INTERNAL, _PLUGINS, fmt.value) as body:
        output.rows(body, fmt.value)


@app.command()
def triggers(
    database: Database, fmt: OutputFormat = Format.PRETTY, host: Host = DEFAULT_HOST, token: Token = None
) -> None:
    """Show the triggers of a database: whether they run, how their runs went, how far behind they are."""
    with connect(host, token) as client, client.query_sql(database, _TRIGGERS, fmt.value) as body:
        output.rows(body, fmt.value)


@app.command("dead_letters")
def dead_letters(
    database: Database,
    trigger: OfTrigger = None,
    fmt: OutputFormat = Format.PRETTY,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show what triggers gave up and nobody has retried or deleted; input and traceback are in the system table."""
    chosen = "" if trigger is None else f" WHERE trigger_name = {sql_text(trigger)}"
    with connect(host, token) as client:
        if trigger is not None:
            client.check_trigger(database, trigger, "processing_engine_dead_letters")
        with client.query_sql(database, _LETTERS.format(chosen), fmt.value) as body:
            output.rows(body, fmt.value)


@app.command()
def backfills(
    database: Database, fmt: OutputFormat = Format.PRETTY, host: Host = DEFAULT_HOST, token: Token = None
) -> None:
    """Show the backfills of a database: those that go on, with their progress, and those that have ended."""
    with connect(host, token) as client, client.query_sql(database, _BACKFILLS, fmt.value) as body:
        output.rows(body, fmt.value)


@app.command("cache_state")
def cache_state(
    database: Database,
    trigger: OfTrigger = None,
    fmt: OutputFormat = Format.PRETTY,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show what plugins keep in their caches, as last committed."""
    chosen = "" if trigger is None else f" WHERE trigger_name = {sql_text(trigger)}"
    with connect(host, token) as client:
        if trigger is not None:
            client.check_trigger(database, trigger)
        with client.query_sql(database, _CACHE_STATE.format(chosen), fmt.value) as body:
            output.rows(body, fmt.value)


@app.command()
def catalog(
    fmt: Annotated[CatalogFormat, typer.Option("--format", help="How the catalog is printed.")] = CatalogFormat.TEXT,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Show the catalog: its file, the reason why an edit of it was refused, databases, triggers and caches."""
    with connect(host, token) as client:
        state = client.catalog()
    (output.emit_json if fmt is CatalogFormat.JSON else output.catalog)(state)
