"""Edits of ``catalog.toml`` by hand, good and bad ones, of a server that may be killed meanwhile."""

import random
import re
from pathlib import Path

from engine.paths import NodePaths

_ARGUMENTS = re.compile(r"^arguments = .*$", re.MULTILINE)
_ENABLED = re.compile(r"^enabled = .*$", re.MULTILINE)
_NEXT_HEADER = re.compile(r"^\[", re.MULTILINE)


class CatalogFile:
    """The file of a node whose data is below ``data``; ``database`` has the triggers."""

    def __init__(self, data: Path, database: str, chance: random.Random) -> None:
        self._path = NodePaths(data, "node0").catalog
        self._database = database
        self._chance = chance
        self._good = ""
        self._spoilt: str | None = None

    def has(self, trigger: str) -> bool:
        """Return whether the file has a trigger of this name."""
        return self._header(trigger) in self._path.read_text()

    def add(self, trigger: str, spec: str, plugin: str, arguments: dict[str, str]) -> None:
        """Put a trigger behind all that is there."""
        entry = f'{self._header(trigger)}\nspec = "{spec}"\nplugin = "{plugin}"\nerror_behavior = "retry"\n'
        self._save(f"{self._path.read_text().rstrip()}\n\n{entry}{_arguments(arguments)}\nenabled = true\n")

    def remove(self, trigger: str) -> None:
        """Take a trigger out."""
        text = self._path.read_text()
        begin, end = self._section(text, trigger)
        self._save(text[:begin] + text[end:])

    def set_enabled(self, trigger: str, *, enabled: bool) -> None:
        """Switch a trigger on or off."""
        self._replace(trigger, _ENABLED, f"enabled = {str(enabled).lower()}")

    def set_arguments(self, trigger: str, arguments: dict[str, str]) -> None:
        """Give a trigger other arguments."""
        self._replace(trigger, _ARGUMENTS, _arguments(arguments))

    def spoil(self) -> None:
        """Make the file one that no server accepts, running or starting."""
        text = self._path.read_text()
        self._good = text
        header = next(line for line in text.splitlines() if line.startswith(f"[databases.{self._database}.triggers."))
        spoilt = (
            "",
            f"{text}\nnonsense = [",
            text.replace(header, f"{header}\nno_such_key = 1"),
            text.replace("enabled = true", 'enabled = "yes"'),
            text.replace('error_behavior = "retry"', 'error_behavior = "try"'),
            text.replace("id = ", "id = -", 1),
            f'{text}\n{self._header("stray")}\nspec = "table:guests"\nplugin = "missing.py"\n',
        )
        self._spoilt = self._chance.choice(spoilt)
        self._save(self._spoilt)

    @property
    def is_spoilt(self) -> bool:
        """Return whether the file holds a bad edit now: the engine replaces it when it has to write itself."""
        return self._spoilt is not None and self._path.read_text() == self._spoilt

    def mend(self) -> None:
        """Take a bad edit back."""
        if self.is_spoilt:
            self._save(self._good)
        self._spoilt = None

    def _header(self, trigger: str) -> str:
        return f"[databases.{self._database}.triggers.{trigger}]"

    def _section(self, text: str, trigger: str) -> tuple[int, int]:
        begin = text.index(self._header(trigger))
        following = _NEXT_HEADER.search(text, begin + 1)
        return begin, following.start() if following else len(text)

    def _replace(self, trigger: str, line: re.Pattern[str], by: str) -> None:
        text = self._path.read_text()
        begin, end = self._section(text, trigger)
        section, count = line.subn(by, text[begin:end])
        assert count == 1, text[begin:end]
        self._save(text[:begin] + section + text[end:])

    def _save(self, text: str) -> None:
        """Save as editors do: in one step, or in place."""
        if self._chance.random() < 0.5:
            aside = self._path.with_suffix(".edited")
            aside.write_text(text)
            aside.replace(self._path)
        else:
            self._path.write_text(text)


def _arguments(arguments: dict[str, str]) -> str:
    return "arguments = { " + ", ".join(f'{name} = "{value}"' for name, value in arguments.items()) + " }"
