"""``influxdb3``: the root of the command line."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from influxdb3_cli import dotenv, output
from influxdb3_cli.commands import (
    backfill,
    create,
    delete,
    disable,
    enable,
    install,
    logs,
    query,
    retry,
    serve,
    show,
    test,
    update,
    write,
)
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.version import version_line

_SHORT_NAMES = {"q": "query", "w": "write"}


class Root(TyperGroup):
    """The group of all commands: the one place where a failed command becomes a line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that ``ctx`` holds, a context of Typer: its base class has no public name."""
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            if ctx.params["verbose"]:
                output.traceback(error)
            verb = ctx.invoked_subcommand or "serve"
            output.failure(_SHORT_NAMES.get(verb, verb), error)
            raise typer.Exit(1) from error


# Plain help: importing rich costs 0.1 s, as much as all the rest of `influxdb3 --help`.
app = typer.Typer(
    cls=Root,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.command)
app.command("query")(query.query)
app.command("q", hidden=True)(query.query)
app.command("logs")(logs.logs)
app.command("write")(write.write)
app.command("w", hidden=True)(write.write)
for name, group in (
    ("create", create.app),
    ("show", show.app),
    ("update", update.app),
    ("backfill", backfill.app),
    ("retry", retry.app),
    ("delete", delete.app),
    ("enable", enable.app),
    ("disable", disable.app),
    ("install", install.app),
    ("test", test.app),
):
    app.add_typer(group, name=name)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        output.line(version_line())
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Show the version and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the traceback of a failed command.")] = False,
) -> None:
    """InfluxDB 3, in Python: a time series database whose plugins run on writes, on schedules and on requests.

    Without a command a server starts, as with serve.
    """
    if context.invoked_subcommand is None:
        serve.run_server({})


@cache
def _command_line() -> Callable[..., None]:
    """Return the commands, built once for all that run in this process."""
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ``arguments`` stand in for those of the process.

    Raises:
        SystemExit: always, with the exit code.
    """
    try:
        env_file = dotenv.find_file(Path.cwd())
        if env_file is not None:
            os.environ.update(dotenv.load_file(env_file, os.environ))
    except dotenv.DotenvError as error:
        output.note(f"FATAL Error loading config from: {error}\nAborting")
        sys.exit(1)
    _command_line()(arguments, prog_name="influxdb3")
