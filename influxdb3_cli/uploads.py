"""The plugin files of the caller that ``create trigger --upload`` and ``update trigger --path`` send."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from influxdb3_cli.errors import CommandFailed, FileTrouble

_PACKAGE_FILE = "__init__.py"
_BYTECODE_FOLDER = "__pycache__"
_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, slots=True)
class PluginUpload:
    """A plugin on its way to the server.

    Attributes:
        plugin_filename: how the trigger names it: the name of the file or folder, without what stands before it.
        files: pairs of name in the plugin folder and text.
    """

    plugin_filename: str
    files: tuple[tuple[str, str], ...]


def read_plugin(path: Path) -> PluginUpload:
    """Return the plugin file at ``path``, or every Python file of the plugin folder there, and its requirements.

    Raises:
        CommandFailed: nothing is there, or a folder is not a package.
    """
    if path.is_dir():
        name = path.resolve().name
        return PluginUpload(name, tuple((f"{name}/{file}", text) for file, text in _package(path)))
    if not path.exists():
        raise CommandFailed(f"File not found: {path}")
    return PluginUpload(path.name, ((path.name, _text(path)),))


def read_replacement(path: Path) -> str | list[tuple[str, str]]:
    """Return the text of the plugin file at ``path``, or relative path and text of each file of the folder there.

    Raises:
        CommandFailed: nothing is there, or a folder is not a package.
    """
    if path.is_dir():
        return _package(path)
    if not path.exists():
        raise CommandFailed(f"Path does not exist: {path}")
    return _text(path)


def _package(path: Path) -> list[tuple[str, str]]:
    folder = path.resolve()
    names = sorted(_python_files(folder))
    if not names:
        raise CommandFailed(f"No Python files found in directory: {path}")
    if _PACKAGE_FILE not in names:
        raise CommandFailed(f"Multi-file plugin directory must contain {_PACKAGE_FILE}: {path}")
    if (folder / _REQUIREMENTS).is_file():
        names.append(_REQUIREMENTS)
    return [(name, _text(folder / name)) for name in names]


def _python_files(folder: Path) -> Iterator[str]:
    """Yield the Python files below ``folder``, relative to it; links are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != _BYTECODE_FOLDER]
        for path in (Path(place, name) for name in names):
            if path.suffix == ".py" and not path.is_symlink():
                yield path.relative_to(folder).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileTrouble(error) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not UTF-8: {error}") from error
