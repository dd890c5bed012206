"""The plugins of this server: where the code of a ``plugin_filename`` is, what its files hold, and how they change."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineOff, InvalidRequest, PluginError, PluginNotFound
from engine.host.protocol import PluginSource, RunKind
from engine.host.stamps import Stamp
from engine.model.trigger_spec import entry_function
from engine.plugins.inspection import Inspection, inspect_source
from engine.plugins.repository import PREFIX, Repository
from engine.plugins.uploads import replace_folder, write_file

NO_PLUGIN_DIR = "No plugin directory configured"
INIT = "__init__.py"
DRIVE_OR_SHARE = re.compile(r"[A-Za-z]:|\\\\|//")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a plugin; ``name`` is relative to the folder of a multi-file plugin, else the ``plugin_filename``."""

    name: str
    path: Path
    size_bytes: int
    modified_ms: int


class PluginRegistry:
    """Finds, describes and replaces plugins; safe for several threads.

    Args:
        plugin_dir: where plugins are; ``None`` = the Processing engine is off and every call raises ``EngineOff``.
        repository: base address of ``gh:`` plugins.
        cache_dir: where those are kept.
    """

    def __init__(self, plugin_dir: Path | None, repository: str, cache_dir: Path) -> None:
        self._plugin_dir = plugin_dir
        self._repository = Repository(repository, cache_dir)
        self._resolved: dict[str, tuple[tuple[Stamp, ...], str, PluginSource]] = {}
        self._hashes: dict[str, tuple[tuple[tuple[str, Stamp], ...], str]] = {}

    # ---- finding

    def resolve(self, plugin_filename: str) -> PluginSource:
        """Return where the code is; a ``gh:`` file is fetched when there is no copy on disk yet.

        Costs little while nothing has changed.

        Raises:
            EngineOff: there is no plugin dir.
            PluginError: the name leaves the plugin dir, or what it names cannot be read.
        """
        known = self._resolved.get(plugin_filename)
        if known is not None and known[0] == _stamps(known[1]):
            return known[2]
        if plugin_filename.startswith(PREFIX):
            name = self._repository_name(plugin_filename)
            path = as_named = self._repository.cached(name)
            if not path.exists():
                self._repository.fetch(name)
        else:
            path = self._locate(plugin_filename)
            as_named = self._dir() / plugin_filename
            _check_readable(path)
        source = PluginSource(plugin_filename, str(path))
        stamps = _stamps(str(as_named))
        if stamps:
            self._resolved[plugin_filename] = (stamps, str(as_named), source)
        return source

    def refresh(self, plugin_filename: str) -> PluginSource:
        """Do as ``resolve``, but get a ``gh:`` file anew (for creating, enabling and testing).

        Without network the copy on disk is used, if there is one.
        """
        if plugin_filename.startswith(PREFIX):
            self._repository.fetch(self._repository_name(plugin_filename))
        return self.resolve(plugin_filename)

    # ---- describing

    def content_hash(self, source: PluginSource) -> str:
        """Return a hash of what the plugin's file, or all Python files of its folder, hold now.

        Raises:
            PluginNotFound: they cannot be read.
        """
        try:
            files = _python_files(Path(source.path))
            stamps = tuple((str(path), Stamp.of(status)) for path, status in files)
            known = self._hashes.get(source.path)
            if known is None or known[0] != stamps:
                known = self._hashes[source.path] = (stamps, _hash_of([path for path, _ in files], Path(source.path)))
        except OSError as error:
            raise PluginNotFound(f"reading plugin file: {error}") from error
        return known[1]

    def warnings(self, source: PluginSource, kind: RunKind) -> list[str]:
        """Return what the author should know before a run of ``kind``: it does not compile, its function is missing."""
        path = Path(source.path)
        try:
            texts = {file: file.read_text("utf-8") for file, _ in _python_files(path)}
        except (OSError, UnicodeDecodeError) as error:
            return [f"plugin {source.filename} cannot be read: {error}"]
        found = {f: inspect_source(t, str(f.relative_to(path)) if f != path else "<string>") for f, t in texts.items()}
        problems = [f"plugin {source.filename}: {look.problem}" for look in found.values() if look.problem]
        name, main = entry_function(kind), found.get(path / INIT, found.get(path, Inspection()))
        if not problems and main.is_complete and name not in main.names:
            problems.append(f"plugin {source.filename} does not define {name}, which its trigger calls")
        return problems

    def list_files(self, plugin_filename: str) -> list[SourceFile]:
        """Return the files of a plugin in the plugin dir; none for ``gh:`` and for what is not there."""
        if self._plugin_dir is None or plugin_filename.startswith(PREFIX):
            return []
        try:
            path = self._locate(plugin_filename)
            files = _python_files(path)
        except (OSError, PluginError):  # a listing shows what is there
            return []
        return [
            SourceFile(
                plugin_filename if file == path else str(file.relative_to(path)),
                self._plugin_dir / plugin_filename if file == path else file,
                status.st_size,
                status.st_mtime_ns // 1_000_000,
            )
            for file, status in files
        ]

    # ---- changing

    def write_file(self, plugin_filename: str, content: str) -> None:
        """Create or replace one file of the plugin dir.

        Raises:
            EngineOff: there is no plugin dir.
            PluginError: the name leaves the plugin dir, or it cannot be written.
        """
        _refuse_repository(plugin_filename)
        self._write(self._locate(plugin_filename), content)

    def replace_file(self, plugin_filename: str, content: str) -> None:
        """Replace a plugin's file, or the ``__init__.py`` of its folder; raises as ``write_file``."""
        _refuse_repository(plugin_filename)
        path = self._locate(plugin_filename)
        self._write(path / INIT if path.is_dir() else path, content)

    def replace_folder(self, plugin_filename: str, files: Sequence[tuple[str, str]]) -> None:
        """Have a plugin's folder hold exactly ``files`` (relative path, text).

        Raises:
            InvalidRequest: the plugin is a single file, or ``files`` make no package; nothing has changed.
            EngineOff, PluginError: as ``write_file``; nothing has changed.
        """
        _refuse_repository(plugin_filename)
        path = self._locate(plugin_filename)
        for relative, _ in files:
            if leaves_folder(relative):
                raise PluginError(_traversal(relative))
        if path.exists() and not path.is_dir():
            raise InvalidRequest(f"plugin {plugin_filename} is a single file, not a directory")
        if INIT not in (relative for relative, _ in files):
            raise InvalidRequest(f"Multi-file plugin directory must contain __init__.py: {plugin_filename}")
        try:
            replace_folder(path, [(relative, text.encode()) for relative, text in files])
        except (OSError, ValueError) as error:
            raise PluginError(f"writing plugin directory: {error}") from error

    # ---- paths

    def _locate(self, plugin_filename: str) -> Path:
        """Return the real path of a name in the plugin dir, which need not exist, links followed."""
        root = self._dir().resolve()
        if leaves_folder(plugin_filename):
            raise PluginError(_traversal(plugin_filename))
        try:
            path = (root / plugin_filename.rstrip("/")).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL in the name
            raise PluginNotFound(f"reading plugin file: {error}") from error
        if not path.is_relative_to(root):
            raise PluginError(_traversal(plugin_filename))
        return path

    def _dir(self) -> Path:
        if self._plugin_dir is None:
            raise EngineOff(NO_PLUGIN_DIR)
        return self._plugin_dir

    def _repository_name(self, plugin_filename: str) -> str:
        self._dir()
        name = plugin_filename.removeprefix(PREFIX).lstrip("/")
        if leaves_folder(name):
            raise PluginError(_traversal(plugin_filename))
        return name

    def _write(self, path: Path, content: str) -> None:
        try:
            write_file(path, content.encode())
        except (OSError, ValueError) as error:
            raise PluginError(f"writing plugin file: {error}") from error


def leaves_folder(relative: str) -> bool:
    """Return whether a relative path could lead out of the folder that it is meant for, on any system."""
    is_absolute = relative.startswith("/") or DRIVE_OR_SHARE.match(relative) is not None
    return is_absolute or ".." in re.split(r"[/\\]", relative)


def _traversal(name: str) -> str:
    return f"Path traversal detected: plugin filename '{name}' attempts to access files outside the plugin directory"


def _refuse_repository(plugin_filename: str) -> None:
    if plugin_filename.startswith(PREFIX):
        raise InvalidRequest(f"plugin {plugin_filename} comes from a repository and cannot be written")


def _check_readable(path: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise PluginNotFound(f"reading plugin file: Plugin not found: {path}") from error
    except OSError as error:
        raise PluginNotFound(f"reading plugin file: {error}") from error
    main = path / INIT if is_folder else path
    if is_folder and not main.is_file():
        raise PluginNotFound(f"reading plugin file: Multi-file plugin directory must contain __init__.py: {path}")
    try:
        main.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"reading plugin file: {error}: {main}") from error


def _stamps(path: str) -> tuple[Stamp, ...]:
    """Return what changes when the thing at ``path``, links followed, becomes another one; nothing if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - at every run, and three times as fast
        if not stat.S_ISDIR(status.st_mode):
            return (Stamp.of(status),)
        return Stamp.of(status), Stamp.of(os.stat(f"{path}/{INIT}"))  # noqa: PTH116
    except OSError:
        return ()


def _python_files(path: Path) -> list[tuple[Path, os.stat_result]]:
    """Return ``path``, or all Python files below it in order, with their status; raises ``OSError`` if it is not there."""
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        return [(path, status)]
    return sorted(_below(path), key=lambda found: found[0])


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _below(Path(entry.path))
            elif entry.name.endswith(".py") and entry.is_file():
                yield Path(entry.path), entry.stat()


def _hash_of(files: Sequence[Path], root: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()
