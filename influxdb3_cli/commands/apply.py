"""``influxdb3 apply``: make the triggers of a server those that a file declares."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import CatalogEditRefused
from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect
from influxdb3_cli.texts import os_error

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient
    from influxdb3_cli.trigger_files import Triggers
    from influxdb3_cli.trigger_plans import Plan

_STDIN = "-"
_SOMETHING_TO_DO = 3


def apply(
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="What declares the triggers; - is standard input.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: end with 3 if something would be done.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove triggers that the file does not have, from the databases that it names."),
    ] = False,
    plugins: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Also send the plugins of the triggers from this local folder, where they differ.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before triggers are removed.")] = False,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Make the triggers of a server those that a TOML file declares.

    First it tells what is to be added, changed and removed. Databases that the file does not name are never touched, and
    a second run finds nothing to do.

    \b
    [databases.home.triggers.alarm]
    spec = "table:cpu"
    plugin = "alarm.py"
    arguments = { threshold = "90" }
    """  # noqa: D301 - the mark is Click's: these lines stay as they are
    from influxdb3_cli.trigger_changes import carry_out  # here and below: start-up time of every other command
    from influxdb3_cli.trigger_plans import describe_plan, name_of

    if exit_code and not dry_run:
        raise typer.BadParameter("only --dry-run ends with it", param_hint="--exit-code")
    wanted = _declared(file)
    with connect(host, token) as client:
        plan = _plan(client, wanted, plugins, prune=prune)
        output.plan(describe_plan(plan))
        if dry_run:
            raise typer.Exit(_SOMETHING_TO_DO if exit_code and not plan.is_empty else 0)
        if plan.removals and not yes:
            _confirm(", ".join(map(name_of, plan.removals)), is_stdin_taken=file == _STDIN)
        carry_out(client, plan)


def _plan(client: "InfluxClient", wanted: "Triggers", plugins: Path | None, *, prune: bool) -> "Plan":
    from influxdb3_cli.plugin_plans import hashes_of, plan_sendings, read_plugins
    from influxdb3_cli.trigger_files import triggers_of
    from influxdb3_cli.trigger_plans import make_plan

    local = {} if plugins is None else read_plugins(plugins, wanted)
    present = triggers_of(client.catalog())
    sendings = plan_sendings(local, hashes_of(client.plugin_files()), present) if local else ()
    return make_plan(wanted, present, prune=prune, sendings=sendings)


def _declared(file: str) -> "Triggers":
    """Return what a file declares; what is wrong with it is a wrong value of ``--file``."""
    from influxdb3_cli.trigger_files import parse_triggers

    try:
        data = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
        return parse_triggers(data, "standard input" if file == _STDIN else file)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {os_error(error)}", param_hint="--file") from error
    except CatalogEditRefused as error:
        raise typer.BadParameter(str(error), param_hint="--file") from error


def _confirm(what: str, *, is_stdin_taken: bool) -> None:
    """Ask whether triggers shall be removed.

    Raises:
        CommandFailed: the answer is not yes.
    """
    output.note(f"Are you sure you want to delete {what}? Enter 'yes' or 'y' to confirm")
    if is_stdin_taken or sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise CommandFailed("Cannot proceed without confirmation; nothing was changed. --yes confirms beforehand")
