"""``influxdb3 update``: change what there is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.model.backfill import parse_start_point
from engine.model.retention import parse_period
from engine.model.trigger import ErrorBehavior
from influxdb3_cli import completion, output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import (
    DEFAULT_HOST,
    Database,
    Host,
    NewRetentionPeriod,
    TableName,
    Token,
    checked,
    connect,
    key_values,
)
from influxdb3_cli.trigger_options import canonical_spec, with_trigger_options
from influxdb3_cli.uploads import read_replacement

app = typer.Typer(help="Change a database, a table or a trigger.", no_args_is_help=True)


def _start_point(text: str) -> str:
    parse_start_point(text)
    return text


@app.callback()
def group() -> None:
    """Change a database, a table or a trigger."""


@app.command("database")
def update_database(
    database: Database,
    retention_period: NewRetentionPeriod = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Change how long the rows of a database are kept."""
    period_s = _new_period(retention_period, "database")
    with connect(host, token) as client:
        client.update_database(database, period_s)
    output.line(f'Database "{database}" updated successfully')


@app.command("table")
def update_table(
    name: TableName,
    database: Database,
    retention_period: NewRetentionPeriod = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Change how long the rows of a table are kept; with none as long as those of its database."""
    period_s = _new_period(retention_period, "table")
    with connect(host, token) as client:
        client.update_table(database, name, period_s)
    output.line(f'Table "{database}"."{name}" updated successfully')


@app.command("trigger")
@with_trigger_options(may_be_default=True)
def update_trigger(
    *,
    name: Annotated[str | None, typer.Argument(metavar="TRIGGER_NAME", help="Name of the trigger.")] = None,
    trigger_name: Annotated[
        str | None,
        typer.Option(
            "--trigger-name", "-t", metavar="NAME", help="Name of the trigger.", autocompletion=completion.triggers
        ),
    ] = None,
    database: Database,
    trigger_spec: Annotated[
        str | None,
        typer.Option(metavar="SPEC", callback=checked(canonical_spec), help="When to run; the trigger begins anew."),
    ] = None,
    plugin_filename: Annotated[
        str | None, typer.Option(metavar="PATH", help="Another plugin, in the server's plugin folder.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("--path", "-p", metavar="PATH", help="Local file or folder that replaces the plugin's own."),
    ] = None,
    trigger_arguments: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE,…", help="All arguments for the plugin; an empty text takes them out."),
    ] = None,
    begin_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="POINT",
            callback=checked(_start_point),
            help="Begin anew: now, beginning, or a time from which on stored rows come before new ones.",
        ),
    ] = None,
    run_asynchronous: Annotated[
        bool | None,
        typer.Option("--run-asynchronous/--run-synchronous", help="Let several runs go on at the same time, or not."),
    ] = None,
    error_behavior: Annotated[ErrorBehavior | None, typer.Option(help="What follows a failed run.")] = None,
    settings: dict[str, Any],
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Change a trigger; what is not named stays as it is. The word default takes an option out again."""
    if run_asynchronous is not None:
        settings["run_async"] = run_asynchronous
    if error_behavior is not None:
        settings["error_behavior"] = error_behavior.value
    changes: dict[str, Any] = {"trigger_settings": settings} if settings else {}
    if trigger_spec is not None:
        changes["trigger_specification"] = trigger_spec
    if plugin_filename is not None:
        changes["plugin_filename"] = plugin_filename
    if trigger_arguments is not None:
        is_empty = trigger_arguments == [""]
        changes["trigger_arguments"] = None if is_empty else key_values(trigger_arguments, "--trigger-arguments")
    if begin_from is not None:
        changes["from"] = begin_from
    chosen = _chosen(name, trigger_name)
    if not changes and path is None:
        raise typer.BadParameter("nothing to change; name at least one option", param_hint="update trigger")
    if path is not None and plugin_filename is not None:
        raise typer.BadParameter(f"'{path}': cannot be used with --plugin-filename", param_hint="--path")
    replacement = None if path is None else read_replacement(path)
    warnings = []
    with connect(host, token) as client:
        if changes:
            warnings += client.update_trigger(database, chosen, changes)
        if replacement is not None:
            warnings += client.replace_plugin(database, chosen, replacement)
    for text in warnings:
        output.note(f"warning: {text}")
    how = " (atomic directory replacement)" if isinstance(replacement, list) else ""
    output.line(f"Trigger '{chosen}' updated successfully{how}")


def _new_period(text: str | None, what: str) -> int | None:
    """Return the seconds of a period, ``None`` for the word none.

    Raises:
        CommandFailed: there is none, or it is no period.
    """
    if text is None:
        raise CommandFailed(f"--retention-period is required for update {what}")
    if text.lower() == "none":
        return None
    try:
        return parse_period(text)
    except ValueError as error:
        raise CommandFailed(str(error)) from error


def _chosen(name: str | None, trigger_name: str | None) -> str:
    """Return the name that one of the two ways gives."""
    if name is not None and trigger_name is not None and name != trigger_name:
        raise typer.BadParameter(f"{trigger_name!r}: the trigger is called {name!r} too", param_hint="--trigger-name")
    chosen = name if name is not None else trigger_name
    if chosen is None:
        raise typer.BadParameter("which trigger? Give its name", param_hint="TRIGGER_NAME")
    return chosen
