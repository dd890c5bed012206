"""What a plugin says of the packages that it needs: ``requirements.txt`` in its folder, or a header in its file (PEP 723)."""

import hashlib
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from engine.errors import PluginError

REQUIREMENTS = "requirements.txt"
MOST_BYTES = 1 << 20
MOST_FILES = 32

_BEGIN = re.compile(r"# /// ([a-zA-Z0-9-]+)")
_END = "# ///"
_SCRIPT = "script"
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S.*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An environment that a plugin asks for.

    Attributes:
        arguments: what the installer is given.
        lines: what is asked for, without comments; equal lines make an equal environment.
        folder: where relative names are looked up.
    """

    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    folder: Path

    @property
    def key(self) -> str:
        """Return what names the environment: a hash of what is asked for, and of the kind of Python that gets it."""
        python = (sys.implementation.name, *map(str, sys.version_info[:2]), platform.machine())
        parts = ("v1", *python, *self.lines)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_wanted(plugin: Path, text: str | None = None) -> Wanted | None:
    """Return what the plugin at ``plugin`` asks for, ``None`` = what all plugins have will do.

    ``text`` is what a file holds, if it is known.

    Raises:
        PluginError: what it says is not to be understood, or asks for another Python.
        OSError: it cannot be read.
    """
    if plugin.is_dir():
        return _of_folder(plugin)
    if text is None:
        text = plugin.read_text("utf-8-sig")
    return of_script(text, plugin.parent)


def files_read(plugin: Path) -> list[Path]:
    """Return the files that say what a plugin folder needs; the first of them may be missing."""
    found: list[Path] = []
    _collect(plugin / REQUIREMENTS, found)
    return found or [plugin / REQUIREMENTS]


def of_script(text: str, folder: Path) -> Wanted | None:
    """Return what the header of a single file asks for.

    Raises:
        PluginError: see ``read_wanted``.
    """
    if "# /// script" not in text:
        return None
    try:
        header = _header(text)
        dependencies = header.get("dependencies", [])
        requires_python = header.get("requires-python")
    except tomli.TOMLDecodeError as error:
        raise PluginError(f"the script header (PEP 723) of the plugin is not TOML: {error}") from error
    if not isinstance(dependencies, list) or not all(isinstance(d, str) for d in dependencies):
        raise PluginError(f"dependencies in the script header must be a list of texts, not {dependencies!r}")
    if requires_python is not None and not isinstance(requires_python, str):
        raise PluginError(f"requires-python in the script header must be a text, not {requires_python!r}")
    lines = tuple(line.strip() for line in dependencies)
    for line in lines:
        if not line or line.startswith("-"):
            raise PluginError(f"dependencies in the script header are no packages: '{line}'")
    if requires_python is not None:
        _check_python(requires_python)
    return Wanted(lines, lines, folder) if lines else None


def _check_python(requires_python: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # start-up time: few plugins ask

    have = platform.python_version()
    try:
        is_met = SpecifierSet(requires_python).contains(have, prereleases=True)
    except InvalidSpecifier:
        text = f"requires-python '{requires_python}' in the script header is not a version specifier such as '>=3.11'"
        raise PluginError(text) from None
    if not is_met:
        raise PluginError(f"it requires Python {requires_python}; plugins run with Python {have} here")


def _header(text: str) -> dict[str, Any]:
    blocks = [lines for kind, lines in _blocks(text.splitlines()) if kind == _SCRIPT]
    if len(blocks) > 1:
        raise PluginError(f"the plugin has {len(blocks)} script headers ('# /// script'), only one is allowed")
    return tomli.loads("\n".join(line[2:] for line in blocks[0])) if blocks else {}


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield type and content of the comment blocks of PEP 723; one ends with the last ``# ///`` of its comment."""
    i = 0
    while i < len(lines):
        begin = _BEGIN.fullmatch(lines[i])
        if begin is None:
            i += 1
            continue
        stop = i + 1
        while stop < len(lines) and (lines[stop] == "#" or lines[stop].startswith("# ")):
            stop += 1
        ends = [n for n in range(i + 1, stop) if lines[n] == _END]
        if ends:
            yield begin[1], lines[i + 1 : ends[-1]]
        i = ends[-1] + 1 if ends else i + 1


def _of_folder(folder: Path) -> Wanted | None:
    lines = tuple(line for path in _collect(folder / REQUIREMENTS, []) for line in path)
    if not lines:
        return None
    return Wanted(("--requirement", str(folder / REQUIREMENTS)), lines, folder)


def _collect(path: Path, found: list[Path]) -> list[list[str]]:
    """Return the lines that count of a requirements file and of those that it includes; note the files in ``found``."""
    if path in found or len(found) >= MOST_FILES:
        return []
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if not found:
            return []
        raise PluginError(f"requirements file not found: {path}") from None
    if len(content) > MOST_BYTES:
        raise PluginError(f"requirements file {path} is larger than {MOST_BYTES} bytes")
    found.append(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PluginError(f"requirements file {path} is not UTF-8: {error}") from error
    lines = [stripped for line in text.splitlines() if (stripped := _COMMENT.sub("", line).strip())]
    included: list[list[str]] = []
    for line in lines:
        include = _INCLUDE.fullmatch(line)
        if include is not None and "://" not in include[1]:
            included += _collect(path.parent / include[1].strip(), found)
    return [lines, *included]
