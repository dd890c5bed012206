"""The configuration file of a server: flat TOML, a setting on each line, as packages of the product bring it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli

from engine.errors import InvalidRequest

_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a configuration file says.

    Attributes:
        values: by key as it stands there.
        lines: where each key stands, counted from 1.
    """

    path: Path
    values: Mapping[str, object]
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Return for a person where ``key`` stands."""
        return f"{key} in {self.path}, line {self.lines[key]}" if key in self.lines else f"{key} in {self.path}"


def read_config_file(path: Path) -> ConfigFile:
    """Return what the file at ``path`` says.

    Raises:
        InvalidRequest: it cannot be read, is no TOML, or has tables; the text names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"the configuration file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the configuration file {path} is not UTF-8 text: {error}") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> ConfigFile:
    """Return what ``text`` says, which stands in ``path``; see ``read_config_file``."""
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        place = f"{path}, line {found[1]}" if found else str(path)
        raise InvalidRequest(
            f'{place}: {error}; a line is <setting> = <value>, text in quotes: plugin-dir = "/srv/plugins"'
        ) from error
    file = ConfigFile(path, values, {key: line for key in values if (line := _line_of(key, text))})
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    if tables:
        raise InvalidRequest(
            f"{file.place(tables[0])} is a table: each setting stands on a line of its own, without tables and headers"
        )
    return file


def _line_of(key: str, text: str) -> int | None:
    """Return the number of the line on which ``key`` is set."""
    pattern = re.compile(rf"""[ \t]*\[*[ \t]*["']?{re.escape(key)}["']?[ \t]*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), None)
