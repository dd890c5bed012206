"""A disk that is full, or broken, at chosen places until it is not any more."""

import errno
import os
from pathlib import Path

from engine.disk import AppendFile, Bytes, RealDisk


class FullDisk(RealDisk):
    """A disk that raises as ``fill`` says.

    Attributes:
        free: what ``free_bytes`` says; ``None`` = the truth.
        refused: how often it raised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.free: int | None = None
        self.refused = 0
        self._places: frozenset[str] = frozenset()
        self._number = errno.ENOSPC
        self._after = 0

    def fill(self, *places: str, number: int = errno.ENOSPC, after: int = 0) -> None:
        """Raise ``number`` at ``places`` when they were passed ``after`` times more.

        Places are ``begin`` of a segment, ``append`` to it, its ``sync``; ``write``, ``sync_file``, ``replace``, ``link`` and
        ``make_folder``.
        """
        self._number = number
        self._after = after
        self._places = frozenset(places)

    def clear(self) -> None:
        """Be as good as new."""
        self._places = frozenset()

    def check(self, place: str, path: Path | None = None) -> None:
        """Raise if this place is full."""
        if place in self._places:
            self._after -= 1
            if self._after >= 0:
                return
            self.refused += 1
            raise OSError(self._number, os.strerror(self._number), str(path) if path else None)

    def free_bytes(self, path: Path) -> int:
        """See ``Disk``."""
        return super().free_bytes(path) if self.free is None else self.free

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``; a file that could not be begun is there, as on a real disk."""
        if "begin" in self._places and self._after < 1:
            super().open_append(path).close()
        self.check("begin", path)
        return _File(self, super().open_append(path, preallocate_bytes))

    def write(self, path: Path, data: Bytes) -> None:
        """See ``Disk``; half of the data is written."""
        if "write" in self._places and self._after < 1:
            super().write(path, bytes(data)[: len(data) // 2])
        self.check("write", path)
        super().write(path, data)

    def sync_file(self, path: Path) -> None:
        """See ``Disk``."""
        self.check("sync_file", path)
        super().sync_file(path)

    def replace(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        self.check("replace", target)
        super().replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """See ``Disk``."""
        self.check("link", target)
        super().link(source, target)

    def make_folder(self, path: Path) -> None:
        """See ``Disk``."""
        if not path.exists():
            self.check("make_folder", path)
        super().make_folder(path)


class _File:
    def __init__(self, disk: FullDisk, real: AppendFile) -> None:
        self._disk = disk
        self._real = real

    def write_at(self, offset: int, *parts: Bytes) -> None:
        if offset:  # half of it is written
            try:
                self._disk.check("append")
            except OSError:
                self._real.write_at(offset, b"".join(parts)[: sum(map(len, parts)) // 2])
                raise
        self._real.write_at(offset, *parts)

    def sync(self) -> None:
        self._disk.check("sync")
        self._real.sync()

    def truncate(self, size: int) -> None:
        self._real.truncate(size)

    def close(self) -> None:
        self._real.close()
