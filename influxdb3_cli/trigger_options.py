"""The options that a trigger may have, as options of the commands that create and change triggers."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from engine.errors import InvalidRequest
from engine.model.trigger_options import OPTIONS, TriggerOption
from engine.model.trigger_spec import format_trigger_spec, parse_trigger_spec

DEFAULT = "default"
"""What takes an option out again."""

_HEADINGS = {
    "What a run may use": ("timeout", "max_memory", "max_cpu", "max_rows_per_run", "isolation"),
    "Schedules": ("timezone", "misfire", "misfire_window", "jitter"),
    "After a restart": ("restore_state",),
}
"""Below which heading of a help page the options stand, by their keys."""


def canonical_spec(text: str) -> str:
    """Return a specification in the form in which it is sent.

    Raises:
        InvalidRequest: it cannot be understood.
    """
    try:
        return format_trigger_spec(parse_trigger_spec(text))
    except InvalidRequest as error:
        if not str(error).endswith(f" from {text.strip()}"):
            raise
        # The product's text, which the server has too, leaves the reason out here.
        raise InvalidRequest(f"{error}: {error.__cause__ or 'nothing stands behind the colon'}") from error


def with_trigger_options(*, may_be_default: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command all options of triggers.

    The command gets what was given as ``settings``, by the words that requests have. With ``may_be_default`` the word
    ``default`` takes an option out of the trigger, which is then ``None`` in ``settings``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            texts = {option: given.pop(option.key) for option in OPTIONS}
            command(**given, settings=_settings(texts, may_be_default=may_be_default))

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "settings"]
        last = next((i for i, p in enumerate(own) if p.name in ("host", "token")), len(own))
        parameters = [*own[:last], *(_parameter(option, may_be_default) for option in OPTIONS), *own[last:]]
        # Typer reads parameters from the signature; all of them come by name.
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        run.__doc__ = command.__doc__
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _parameter(option: TriggerOption, may_be_default: bool) -> inspect.Parameter:
    heading = next((title for title, keys in _HEADINGS.items() if option.key in keys), None)
    info = typer.Option(_flag(option), metavar=option.placeholder, help=option.help, rich_help_panel=heading)
    return inspect.Parameter(
        option.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, info]
    )


def _settings(texts: Mapping[TriggerOption, str | None], *, may_be_default: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for option, text in texts.items():
        if text is None:
            continue
        is_default = may_be_default and text.strip() == DEFAULT
        settings[option.name] = None if is_default else _value(option, text)
    return settings


def _value(option: TriggerOption, text: str) -> str | int | float:
    try:
        value = option.read(text)
        option.check(value)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint=_flag(option)) from error
    return value


def _flag(option: TriggerOption) -> str:
    return f"--{option.key.replace('_', '-')}"
