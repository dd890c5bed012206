"""Where names of plugins lead in the plugin folder, and where they must not."""

import re
import stat
from pathlib import Path

from engine.errors import EngineOff, InvalidRequest, PluginError, PluginNotFound

NO_PLUGIN_DIR = "No plugin directory configured: start the server with --plugin-dir to turn the Processing engine on"
INIT = "__init__.py"
VENV_MARK = "pyvenv.cfg"
DRIVE_OR_SHARE = re.compile(r"[A-Za-z]:|\\\\|//")


class PluginFolder:
    """The plugin folder of a server; ``None`` = the Processing engine is off, and every call raises ``EngineOff``."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """Return the folder, as it was configured."""
        if self._root is None:
            raise EngineOff(NO_PLUGIN_DIR)
        return self._root

    def locate(self, name: str) -> Path:
        """Return the real path of ``name``, which need not exist, links followed.

        Raises:
            EngineOff: there is no plugin folder.
            PluginError: the name, or a link on the way, leads out of it.
            PluginNotFound: the disk knows no such names.
        """
        root = self.root.resolve()
        if leaves_folder(name):
            raise PluginError(traversal(name))
        try:
            path = (root / name.rstrip("/")).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL in the name
            raise PluginNotFound(f"reading plugin file: {error}") from error
        if not path.is_relative_to(root):
            raise PluginError(traversal(name))
        return path

    def to_write(self, name: str) -> Path:
        """Do as ``locate``, for something that is to be written.

        Raises:
            InvalidRequest: it is hidden, or part of a virtual environment: that is no place for plugins.
        """
        root, path = self.root.resolve(), self.locate(name)
        parts = path.relative_to(root).parts
        if not parts:
            raise InvalidRequest(f"plugin filename '{name}' names no file in the plugin directory")
        hidden = next((part for part in parts if part.startswith(".")), None)
        if hidden is not None:
            raise InvalidRequest(f"plugin filename '{name}' has the hidden part '{hidden}'; plugins are not hidden")
        for parent in path.parents:
            if parent == root:
                break
            if (parent / VENV_MARK).exists():
                raise InvalidRequest(f"plugin filename '{name}' is in the virtual environment {parent}")
        return path


def leaves_folder(relative: str) -> bool:
    """Return whether a relative path could lead out of the folder that it is meant for, on any system."""
    is_absolute = relative.startswith("/") or DRIVE_OR_SHARE.match(relative) is not None
    return is_absolute or ".." in re.split(r"[/\\]", relative)


def traversal(name: str) -> str:
    """Return what is said of a name that leaves the plugin folder."""
    return f"Path traversal detected: plugin filename '{name}' attempts to access files outside the plugin directory"


def check_readable(path: Path) -> None:
    """Accept a file of text, or a folder that is a package.

    Raises:
        PluginNotFound: there is none.
        PluginError: it is no UTF-8.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise PluginNotFound(f"reading plugin file: Plugin not found: {path}") from error
    except OSError as error:
        raise PluginNotFound(f"reading plugin file: {error}") from error
    main = path / INIT if is_folder else path
    if is_folder and not main.is_file():
        raise PluginNotFound(f"reading plugin file: Multi-file plugin directory must contain __init__.py: {path}")
    if not main.is_file():
        raise PluginNotFound(f"reading plugin file: neither a file nor a directory: {path}")
    try:
        main.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"reading plugin file: {error}: {main}") from error
