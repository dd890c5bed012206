"""Backups: a consistent copy of a node as a stream, made while everything goes on.

What a backup consists of is pinned at one moment by hard links, which costs no space and no waiting: sealed segments of the
log up to its newest record, and what manifest and checkpoint say. Then it is sent file by file.
"""

import itertools
import json
import logging
import tarfile
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.clock import Clock
from engine.disk import Disk
from engine.errors import InvalidRequest, StorageError, Unavailable
from engine.model.backup import CONTENTS, FORMAT, MARK
from engine.paths import CATALOG, MANIFEST, NodePaths
from engine.storage.history import RUNS
from engine.storage.manifest import Manifest, encode_manifest
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
MOST_AT_ONCE = 4
"""So many backups may be made at the same time."""

T = TypeVar("T")


class Stillness(Protocol):
    """Keeps the files of a node as they are for a moment."""

    def while_still(self, use: Callable[[Manifest], T]) -> T:
        """Return what ``use`` makes of the manifest; until then no file, segment or checkpoint comes or goes."""


@dataclass(frozen=True, slots=True)
class BackupSide:
    """What backups need of others.

    Attributes:
        catalog: returns the catalog's file as it is in force.
        kept_elsewhere: the ``--object-store`` that holds the files, if they are not in the folder of the node.
    """

    still: Stillness
    catalog: Callable[[], bytes]
    kept_elsewhere: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a backup: the first ``size`` bytes of ``path``, under ``name``, its path in the folder of the node."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Backup:
    """What was pinned.

    Attributes:
        last_position: everything in the log up to here is in it.
        missing: what the manifest names and is not there; the node had lost it before.
    """

    folder: Path
    members: tuple[Member, ...]
    last_position: int
    missing: tuple[str, ...]


class Backups:
    """Makes backups of one node; may be called from any thread."""

    def __init__(self, disk: Disk, clock: Clock, paths: NodePaths, wal: Wal, side: BackupSide) -> None:
        self._disk = disk
        self._clock = clock
        self._paths = paths
        self._wal = wal
        self._side = side
        self._lock = threading.Lock()
        self._under_way = 0
        self._numbers = itertools.count(1)
        if disk.exists(paths.backups):
            disk.remove_folder(paths.backups)  # what a server that was killed had pinned

    def stream(self) -> Generator[bytes]:
        """Yield a backup of everything that was acknowledged before this call, as a tar archive with a list at its end.

        Raises:
            InvalidRequest: the node's files are not here.
            Unavailable: too many are being made, or the log cannot be written.
            OSError: a file cannot be pinned or read.
        """
        if self._side.kept_elsewhere:
            raise InvalidRequest(
                f"the files of this node are kept elsewhere (--object-store {self._side.kept_elsewhere}), and only its "
                "log is here: a backup is made of a server with --object-store file or memory"
            )
        with self._lock:
            if self._under_way >= MOST_AT_ONCE:
                raise Unavailable(f"{MOST_AT_ONCE} backups are being made already; try again when one is done")
            self._under_way += 1
        folder = self._paths.backups / f"{self._clock.now_ns()}-{next(self._numbers)}"
        try:
            began_ns = self._clock.monotonic_ns()
            backup = self._pinned(folder)
            pinned_ns = self._clock.monotonic_ns()
            yield from _archive(backup, self._disk, self._paths.root.name, self._clock.now_ns())
            logger.info(
                "backup sent: files=%d bytes=%d last_position=%d pinned_ms=%d sent_ms=%d",
                len(backup.members),
                sum(member.size for member in backup.members),
                backup.last_position,
                (pinned_ns - began_ns) // 1_000_000,
                (self._clock.monotonic_ns() - pinned_ns) // 1_000_000,
            )
        finally:
            with self._lock:
                self._under_way -= 1
            if self._disk.exists(folder):
                self._disk.remove_folder(folder)

    def _pinned(self, folder: Path) -> Backup:
        pins = _Pins(self._disk, self._paths.root, folder)

        def pin(manifest: Manifest) -> Backup:
            # Caches before the end of the log is settled: none may know of rows that the log of the backup lacks.
            # Backfills before and after it: those that the log names are among them, whether they begin or end just now.
            pins.tree(self._paths.caches, is_wanted=lambda path: path.name.isdigit())
            pins.tree(self._paths.backfills, is_wanted=_is_of_backfill)
            self._wal.rotate().result()
            pins.tree(self._paths.backfills, is_wanted=_is_of_backfill)
            last = self._pin_log(pins)
            for file in manifest.files:
                pins.file(self._paths.table_folder(file.table_id) / file.name, is_named=True)
            if manifest.checkpoint is not None:
                pins.file(self._paths.checkpoints / manifest.checkpoint, is_named=True)
            pins.tree(self._paths.plugin_cache)
            pins.bytes(CATALOG, self._side.catalog())
            pins.bytes(MANIFEST, encode_manifest(manifest))
            return Backup(folder, tuple(pins.members.values()), last, tuple(pins.missing))

        return self._side.still.while_still(pin)

    def _pin_log(self, pins: "_Pins") -> int:
        last = 0
        for segment in self._wal.reader.segments:
            if segment.end is not None:  # what stands behind its end was never acknowledged
                pins.file(segment.path, segment.end.end_offset, is_named=True)
                last = segment.end.last_position
        return last


class _Pins:
    """Hard links in ``folder`` to files below ``root``."""

    def __init__(self, disk: Disk, root: Path, folder: Path) -> None:
        self.members: dict[str, Member] = {}
        self.missing: list[str] = []
        self._disk = disk
        self._root = root
        self._folder = folder
        disk.make_folder(folder)

    def tree(self, folder: Path, is_wanted: Callable[[Path], bool] = lambda path: True) -> None:
        """Pin the files below ``folder`` that are there at the moment."""
        for path in list(_files_below(self._disk, folder)):
            if is_wanted(path):
                self.file(path)

    def file(self, path: Path, size: int | None = None, *, is_named: bool = False) -> None:
        """Pin the first ``size`` bytes of a file; note in ``missing`` if it is not there and something ``is_named`` it."""
        name = path.relative_to(self._root).as_posix()
        if name in self.members:
            return
        pinned = self._folder / str(len(self.members))
        try:
            self._disk.link(path, pinned)
            there = self._disk.size(pinned)
        except FileNotFoundError:
            if is_named:
                self.missing.append(name)
            return
        self.members[name] = Member(name, pinned, there if size is None else min(size, there))

    def bytes(self, name: str, data: bytes) -> None:
        """Add a file that holds ``data``."""
        pinned = self._folder / str(len(self.members))
        self._disk.write(pinned, data)
        self.members[name] = Member(name, pinned, len(data))


def _is_of_backfill(path: Path) -> bool:
    return RUNS not in path.parts


def _files_below(disk: Disk, folder: Path) -> Iterator[Path]:
    if not disk.exists(folder):
        return
    for name in disk.list_folder(folder):
        path = folder / name
        if path.is_dir():
            yield from _files_below(disk, path)
        else:
            yield path


def _archive(backup: Backup, disk: Disk, node_id: str, now_ns: int) -> Iterator[bytes]:
    """Yield the archive: all files, catalog and manifest last, and the list."""
    listed = []
    for member in sorted(backup.members, key=lambda m: m.name in (CATALOG, MANIFEST)):
        checksum = _Checksum(_content(disk, member))
        yield from _entry(f"{node_id}/{member.name}", member.size, now_ns, checksum.pieces())
        listed.append({"name": member.name, "size": member.size, "crc32": checksum.value})
    contents = {
        "format": FORMAT,
        "node_id": node_id,
        "made_ns": now_ns,
        "last_position": backup.last_position,
        "missing": list(backup.missing),
        "files": listed,
    }
    data = json.dumps(contents, indent=1).encode()
    yield from _entry(CONTENTS, len(data), now_ns, iter([data]))
    yield bytes(2 * tarfile.BLOCKSIZE)


class _Checksum:
    """The CRC-32 of what goes by."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.value = 0
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.value = zlib.crc32(piece, self.value)
            yield piece


def _content(disk: Disk, member: Member) -> Iterator[bytes]:
    view = disk.map(member.path)
    for start in range(0, member.size, PIECE_BYTES):
        yield bytes(view[start : min(start + PIECE_BYTES, member.size)])


def _entry(name: str, size: int, now_ns: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, now_ns // 10**9
    yield info.tobuf(tarfile.GNU_FORMAT)
    yield from pieces
    if size % tarfile.BLOCKSIZE:
        yield bytes(-size % tarfile.BLOCKSIZE)


def refuse_unfinished(disk: Disk, paths: NodePaths) -> None:
    """Raise ``StorageError`` if the folder of the node stands in a backup that was not finished."""
    folder = paths.root.parent
    if disk.exists(folder / MARK):
        raise StorageError(
            f"{folder} is a backup that was not finished (it holds the file {MARK}): remove the folder and make the "
            "backup again, or choose another --data-dir; nothing was changed"
        )
