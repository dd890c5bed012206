"""``influxdb3 delete``: databases, tables, triggers, tokens, dead letters, what plugins keep."""

import sys
from typing import Annotated

import typer

from engine.model.tokens import OPERATOR_NAME
from influxdb3_cli import completion, output
from influxdb3_cli.cache_options import CacheName, OfTable
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import (
    DEFAULT_HOST,
    AllLetters,
    Database,
    DatabaseName,
    HardDelete,
    Host,
    LetterIds,
    OfTrigger,
    TableName,
    Token,
    TriggerName,
    chosen_letters,
    connect,
)
from influxdb3_cli.texts import quote

app = typer.Typer(help="Delete databases, tables, triggers, tokens, backfills, caches.", no_args_is_help=True)

_WORDS = ("never", "now", "default")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("database")
def delete_database(
    name: DatabaseName,
    hard_delete: HardDelete = None,
    yes: Yes = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Delete a database: it gets a name with the time, and its data goes later."""
    _confirm(quote(name), is_confirmed=yes)
    with connect(host, token) as client:
        client.delete_database(name, _when(hard_delete))
    output.line(f"Database {quote(name)} deleted successfully")


@app.command("last_cache")
def delete_last_cache(
    name: CacheName, database: Database, table: OfTable, host: Host = DEFAULT_HOST, token: Token = None
) -> None:
    """Delete a last-value cache."""
    with connect(host, token) as client:
        client.delete_cache("last_cache", database, table, name)
    output.line("last cache deleted successfully")


@app.command("distinct_cache")
def delete_distinct_cache(
    name: CacheName, database: Database, table: OfTable, host: Host = DEFAULT_HOST, token: Token = None
) -> None:
    """Delete a distinct-value cache."""
    with connect(host, token) as client:
        client.delete_cache("distinct_cache", database, table, name)
    output.line("distinct cache deleted successfully")


@app.command("table")
def delete_table(
    name: TableName,
    database: Database,
    hard_delete: HardDelete = None,
    yes: Yes = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Delete a table: it gets a name with the time, and its rows go later."""
    full_name = f"{quote(database)}.{quote(name)}"
    _confirm(full_name, is_confirmed=yes)
    with connect(host, token) as client:
        client.delete_table(database, name, _when(hard_delete))
    output.line(f"Table {full_name} deleted successfully")


@app.command("trigger")
def delete_trigger(
    name: TriggerName,
    database: Database,
    force: Annotated[bool, typer.Option("--force", help="Delete it also while it is enabled.")] = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Delete a trigger.

    Its plugin file stays. One that is enabled is deleted only with --force.
    """
    with connect(host, token) as client:
        client.delete_trigger(database, name, force=force)
    output.line(f"Trigger {name} deleted successfully")


@app.command("token")
def delete_token(
    name: Annotated[
        str,
        typer.Option(
            "--token-name",
            metavar="NAME",
            help="Name of the token.",
            show_default=False,
            autocompletion=completion.tokens,
        ),
    ],
    yes: Yes = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Delete a named token: it opens nothing any more."""
    if name == OPERATOR_NAME:
        output.line(
            f'The operator token "{OPERATOR_NAME}" is required and cannot be deleted. To regenerate an operator token, '
            "use: influxdb3 create token --admin --regenerate --token [TOKEN]"
        )
        return
    _confirm(quote(name), is_confirmed=yes)
    with connect(host, token) as client:
        client.delete_token(name)
    output.line(f"Token {quote(name)} deleted successfully")


@app.command("dead_letters")
def delete_dead_letters(
    database: Database,
    trigger: OfTrigger = None,
    ids: LetterIds = None,
    is_all: AllLetters = False,
    yes: Yes = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Throw away what triggers gave up.

    `influxdb3 show dead_letters` lists it with its ids, `influxdb3 retry dead_letters` runs it again instead.
    """
    chosen = chosen_letters(ids, is_all)
    if chosen is None:
        of_whom = f"database {quote(database)}" if trigger is None else f"trigger {quote(trigger)}"
        _confirm(f"all dead letters of {of_whom}", is_confirmed=yes)
    with connect(host, token) as client:
        count = client.delete_dead_letters(database, trigger, chosen)
    output.line(f"{count} dead letter{'' if count == 1 else 's'} deleted successfully")


@app.command("backfill")
def delete_backfill(name: TriggerName, database: Database, host: Host = DEFAULT_HOST, token: Token = None) -> None:
    """End the backfill of a trigger before its time; what it has done stays."""
    with connect(host, token) as client:
        client.cancel_backfill(database, name)
    output.line(f"Backfill of trigger {name} cancelled successfully")


@app.command("cache_state")
def delete_cache_state(
    database: Database,
    trigger: Annotated[
        str | None,
        typer.Option("--trigger", "-t", metavar="NAME", help="Whose cache.", autocompletion=completion.triggers),
    ] = None,
    is_global: Annotated[bool, typer.Option("--global", help="The cache that all triggers share.")] = False,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Only this value; without it all of them.")] = None,
    yes: Yes = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Delete what a plugin keeps in its cache; its runs from then on begin without it."""
    if (trigger is None) != is_global:
        raise typer.BadParameter("say whose: either --trigger NAME or --global", param_hint="--trigger")
    whose = "all triggers" if trigger is None else f"trigger {trigger}"
    what = f"the cache of {whose}" if key is None else f"{key!r} in the cache of {whose}"
    _confirm(what, is_confirmed=yes)
    with connect(host, token) as client:
        client.delete_cache_state(database, trigger, key)
    output.line(f"{what[0].upper()}{what[1:]} deleted successfully")


def _when(text: str | None) -> str | None:
    """Return when data goes as requests say it; times are checked by the server, by its clock."""
    return text if text is None or text.lower() not in _WORDS else text.lower()


def _confirm(what: str, *, is_confirmed: bool) -> None:
    """Ask whether ``what`` shall be deleted, unless the caller said so already.

    Raises:
        CommandFailed: the answer is not yes.
    """
    if is_confirmed:
        return
    output.note(f"Are you sure you want to delete {what}? Enter 'yes' or 'y' to confirm")
    if sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise CommandFailed("Cannot proceed without confirmation")
