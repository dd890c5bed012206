"""Which version of a plugin its files are: hashes of what they hold, and what can be said of them without running them."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.host.stamps import Stamp
from engine.plugins.inspection import Inspection, inspect_source

ENTRY_POINTS = ("process_writes", "process_scheduled_call", "process_request")


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One file of a plugin as it is now.

    Attributes:
        content_hash: SHA-256 of what it holds, in hex.
        entry_points: the functions in it that triggers could call.
        problem: why it cannot be read or does not compile, ``None`` if it can and does.
    """

    path: Path
    size_bytes: int
    modified_ms: int
    content_hash: str
    entry_points: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: Stamp
    digest: str


class Versions:
    """Reads plugin files, each once as long as it does not change; safe for several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._digests: dict[Path, _Known] = {}
        self._looks: dict[Path, tuple[str, Inspection]] = {}
        self._wholes: dict[Path, tuple[tuple[tuple[Path, Stamp], ...], str]] = {}

    def hash_of(self, plugin: Path) -> str:
        """Return the hash of a plugin: the SHA-256 of its file; for a folder that of all its Python files.

        The latter is what ``find * -name '*.py' | LC_ALL=C sort | xargs sha256sum | sha256sum`` says in the folder.

        Raises:
            OSError: they cannot be read.
        """
        files = python_files(plugin)
        if files and files[0][0] == plugin:
            return self._digest(plugin, Stamp.of(files[0][1]))
        stamps = tuple((path, Stamp.of(status)) for path, status in files)
        known = self._wholes.get(plugin)
        if known is not None and known[0] == stamps:
            return known[1]
        whole = folder_hash([(str(path.relative_to(plugin)), self._digest(path, stamp)) for path, stamp in stamps])
        if self._all_settled(stamps):
            self._wholes[plugin] = (stamps, whole)
        return whole

    def files_of(self, plugin: Path) -> list[FileVersion]:
        """Return what is in a plugin; raises ``OSError`` if it is not there."""
        return [self._describe(path, status) for path, status in python_files(plugin)]

    def _describe(self, path: Path, status: os.stat_result) -> FileVersion:
        size, modified_ms = status.st_size, status.st_mtime_ns // 1_000_000
        try:
            digest = self._digest(path, Stamp.of(status))
            known, look = self._looks.get(path, ("", Inspection()))
            if known != digest:
                look = inspect_source(path.read_text("utf-8-sig"), path.name)
                self._looks[path] = (digest, look)
        except (OSError, UnicodeDecodeError) as error:
            return FileVersion(path, size, modified_ms, "", (), f"{type(error).__name__}: {error}")
        found = tuple(name for name in ENTRY_POINTS if name in look.names)
        return FileVersion(path, size, modified_ms, digest, found, look.problem)

    def _digest(self, path: Path, stamp: Stamp) -> str:
        known = self._digests.get(path)
        if known is not None and known.stamp == stamp:
            return known.digest
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if stamp.is_settled(self._clock.now_ns()):
            self._digests[path] = _Known(stamp, digest)
        return digest

    def _all_settled(self, stamps: Sequence[tuple[Path, Stamp]]) -> bool:
        now_ns = self._clock.now_ns()
        return all(stamp.is_settled(now_ns) for _, stamp in stamps)


def folder_hash(files: Sequence[tuple[str, str]]) -> str:
    """Return the hash of a folder whose files have these (relative path, SHA-256 in hex)."""
    lines = sorted((os.fsencode(name), digest) for name, digest in files)
    return hashlib.sha256(b"".join(digest.encode() + b"  " + name + b"\n" for name, digest in lines)).hexdigest()


def python_files(path: Path) -> list[tuple[Path, os.stat_result]]:
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
