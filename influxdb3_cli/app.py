"""``influxdb3``: the root of the command line."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command, get_group

from influxdb3_cli import completion, dotenv, output, process_list
from influxdb3_cli.errors import CommandFailed, OutputTrouble, ReaderGone, Unexpected
from influxdb3_cli.grammar import Command, Group, give_grammar
from influxdb3_cli.help import WIDEST
from influxdb3_cli.process_list import tokens_in
from influxdb3_cli.progress import QUIET
from influxdb3_cli.trust import give_trust, with_trust
from influxdb3_cli.version import version_line

_SHORT_NAMES = {"q": "query", "w": "write"}

_READER_GONE, _INTERRUPTED = 141, 130
"""Exit codes: those of a process that ``SIGPIPE`` or ``SIGINT`` ends, as shells tell them."""


_GROUPS = ("create", "show", "update", "backfill", "retry", "delete", "enable", "disable", "install", "test", "debug")
_COMMANDS = {
    **{"serve": "serve.command", "query": "query.query", "q": "query.query", "logs": "logs.logs"},
    **{"write": "write.write", "w": "write.write", "backup": "backup.backup"},
    **{"apply": "apply.apply", "export": "export.export"},
    **{name: f"{name}.app" for name in _GROUPS},
    "completion": "completion.completion",
}
"""What each command is, below ``influxdb3_cli.commands``, in the order of the help."""


_BARE = {"--admin-token-recovery-http-bind": "127.0.0.1:8182"}
"""Options that may stand without a value, and what they mean then."""


@cache
def _made(name: str) -> Any:
    """Return the command ``name``; to make all of them takes as long as to import Typer."""
    module, attribute = _COMMANDS[name].split(".")
    found = getattr(import_module(f"influxdb3_cli.commands.{module}"), attribute)
    # Plain help: importing rich costs 0.1 s, as much as all the rest of `influxdb3 --help`.
    one = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(found, typer.Typer):
        give_trust(found)
        give_grammar(found)
        one.add_typer(found, name=name)
        return get_group(one).commands[name]
    one.command(name, cls=Command, hidden=name in _SHORT_NAMES)(with_trust(found))
    return get_command(one)


class _Commands(Mapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _made(name)

    def __contains__(self, name: object) -> bool:
        return name in _COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


def _tells_of_words(error: Exception) -> bool:
    """Return whether ``error`` is Typer's, which shows a bad command line itself; their class has no public name."""
    return any(kind.__name__ == "ClickException" for kind in type(error).__mro__)


class Root(Group):
    """The group of all commands: the one place where a failed command becomes a line and an exit code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()  # type: ignore[assignment] # nobody adds to them

    def make_context(self, *words: Any, **options: Any) -> Any:
        """Read the words before the command; ``--help`` is among them, and Typer ends with 1 if nobody reads it."""
        try:
            return super().make_context(*words, **options)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def invoke(self, ctx: Any) -> Any:
        """Run the command that ``ctx`` holds, a context of Typer: its base class has no public name."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, ReaderGone):
            raise
        except BrokenPipeError as error:  # of a page of help that nobody reads
            raise ReaderGone from error
        except Exception as error:  # whatever it is, a person is told in one line
            if _tells_of_words(error):
                raise
            is_shown = ctx.params["verbose"]
            if is_shown:
                output.traceback(error)
            name = ctx.invoked_subcommand or "serve"
            verb = _SHORT_NAMES.get(name, name)
            hidden_in = None if is_shown else verb
            output.failure(verb, error if isinstance(error, CommandFailed) else Unexpected(error, hidden_in))
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Root,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"max_content_width": WIDEST},
)

_RUNTIME = (
    "io-runtime-type",
    "io-runtime-disable-lifo-slot",
    "io-runtime-event-interval",
    "io-runtime-global-queue-interval",
    "io-runtime-max-blocking-threads",
    "io-runtime-max-io-events-per-tick",
    "io-runtime-thread-keep-alive",
    "io-runtime-thread-priority",
    "num-io-threads",
    "num-threads",
)
"""Options of the product that may stand before the command; they have no effect, and ``serve`` says so."""


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
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress of long work.")] = False,
    **runtime: str | None,
) -> None:
    """InfluxDB 3, in Python: a time series database whose plugins run on writes, on schedules and on requests.

    Without a command a server starts, as with serve.
    """
    QUIET.set(quiet)
    if context.invoked_subcommand is None:
        from influxdb3_cli.commands.serve import run_server  # here: other commands need it not

        run_server(runtime, is_quick_start=True)


def _runtime_option(name: str) -> inspect.Parameter:
    option = typer.Option(f"--{name}", hidden=True)
    words = name.replace("-", "_")
    return inspect.Parameter(
        words, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


_about_root = inspect.signature(root)
# Typer reads parameters from the signature.
root.__signature__ = _about_root.replace(  # type: ignore[attr-defined]
    parameters=[*list(_about_root.parameters.values())[:-1], *map(_runtime_option, _RUNTIME)]
)


@cache
def _command_line() -> Callable[..., None]:
    """Return the commands, built once for all that run in this process."""
    return get_command(app)


def _with_bare_values(words: Sequence[str]) -> list[str]:
    """Return ``words`` with the values that options have where they stand alone: Typer has no such options."""
    return [
        f"{word}={_BARE[word]}" if word in _BARE and after.startswith("-") else word
        for word, after in zip_longest(words, words[1:], fillvalue="-")
    ]


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
    if completion.VARIABLE in os.environ:
        completion.begin()
    words = sys.argv[1:] if arguments is None else arguments
    process_list.hide(tokens_in(words))
    try:
        _command_line()(_with_bare_values(words), prog_name="influxdb3")
    except ReaderGone:
        if arguments is None:
            os._exit(_READER_GONE)  # the interpreter would try once more to write what is left, and complain
        sys.exit(_READER_GONE)
    except SystemExit as end:
        if end.code == _INTERRUPTED and arguments is None:
            output.interrupted()
            os._exit(_INTERRUPTED)  # the interpreter would wait for threads that wait for a server
        raise
    except (CommandFailed, OSError) as error:  # before there was a command: help or version on a full disk
        output.failure("influxdb3", error if isinstance(error, CommandFailed) else OutputTrouble(error))
        sys.exit(1)
