"""Plugins that triggers name as ``gh:…``: fetched from one address, kept on disk for times without network."""

import hashlib
import json
import logging
import threading
from pathlib import Path

from engine.clock import Clock
from engine.errors import PluginError
from engine.plugins.archives import ArchiveRefused, Limits, unpack
from engine.plugins.places import INIT
from engine.plugins.repository_names import (
    Archived,
    Folder,
    InGit,
    RepositoryName,
    SingleFile,
    locate,
    parse_repository_name,
    shown,
)
from engine.plugins.transport import NotThere, Transport, Unreachable
from engine.plugins.uploads import replace_folder, write_file
from engine.plugins.versions import folder_hash

logger = logging.getLogger(__name__)

BYTECODE = "__pycache__"


class Repository:
    """What is below ``base`` (``http:``, ``https:`` or ``file:``), each plugin kept in ``cache_dir`` once it was fetched."""

    def __init__(self, base: str, cache_dir: Path, clock: Clock, limits: Limits | None = None) -> None:
        self._base = base
        self._cache_dir = cache_dir
        self._clock = clock
        self._limits = limits or Limits()
        self._transport = Transport(clock, self._limits)
        self._storing = threading.Lock()
        self._notes: dict[str, str] = {}

    def cached(self, name: str) -> Path:
        """Return where the plugin ``name`` is kept, if it was fetched ever."""
        return self._copy_of(parse_repository_name(name))

    def get(self, name: str) -> Path:
        """Return where the plugin ``name`` is kept; it is fetched if it is not there. Raises as ``fetch``."""
        return self.copy(name) or self.fetch(name)

    def copy(self, name: str) -> Path | None:
        """Return where the plugin ``name`` is kept; ``None`` if it is not, or has not the checksum that ``name`` tells."""
        wanted = parse_repository_name(name)
        path = self._copy_of(wanted)
        return path if self._has(wanted, path) else None

    def fetch(self, name: str) -> Path:
        """Get the plugin ``name`` anew, keep it, return where.

        One whose checksum the copy has is not fetched again. While the repository cannot be reached the copy is
        returned, and ``note`` says so.

        Raises:
            InvalidRequest: the name is none.
            PluginError: it is not there, is no text, has another checksum, or cannot be reached and was never fetched.
        """
        wanted = parse_repository_name(name)
        path = self._copy_of(wanted)
        is_pinned = wanted.sha256 is not None and self._has(wanted, path)
        return path if is_pinned else self._fetch(wanted, path)

    def hash_of(self, name: str) -> str:
        """Return the checksum that the copy of ``name`` has; raises ``OSError`` if there is none."""
        return _hash_of(_files_at(self.cached(name)))

    def note(self, name: str) -> str | None:
        """Return why the last ``fetch`` returned an older copy, ``None`` if it did not."""
        return self._notes.get(name)

    def _fetch(self, wanted: RepositoryName, path: Path) -> Path:
        self._notes.pop(wanted.text, None)
        try:
            files = self._read(wanted)
        except Unreachable as error:
            if not self._has(wanted, path):
                raise PluginError(f"error getting plugin from repository: {error}") from error
            self._notes[wanted.text] = f"plugin {wanted.text} cannot be fetched, the copy on disk is used: {error}"
            logger.warning("plugin not reachable, the copy on disk is used plugin=%s reason=%s", wanted.text, error)
            return path
        self._check(wanted, files)
        try:
            with self._storing:
                self._store(wanted, path, files)
        except (OSError, ValueError) as error:
            raise PluginError(f"error keeping plugin from repository: {error}") from error
        return path

    def _read(self, wanted: RepositoryName) -> dict[str, bytes]:
        """Return the files of a plugin; that of a single one under ``''``."""
        place = locate(self._base, wanted)
        match place:
            case SingleFile(url):
                return {"": self._transport.read(url)}
            case Folder(url):
                return self._transport.folder(url)
            case InGit(url, revision, path):
                archive, inside = self._transport.git_archive(url, revision, path), path
            case Archived(urls, inside):
                archive = self._first(urls)
        try:
            files = unpack(archive, inside, self._limits)
        except ArchiveRefused as error:
            raise PluginError(f"error reading plugin from repository: {shown(self._base)}: {error}") from error
        if ("" in files) is not wanted.is_folder and files:
            return files
        raise NotThere(
            f"error fetching plugin from repository: 404 Not Found {wanted.copy_key} in {self._address(place)}"
        )

    def _address(self, place: Archived | InGit) -> str:
        return shown(place.urls[0] if isinstance(place, Archived) else place.url)

    def _first(self, urls: tuple[str, ...]) -> bytes:
        for url in urls[:-1]:
            try:
                return self._transport.read(url)
            except NotThere:
                continue
        return self._transport.read(urls[-1])

    def _check(self, wanted: RepositoryName, files: dict[str, bytes]) -> None:
        """Accept files that are what was asked for; nothing is kept of others."""
        if wanted.is_folder and INIT not in files:
            raise PluginError(f"reading plugin file: Multi-file plugin directory must contain {INIT}: {wanted.text}")
        for relative, content in files.items():
            if relative in ("", INIT) or relative.endswith(".py"):
                try:
                    content.decode()
                except UnicodeDecodeError as error:
                    where = f"{wanted.text}{' ' + relative if relative else ''}"
                    raise PluginError(f"error reading plugin from repository: {where}: {error}") from error
        found = _hash_of(files)
        if wanted.sha256 is not None and found != wanted.sha256:
            raise PluginError(
                f"error reading plugin from repository: {wanted.text} has another content: its checksum is sha256={found}"
            )

    def _store(self, wanted: RepositoryName, path: Path, files: dict[str, bytes]) -> None:
        if path.exists() and _hash_of(_files_at(path)) == _hash_of(files):
            return
        if wanted.is_folder:
            replace_folder(path, list(files.items()))
        else:
            write_file(path, files[""])
        about = {
            "plugin": wanted.text,
            "repository": shown(self._base),
            "sha256": _hash_of(files),
            "fetched_ns": self._clock.now_ns(),
        }
        write_file(path.parent.with_suffix(".json"), json.dumps(about, indent=1).encode())

    def _has(self, wanted: RepositoryName, path: Path) -> bool:
        """Return whether there is a copy, with the right checksum if there is to be one."""
        if not (path / INIT if wanted.is_folder else path).is_file():
            return False
        if wanted.sha256 is None:
            return True
        try:
            return _hash_of(_files_at(path)) == wanted.sha256
        except OSError:
            return False

    def _copy_of(self, wanted: RepositoryName) -> Path:
        base = self._base if self._base.endswith("/") else f"{self._base}/"
        digest = hashlib.sha256((base + wanted.copy_key).encode(errors="surrogateescape")).hexdigest()
        return self._cache_dir / digest[:16] / (wanted.path.rpartition("/")[2] or "plugin")


def _hash_of(files: dict[str, bytes]) -> str:
    """Return the SHA-256 of a single file, or that of all files of a folder (``folder_hash``)."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return digests[""] if "" in digests else folder_hash(list(digests.items()))


def _files_at(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    found = (file for file in path.rglob("*") if BYTECODE not in file.parts and file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in found}
