"""Which plugin files go to a server, so that its triggers run what a local folder holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.texts import quote
from influxdb3_cli.trigger_files import Triggers
from influxdb3_cli.uploads import read_replacement

Content = str | list[tuple[str, str]]
"""The text of a plugin file, or relative path and text of each file of a plugin folder."""

Hashes = Mapping[str, Mapping[str, str]]
"""SHA-256 of the Python files of plugins, in hex, by plugin and by file; a plugin that is one file has its own name twice."""

_FETCHED = "gh:"


@dataclass(frozen=True, slots=True)
class Sending:
    """A plugin that goes to the server.

    Attributes:
        user: database and name of a trigger that runs it there, ``None`` = no trigger does yet.
    """

    plugin: str
    content: Content
    user: tuple[str, str] | None

    @property
    def files(self) -> list[tuple[str, str]]:
        """Return name in the plugin folder and text of each file."""
        if isinstance(self.content, str):
            return [(self.plugin, self.content)]
        return [(f"{self.plugin}/{name}", text) for name, text in self.content]


def read_plugins(folder: Path, wanted: Triggers) -> dict[str, Content]:
    """Return the plugins of the triggers that are ``wanted``, out of ``folder``; those of a repository are left out.

    Raises:
        CommandFailed: one is not there, or is not below ``folder``.
    """
    named = sorted({trigger.plugin_filename for triggers in wanted.values() for trigger in triggers})
    return {name: read_replacement(_below(folder, name)) for name in named if not name.startswith(_FETCHED)}


def plan_sendings(local: Mapping[str, Content], there: Hashes, present: Triggers) -> tuple[Sending, ...]:
    """Return which of the ``local`` plugins go to a server that has the files ``there`` and the triggers ``present``."""
    users = {t.plugin_filename: (database, t.name) for database, triggers in present.items() for t in triggers}
    return tuple(
        Sending(plugin, content, users.get(plugin))
        for plugin, content in sorted(local.items())
        if there.get(plugin) != _hashes(plugin, content)
    )


def hashes_of(rows: Iterable[Mapping[str, str]]) -> Hashes:
    """Return what rows of ``system.plugin_files`` say."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["plugin_filename"], {})[row["file_name"]] = row["content_hash"]
    return found


def _hashes(plugin: str, content: Content) -> dict[str, str]:
    files = [(plugin, content)] if isinstance(content, str) else content
    # A server does not tell of other files, such as requirements.txt.
    told = [(name, text) for name, text in files if isinstance(content, str) or name.endswith(".py")]
    return {name: sha256(text.encode()).hexdigest() for name, text in told}


def _below(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise CommandFailed(f"plugin {quote(name)} is no file below the folder of the plugins")
    return folder / path
