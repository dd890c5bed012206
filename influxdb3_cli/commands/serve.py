"""``influxdb3 serve``: run a server; its options are the rows of the table of settings."""

import gc
import inspect
import os
from collections.abc import Mapping
from typing import Annotated

import typer

from engine.errors import EngineError, InvalidRequest
from engine.inert_settings import FULFILLED_SETTINGS, INERT_SETTINGS, ROOT_SETTINGS
from engine.setting import Setting
from engine.settings import SETTINGS, Settings
from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.setting_groups import SETTING_GROUPS

ROOT_NAMES = tuple(name.replace("-", "_") for row in ROOT_SETTINGS for name in (row.name, *row.other_names))


def run_server(options: Mapping[str, object], *, is_quick_start: bool = False) -> None:
    """Run a server until it is told to stop; ``options`` are values of settings by name, ``None`` = not given.

    ``is_quick_start``: nobody said how, so the server tells what to do next.
    """
    try:
        settings = Settings.load(options, os.environ)
    except InvalidRequest as error:
        output.note(f"error: {error}")
        raise typer.Exit(2) from error
    except EngineError as error:
        raise CommandFailed(str(error)) from error
    manager = os.environ.pop("NOTIFY_SOCKET", None)  # not for plugins, which inherit the environment
    gc.disable()  # nothing of what is imported becomes garbage; the server turns it on when that is over
    from engine.server.main import run  # here: only this command needs the engine, which takes long to import

    try:
        raise SystemExit(run(settings, is_quick_start=is_quick_start, notify_socket=manager))
    except EngineError as error:
        raise CommandFailed(str(error)) from error


def command(context: typer.Context, **options: object) -> None:
    """Run a server until it is told to stop. Every option has a default."""
    before = context.parent.params if context.parent is not None else {}
    runtime = {name: before.get(name) for name in ROOT_NAMES if before.get(name) is not None}
    counted = {"verbose": options["verbose"] or None}
    run_server({**runtime, **{name: value for name, value in options.items() if value is not None}, **counted})


def _parameter(setting: Setting, *, heading: str | None = None) -> inspect.Parameter:
    """Return ``setting`` as a parameter that Typer makes an option of."""
    options = [f"--{name}" for name in (setting.name, *setting.other_names)] + [setting.short] * bool(setting.short)
    metavar = None if setting.is_count else "|".join(setting.choices) or "VALUE"
    variables = ", ".join(setting.environment)
    otherwise = setting.unset if setting.default is None else setting.default
    text = f"{setting.help} [env var: {variables}; default: {otherwise}]"
    info = typer.Option(*options, metavar=metavar, help=text, count=setting.is_count)
    info.hidden, info.rich_help_panel = heading is None, heading
    annotation: object = Annotated[str | None, info]
    if setting.is_flag:
        annotation = Annotated[bool | None, info]
    elif setting.is_count:
        annotation = Annotated[int | None, info]
    name = setting.name.replace("-", "_")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_SETTINGS = {setting.name: setting for setting in SETTINGS}
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

# Typer reads parameters from the signature.
command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        _CONTEXT,
        *(_parameter(_SETTINGS[name], heading=heading) for heading, names in SETTING_GROUPS.items() for name in names),
        *(_parameter(setting) for setting in (*INERT_SETTINGS, *FULFILLED_SETTINGS)),
    ]
)
