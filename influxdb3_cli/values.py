"""Quick values of options: Typer reads every value by pydantic, whose import takes as long as the rest of a command.

What is plain is read here; what is not, and what is wrong, is left to Typer, which has the words for it.
"""

from enum import Enum
from pathlib import Path
from typing import Any

_PATH_CHECKS = ("exists", "writable", "resolve_path", "allow_dash", "path_type")
_BOOLEANS = {"true": True, "false": False}


class _NotPlain(Exception):
    """Typer shall look at this value."""


class QuickReader:
    """Reads the values of one parameter; stands where Typer keeps its own reader, with the same method."""

    def __init__(self, descriptor: Any) -> None:
        self._annotation = descriptor.annotation
        self._about = descriptor.parameter_info

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return ``value``, as the command line or a variable has it, in the type of ``param``."""
        is_list = param.multiple or param.nargs == -1
        if value is None:
            return () if is_list else None
        try:
            if not is_list:
                return self._read(self._annotation, value)
            if self._annotation != list[str] or isinstance(value, str):
                raise _NotPlain
            return [self._read(str, item) for item in value]
        except Exception:  # noqa: BLE001 - a parser of an option may raise what it likes: Typer tells of it
            param._runtime_param = None
            return param.get_runtime_param().coerce(value, param=param, ctx=ctx)

    def _read(self, annotation: Any, value: Any) -> Any:
        if self._about.parser is not None:
            return self._about.parser(value)
        if annotation is str and isinstance(value, str):
            return value
        if annotation is bool and value in _BOOLEANS:
            return _BOOLEANS[value]
        if isinstance(annotation, type) and issubclass(annotation, Enum) and isinstance(value, str | Enum):
            return annotation(value)
        if (
            annotation is Path
            and isinstance(value, str | Path)
            and not any(getattr(self._about, check) for check in _PATH_CHECKS)
        ):
            return Path(value)
        raise _NotPlain


def read_quickly(parameters: Any) -> None:
    """Have the values of ``parameters`` of a command read here."""
    for parameter in parameters:
        if getattr(parameter, "_runtime_param", parameter) is None:  # not made yet, and where this Typer keeps it
            parameter._runtime_param = QuickReader(parameter.type_descriptor)
