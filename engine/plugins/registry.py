"""The plugins of this server: where the code of a ``plugin_filename`` is, what its files hold, and how they change."""

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.clock import Clock
from engine.errors import EngineError, InvalidRequest, PluginError, PluginNotFound
from engine.host.protocol import PluginSource, RunKind
from engine.host.stamps import Stamp
from engine.plugins.fetching import Fetching
from engine.plugins.inspection import problems_of
from engine.plugins.places import INIT, PluginFolder, check_readable, leaves_folder, traversal
from engine.plugins.repository import Repository
from engine.plugins.repository_names import PREFIX
from engine.plugins.uploads import clear_leftovers, replace_folder, undoing, write_file
from engine.plugins.versions import FileVersion, Versions, python_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a plugin; ``name`` is relative to the folder of a multi-file plugin, else the ``plugin_filename``.

    Attributes:
        plugin_hash: of the plugin as a whole.
        loaded_ns: when a run first had the plugin as it is now, since the start; ``None`` = none yet.
    """

    name: str
    path: Path
    version: FileVersion
    plugin_hash: str
    loaded_ns: int | None


class PluginRegistry:
    """Finds, describes and replaces plugins; safe for several threads.

    Args:
        plugin_dir: where plugins are; ``None`` = the Processing engine is off and every call raises ``EngineOff``.
        repository: base address of ``gh:`` plugins.
        cache_dir: where those are kept.
    """

    def __init__(self, plugin_dir: Path | None, repository: str, cache_dir: Path, clock: Clock) -> None:
        self._folder = PluginFolder(plugin_dir)
        self._has_folder = plugin_dir is not None
        self._repository = Repository(repository, cache_dir, clock)
        self._fetching = Fetching(self._repository.fetch, clock)
        self._clock = clock
        self._versions = Versions(clock)
        self._changing = threading.RLock()
        self._resolved: dict[str, tuple[tuple[Stamp, ...], str, PluginSource]] = {}
        self._last: dict[str, tuple[PluginSource, str]] = {}
        self._current: dict[str, tuple[tuple[Stamp, ...], str, tuple[PluginSource, str]]] = {}
        self._loaded: dict[str, tuple[str, int]] = {}

    def recover(self) -> None:
        """Tidy up what uploads left in the plugin folder when the server was killed."""
        if self._has_folder:
            clear_leftovers(self._folder.root)

    # ---- finding

    def resolve(self, plugin_filename: str) -> PluginSource:
        """Return where the code is; a ``gh:`` plugin is fetched when there is no copy on disk yet.

        Costs little while nothing has changed.

        Raises:
            EngineOff: there is no plugin dir.
            InvalidRequest: the name of a ``gh:`` plugin is none.
            PluginError: the name leaves the plugin dir, or what it names cannot be read.
        """
        return self._resolve(plugin_filename, self._repository.get)

    def _resolve(self, plugin_filename: str, get: Callable[[str], Path]) -> PluginSource:
        known = self._resolved.get(plugin_filename)
        if known is not None and known[0] == _stamps(known[1]):
            return known[2]
        root = self._folder.root
        if plugin_filename.startswith(PREFIX):
            path = as_named = get(plugin_filename)
        else:
            path, as_named = self._folder.locate(plugin_filename), root / plugin_filename
            check_readable(path)
        source = PluginSource(plugin_filename, str(path))
        stamps = _stamps(str(as_named))
        if stamps:
            self._resolved[plugin_filename] = (stamps, str(as_named), source)
        return source

    def check_on(self) -> None:
        """Raise ``EngineOff`` if there is no plugin dir."""
        _ = self._folder.root

    def refresh(self, plugin_filename: str) -> PluginSource:
        """Do as ``resolve``, but get a ``gh:`` plugin anew (for creating, enabling and testing).

        Without network the copy on disk is used, if there is one; ``note`` says so then.
        """
        if plugin_filename.startswith(PREFIX):
            self.check_on()
            self._repository.fetch(plugin_filename)
            self._resolved.pop(plugin_filename, None)
        return self.resolve(plugin_filename)

    def note(self, plugin_filename: str) -> str | None:
        """Return what a person should know of the last ``refresh``, ``None`` if it went as wished."""
        return self._repository.note(plugin_filename)

    def on_disk(self, plugin_filename: str) -> PluginSource | None:
        """Return where the code is, ``None`` if it is not there; nothing is fetched."""
        try:
            if not plugin_filename.startswith(PREFIX):
                return self.resolve(plugin_filename)
            path = self._repository.copy(plugin_filename)
        except EngineError:
            return None
        return PluginSource(plugin_filename, str(path)) if path is not None else None

    def to_run(self, plugin_filename: str) -> tuple[PluginSource, str]:
        """Return where the code for a run is, and the hash of what it holds.

        Of a plugin that cannot be read any more both are what they were last, with the text of a single file. Nothing is
        waited for: a ``gh:`` plugin of which there is no copy is fetched in the background.

        Raises:
            EngineError: as ``resolve``, and it was never read.
        """
        current = self._current.get(plugin_filename)
        if current is not None and current[0] == _stamps(current[1]):
            return current[2]
        last = self._last.get(plugin_filename)
        try:
            source, version = self._read(plugin_filename)
        except EngineError as error:
            if last is None or (plugin_filename.startswith(PREFIX) and Path(last[0].path).exists()):
                raise  # what is there now is not what was asked for
            logger.debug("plugin is not readable, its last known code runs: plugin=%s %s", plugin_filename, error)
            return last
        if self._loaded.get(source.path, ("", 0))[0] != version:
            self._loaded[source.path] = (version, self._clock.now_ns())
        self._note_current(plugin_filename, source, version)
        return source, version

    def _note_current(self, plugin_filename: str, source: PluginSource, version: str) -> None:
        """Remember what to run as long as the one file that it is stays the same; a folder has others below it."""
        stamps, named, _ = self._resolved.get(plugin_filename, ((), "", source))
        if len(stamps) == 1 and stamps[0].is_settled(self._clock.now_ns()):
            self._current[plugin_filename] = stamps, named, (source, version)

    def remember(self, plugin_filename: str) -> None:
        """Read a plugin, for the case that its file is gone before it is run; nothing is fetched for that."""
        if not plugin_filename.startswith(PREFIX):
            with suppress(EngineError):  # the first run tells it
                self._read(plugin_filename)

    def _read(self, plugin_filename: str) -> tuple[PluginSource, str]:
        source = self._resolve(plugin_filename, self._copy)
        version = self.content_hash(source)
        last = self._last.get(plugin_filename)
        if last is None or (last[0].path, last[1]) != (source.path, version):
            if plugin_filename.startswith(PREFIX):
                self._copy(
                    plugin_filename
                )  # a file deep in a package may have changed: its checksum is to be looked at
            self._last[plugin_filename] = msgspec.structs.replace(source, text=_text(Path(source.path))), version
        return source, version

    def fetch_missing(self, plugin_filenames: Iterable[str]) -> None:
        """Fetch those ``gh:`` plugins of which there is no copy; what fails is logged."""
        if self._has_folder:
            named = {name for name in plugin_filenames if name.startswith(PREFIX)}
            self._fetching.all_of(name for name in sorted(named) if not self._has_copy(name))

    def _has_copy(self, name: str) -> bool:
        try:
            return self._repository.copy(name) is not None
        except EngineError:  # no name at all, in a catalog edited by hand: its runs say so
            return True

    def _copy(self, name: str) -> Path:
        path = self._repository.copy(name)
        if path is None:
            self._fetching.soon(name)
            raise PluginError(f"error getting plugin from repository: {name} is not on disk; it is being fetched")
        return path

    # ---- describing

    def content_hash(self, source: PluginSource) -> str:
        """Return a hash of what the plugin's file, or all Python files of its folder, hold now.

        Raises:
            PluginNotFound: they cannot be read.
        """
        try:
            return self._versions.hash_of(Path(source.path))
        except OSError as error:
            raise PluginNotFound(f"reading plugin file: {error}") from error

    def warnings(self, source: PluginSource, kind: RunKind) -> list[str]:
        """Return what the author should know before a run of ``kind``: it does not compile, its function is missing."""
        path = Path(source.path)
        try:
            files = [file for file, _ in python_files(path)]
            texts = {"" if f == path else f.relative_to(path).as_posix(): f.read_text("utf-8-sig") for f in files}
        except (OSError, UnicodeDecodeError) as error:
            return [f"plugin {source.filename} cannot be read: {error}"]
        return problems_of(source.filename, texts, kind)

    def list_files(self, plugin_filename: str) -> list[SourceFile]:
        """Return the files of a plugin; none for what is not there, or was never fetched."""
        if not self._has_folder:
            return []
        is_fetched = plugin_filename.startswith(PREFIX)
        try:
            path = self._repository.cached(plugin_filename) if is_fetched else self._folder.locate(plugin_filename)
            files, whole = self._versions.files_of(path), self._versions.hash_of(path)
            told = self._repository.hash_of(plugin_filename) if is_fetched else whole
        except (OSError, EngineError):  # a listing shows what is there
            return []
        loaded_hash, loaded_ns = self._loaded.get(str(path), ("", 0))
        as_named = path if is_fetched else self._folder.root / plugin_filename
        return [
            SourceFile(
                plugin_filename if file.path == path else file.path.relative_to(path).as_posix(),
                as_named if file.path == path else file.path,
                file,
                told,
                loaded_ns if loaded_hash == whole else None,
            )
            for file in files
        ]

    # ---- changing

    def write_file(self, plugin_filename: str, content: str) -> None:
        """Create or replace one file of the plugin dir.

        Raises:
            EngineOff: there is no plugin dir.
            InvalidRequest: no plugin can be in this place.
            PluginError: the name leaves the plugin dir, or it cannot be written.
        """
        _refuse_repository(plugin_filename)
        with self._changing:
            _write(self._folder.to_write(plugin_filename), content)

    def replace_file(self, plugin_filename: str, content: str) -> None:
        """Replace a plugin's file, or the ``__init__.py`` of its folder; raises as ``write_file``."""
        _refuse_repository(plugin_filename)
        with self._changing:
            path = self._folder.to_write(plugin_filename)
            _write(path / INIT if path.is_dir() else path, content)

    def replace_folder(self, plugin_filename: str, files: Mapping[str, str] | Sequence[tuple[str, str]]) -> None:
        """Have a plugin's folder hold exactly ``files`` (relative path, text).

        Raises:
            InvalidRequest: the plugin is a single file, or ``files`` make no package; nothing has changed.
            EngineOff, PluginError: as ``write_file``; nothing has changed.
        """
        _refuse_repository(plugin_filename)
        path = self._folder.to_write(plugin_filename)
        wanted = list(files.items()) if isinstance(files, Mapping) else list(files)
        for relative, _ in wanted:
            if leaves_folder(relative):
                raise PluginError(traversal(relative))
        if path.exists() and not path.is_dir():
            raise InvalidRequest(f"plugin {plugin_filename} is a single file, not a directory")
        if INIT not in (relative for relative, _ in wanted):
            raise InvalidRequest(f"Multi-file plugin directory must contain __init__.py: {plugin_filename}")
        try:
            encoded = [(relative, text.encode()) for relative, text in wanted]
            with self._changing:
                replace_folder(path, encoded)
        except (OSError, ValueError) as error:
            raise PluginError(f"writing plugin directory: {error}") from error

    @contextmanager
    def uploaded(self, files: Mapping[str, str]) -> Iterator[None]:
        """Write ``files`` (name in the plugin dir, text) for something that needs them; undo that if it fails.

        Raises:
            EngineError: as ``write_file``; nothing has changed.
        """
        if not files:
            yield
            return
        with self._changing:
            paths = {name: self._folder.to_write(name) for name in files}
            with undoing(list(paths.values())):
                for name, content in files.items():
                    _write(paths[name], content)
                yield


def _refuse_repository(plugin_filename: str) -> None:
    if plugin_filename.startswith(PREFIX):
        raise InvalidRequest(f"plugin {plugin_filename} comes from a repository and cannot be written")


def _write(path: Path, content: str) -> None:
    try:
        write_file(path, content.encode())
    except (OSError, ValueError) as error:
        raise PluginError(f"writing plugin file: {error}") from error


def _text(path: Path) -> str | None:
    """Return what a file holds, ``None`` for a folder: hosts keep the modules of that."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _stamps(path: str) -> tuple[Stamp, ...]:
    """Return what changes when the thing at ``path``, links followed, becomes another one; nothing if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - at every run, and three times as fast
        if not stat.S_ISDIR(status.st_mode):
            return (Stamp.of(status),)
        return Stamp.of(status), Stamp.of(os.stat(f"{path}/{INIT}"))  # noqa: PTH116
    except OSError:
        return ()
