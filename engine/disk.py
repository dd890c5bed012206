"""The port to files: everything that must survive a crash goes through it, so that tests can lose what was not synced."""

import errno
import fcntl
import itertools
import mmap
import os
import shutil
import stat
from pathlib import Path
from typing import Protocol

from engine.errors import FolderInUse
from engine.freeing import STEP_BYTES, Freeing

Bytes = bytes | bytearray | memoryview

NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
"""The numbers of an ``OSError`` that mean: the disk is full, or this user's part of it."""

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class AppendFile(Protocol):
    """A file that is open for writing; its owner knows the offsets."""

    def write_at(self, offset: int, *parts: Bytes) -> None:
        """Write ``parts``, a few buffers, one behind the other from ``offset`` on, in one call to the system."""

    def sync(self) -> None:
        """Return when everything written before is on the disk, with what is needed to read it.

        After an ``OSError`` nobody knows what is there, and a second sync that succeeds says nothing about it.
        """

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes, or lengthen it with zeros."""

    def close(self) -> None:
        """Give the file back; does not sync. A second call does nothing."""


class Lock(Protocol):
    """A lock that is held until it is released or its process ends."""

    def release(self) -> None:
        """Let others have it. A second call does nothing."""


class Disk(Protocol):
    """Files and folders of one machine.

    A file's content is durable after ``sync_file`` (or ``AppendFile.sync``), a name – made, renamed, linked or removed –
    after ``sync_folder`` of the folder it stands in; one does not imply the other. Files and folders are made for their
    owner only. Failures are ``OSError``; all methods may be called from any thread.
    """

    def make_folder(self, path: Path) -> None:
        """Make ``path`` and the folders above it, where they are missing."""

    def list_folder(self, path: Path) -> list[str]:
        """Return the sorted names in ``path``."""

    def exists(self, path: Path) -> bool:
        """Tell whether there is a file or folder ``path``."""

    def read(self, path: Path) -> bytes:
        """Return the whole content."""

    def size(self, path: Path) -> int:
        """Return the length in bytes."""

    def map(self, path: Path) -> memoryview:
        """Return the content as it is mapped into memory, read only; later writes within its length show in it."""

    def write(self, path: Path, data: Bytes) -> None:
        """Make ``path`` hold exactly ``data``; a crash before ``sync_file`` may leave any part of it."""

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """Open ``path``, made if missing, and lengthen it with zeros to ``preallocate_bytes``, the space reserved."""

    def sync_file(self, path: Path) -> None:
        """Return when the content of ``path`` is on the disk; see ``AppendFile.sync`` for failures."""

    def sync_folder(self, path: Path) -> None:
        """Return when the names in ``path`` are on the disk as they are now."""

    def replace(self, source: Path, target: Path) -> None:
        """Rename ``source`` to ``target`` in one step; what ``target`` was before is gone."""

    def link(self, source: Path, target: Path) -> None:
        """Give the file ``source`` a second name."""

    def remove(self, path: Path) -> None:
        """Remove the file's name; who has it open or mapped keeps the content."""

    def remove_folder(self, path: Path) -> None:
        """Remove a folder with everything in it."""

    def lock(self, path: Path) -> Lock:
        """Take the lock file ``path``, made if missing.

        Raises:
            FolderInUse: another process (or another caller) holds it.
        """

    def free_bytes(self, path: Path) -> int:
        """Return how much space is left for this process where ``path`` is."""


def replace_file(disk: Disk, path: Path, data: Bytes) -> None:
    """Make ``path`` hold ``data`` durably: a crash leaves the whole old content or the whole new one."""
    aside = path.with_name(path.name + ".new")
    disk.write(aside, data)
    disk.sync_file(aside)
    disk.replace(aside, path)
    disk.sync_folder(path.parent)


class RealDisk:
    """The machine's own files; see ``Disk``."""

    def __init__(self) -> None:
        self._freeing = Freeing()

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)

    def list_folder(self, path: Path) -> list[str]:
        """See ``Disk``."""
        return sorted(inner.name for inner in path.iterdir())

    def exists(self, path: Path) -> bool:
        """See ``Disk``."""
        return path.exists()

    def read(self, path: Path) -> bytes:
        """See ``Disk``."""
        return path.read_bytes()

    def size(self, path: Path) -> int:
        """See ``Disk``."""
        return path.stat().st_size

    def map(self, path: Path) -> memoryview:
        """See ``Disk``."""
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def write(self, path: Path, data: Bytes) -> None:
        """See ``Disk``."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
        try:
            _write_all(fd, 0, data)
        finally:
            os.close(fd)

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        try:
            if preallocate_bytes > os.fstat(fd).st_size:
                os.posix_fallocate(fd, 0, preallocate_bytes)
        except OSError:
            os.close(fd)
            raise
        return _RealFile(fd)

    def sync_file(self, path: Path) -> None:
        """See ``Disk``."""
        _sync(path, os.O_RDONLY)

    def sync_folder(self, path: Path) -> None:
        """See ``Disk``."""
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def replace(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        target.hardlink_to(source)

    def remove(self, path: Path) -> None:
        """See ``Disk``."""
        facts = path.lstat()
        if facts.st_nlink > 1 or facts.st_size <= STEP_BYTES or not stat.S_ISREG(facts.st_mode):
            path.unlink()
            return
        try:
            fd = os.open(path, os.O_WRONLY)
        except OSError:  # too many files are open, or it is read-only: its space comes back all at once
            path.unlink()
            return
        try:
            path.unlink()
        except OSError:
            os.close(fd)
            raise
        self._freeing.take(fd)

    def remove_folder(self, path: Path) -> None:
        """See ``Disk``."""
        for inner in path.rglob("*"):
            if not inner.is_dir():
                self.remove(inner)
        shutil.rmtree(path)

    def lock(self, path: Path) -> Lock:
        """See ``Disk``."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(fd, 20, 0).decode(errors="replace").strip()
            os.close(fd)
            raise FolderInUse(
                f"the data folder {path.parent} is in use by another influxdb3 server (process {holder or 'unknown'}); "
                "stop that one, or choose another --data-dir or --node-id"
            ) from exc
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return _RealLock(fd)

    def free_bytes(self, path: Path) -> int:
        """See ``Disk``."""
        facts = os.statvfs(path)
        return facts.f_bavail * facts.f_frsize


class _RealFile:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write_at(self, offset: int, *parts: Bytes) -> None:
        wanted = sum(map(len, parts))
        written = os.pwritev(self._fd, parts, offset)
        if written < wanted:
            _write_all(self._fd, offset + written, memoryview(b"".join(parts))[written:])

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _RealLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _write_all(fd: int, offset: int, data: Bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        offset += written
        rest = rest[written:]


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_durable_folder(disk: Disk, path: Path) -> None:
    """Make ``path`` and the folders above it, where they are missing, so that a crash does not take them away again."""
    made = list(itertools.takewhile(lambda folder: not disk.exists(folder), [path, *path.parents]))
    disk.make_folder(path)
    for folder in made:
        disk.sync_folder(folder.parent)
