"""Where the values of settings come from: option, environment variable, configuration file, default, in this order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config_file import ConfigFile
from engine.errors import InvalidRequest
from engine.model.nearest import nearest
from engine.setting import PREFIX, Setting


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it; ``source`` tells that person where."""

    text: str
    source: str


class Rows:
    """The rows that can be given a value."""

    def __init__(self, settings: Iterable[Setting]) -> None:
        self._settings = tuple(settings)
        self._by_name = {name: setting for setting in self._settings for name in (setting.name, *setting.other_names)}

    def from_options(self, options: Mapping[str, object]) -> dict[str, Given]:
        """Return what options give, by name of row; their names may have ``_`` for ``-``, and ``None`` = not given.

        Raises:
            InvalidRequest: an option is unknown, or two say the same.
        """
        found: dict[str, Given] = {}
        for key, value in options.items():
            if value is None:
                continue
            name = key.replace("_", "-")
            if name not in self._by_name:
                raise InvalidRequest(f"unknown setting: --{name}")
            _add(found, self._by_name[name], Given(_text(value, f"--{name}"), f"--{name}"))
        return found

    def from_environment(self, environ: Mapping[str, str]) -> dict[str, Given]:
        """Return what variables give; those without our prefix belong to others, so an empty one is unset."""
        found: dict[str, Given] = {}
        for setting in self._settings:
            for name in setting.environment:
                if name in environ and (environ[name] or name.startswith(PREFIX)):
                    found[setting.name] = Given(environ[name], name)
                    break
        return found

    def from_file(self, file: ConfigFile) -> dict[str, Given]:
        """Return what a configuration file gives.

        Its keys are names of options, or of variables in small letters and without prefix, ``_`` for ``-`` allowed.

        Raises:
            InvalidRequest: a key is unknown, or two say the same; the text says where.
        """
        by_key = {_key_of(name): setting for setting in self._settings for name in setting.environment} | self._by_name
        found: dict[str, Given] = {}
        for key, value in file.values.items():
            place = file.place(key)
            setting = by_key.get(key.replace("_", "-"))
            if setting is None:
                near = nearest(key.replace("_", "-"), by_key)
                hint = f" (did you mean {near}?)" if near else ""
                raise InvalidRequest(f"unknown setting: {place}{hint}")
            _add(found, setting, Given(_text(value, place), place))
        return found

    def old_variables(self, environ: Mapping[str, str]) -> list[str]:
        """Return for a person which variables ``environ`` has that have a newer name."""
        pairs = [
            (PREFIX + old, old) for row in self._settings for old in row.environment if PREFIX + old in row.environment
        ]
        return [
            f"both {old} and {new} are set; using {new}, as {old} is deprecated"
            if new in environ
            else f"environment variable {old} is deprecated, use {new} instead"
            for new, old in pairs
            if environ.get(old)
        ]


def value_of(setting: Setting, given: Given | None) -> Any:
    """Return the value of ``setting``, the default if nothing is ``given``.

    Raises:
        InvalidRequest: the text quotes the value, says where it stands and what is allowed.
    """
    if given is None:
        return None if setting.default is None else setting.read(setting.default)
    if not given.text.strip():
        otherwise = setting.unset or (f"{setting.default} holds" if setting.default else "it is not set")
        raise InvalidRequest(
            f"{given.source} is an empty string, which is no value: leave it out or unset it; then {otherwise}"
        )
    try:
        return setting.read(given.text)
    except ValueError as error:
        raise InvalidRequest(f"invalid value '{given.text}' for {given.source}: {error}") from error


def _add(found: dict[str, Given], setting: Setting, given: Given) -> None:
    if setting.name in found:
        raise InvalidRequest(f"{given.source} and {found[setting.name].source} say the same; give one of them")
    found[setting.name] = given


def _key_of(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower().replace("_", "-")


def _text(value: object, place: str) -> str:
    """Return ``value`` as somebody would have typed it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, str | int | float | Path):
        return str(value)
    raise InvalidRequest(f"invalid value for {place}: expected text, a number or a boolean")
