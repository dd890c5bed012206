"""Folders of hard links that queries read: one folder per set of Parquet files, checked once, removed when no query uses it."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from engine.disk import Disk
from engine.model.schema import TableSchema
from engine.storage.checksums import checksum
from engine.storage.manifest import FileEntry
from engine.storage.objects import FileSet
from engine.storage.parquet import decode_parquet, group_times, no_rows
from engine.storage.ranges import EVERYTHING, Range, Ranges, without

logger = logging.getLogger(__name__)

MOST_GONE = 10_000
"""So many names of files that were replaced are kept, the newest: who still asks for one learns that it is not lost."""


@dataclass(slots=True)
class _Set:
    folder: Path
    names: tuple[str, ...]
    files: Sequence[FileEntry] | None = None
    users: int = 0
    is_current: bool = True


class FileSets:
    """Gives each table the folder of its present files; no folder is ever given another content.

    A file is read once and compared with its checksum before it is first linked; a missing or damaged file is left out
    and named in the log and in ``losses``, so the intact data is served.
    """

    def __init__(self, disk: Disk, root: Path, files_of: Callable[[int], Path]) -> None:
        self._disk = disk
        self._root = root
        self._files_of = files_of
        self._lock = threading.Lock()
        self._current: dict[tuple[int, int], _Set] = {}
        self._unused: list[Path] = []
        self._checked: dict[tuple[int, str], bool] = {}
        self._next = 0
        self._prefix = uuid.uuid4().hex[:8]
        self.losses: dict[str, str] = {}
        self._gone: dict[tuple[int, str], None] = {}

    def open_set(self, table_id: int, files: Sequence[FileEntry], place: int = 0) -> FileSet | None:
        """Return a folder of exactly those of ``files`` that are intact; ``None`` if there are none.

        A table may have several folders at once, each in a ``place`` of its own. A folder of these files that stands in
        another place moves to this one.
        """
        with self._lock:
            known = self._current.get((table_id, place))
            if known is not None and known.files is files:  # as of most queries: nothing is to be compared
                known.users += 1
                return FileSet(known.folder, partial(self._release, known))
        names = tuple(sorted(f.name for f in files if self.is_intact(f)))
        if not names:
            return None
        with self._lock:
            present = self._current.get((table_id, place))
            if present is None or present.names != names:
                present = self._put(table_id, place, self._taken(table_id, names) or self._made(table_id, names))
            present.users += 1
            present.files = files if len(names) == len(files) else None  # what is missing now may be there again
        self._tidy()
        return FileSet(present.folder, partial(self._release, present))

    def read(
        self,
        file: FileEntry,
        schema: TableSchema,
        columns: Sequence[str] | None = None,
        times: Ranges = EVERYTHING,
    ) -> pa.RecordBatch:
        """Return the rows of ``file`` at ``times`` (all columns, or those named), without those in its holes.

        There are none if it is missing or damaged.
        """
        if file.holes:
            times = without(times, file.holes)
        if not self.is_intact(file):
            return no_rows(schema, columns)
        return decode_parquet(self._map(file), schema, columns, times)

    def group_times(self, file: FileEntry) -> list[Range]:
        """Return from when to when the rows of each row group of ``file`` are; nothing if it is missing or damaged."""
        return group_times(self._map(file)) if self.is_intact(file) else []

    def trust(self, file: FileEntry) -> None:
        """Note that ``file`` was written by this process, so that nobody need look at it."""
        self._gone.pop((file.table_id, file.name), None)
        self._checked[file.table_id, file.name] = True

    def is_intact(self, file: FileEntry) -> bool:
        """Return whether the file is what the manifest says; it is looked at once.

        Raises:
            FileNotFoundError: it was replaced meanwhile.
        """
        known = self._checked.get((file.table_id, file.name))
        if known is None:
            known = self._checked[file.table_id, file.name] = self._check(file)
        return known

    def forget(self, table_id: int) -> None:
        """Let go of the folder of a deleted table."""
        with self._lock:
            for key in [key for key in self._current if key[0] == table_id]:
                self._retire(self._current.pop(key))
        self._tidy()

    def let_go(self, file: FileEntry) -> bool:
        """See ``LocalSets``."""
        with self._lock:
            linked = [key for key, s in self._current.items() if key[0] == file.table_id and file.name in s.names]
            if any(self._current[key].users for key in linked):
                return False
            for key in linked:
                self._retire(self._current.pop(key))
            self._checked.pop((file.table_id, file.name), None)
        self._tidy()
        return True

    def forget_files(self, files: Iterable[FileEntry]) -> None:
        """Let go of what is known of files that are there no more, and of folders with them as soon as nobody reads them."""
        with self._lock:
            for file in files:
                self._checked.pop((file.table_id, file.name), None)
                self._gone[file.table_id, file.name] = None
                for key, present in list(self._current.items()):
                    if key[0] == file.table_id and file.name in present.names:
                        self._retire(self._current.pop(key))
            while len(self._gone) > MOST_GONE:
                self._gone.pop(next(iter(self._gone)))
        self._tidy()

    def _map(self, file: FileEntry) -> memoryview:
        return self._disk.map(self._files_of(file.table_id) / file.name)

    def _taken(self, table_id: int, names: tuple[str, ...]) -> _Set | None:
        """Take a set of these files out of the place where it is."""
        places = [key for key, there in self._current.items() if key[0] == table_id and there.names == names]
        return self._current.pop(places[0]) if places else None

    def _made(self, table_id: int, names: tuple[str, ...]) -> _Set:
        self._next += 1
        folder = self._root / f"{self._prefix}-{table_id}-{self._next}"
        self._disk.make_folder(folder)
        for name in names:
            self._disk.link(self._files_of(table_id) / name, folder / name)
        return _Set(folder, names)

    def _put(self, table_id: int, place: int, new: _Set) -> _Set:
        old = self._current.get((table_id, place))
        self._current[table_id, place] = new
        if old is not None:
            self._retire(old)
        return new

    def _retire(self, old: _Set) -> None:
        old.is_current = False
        if old.users == 0:
            self._unused.append(old.folder)

    def _release(self, used: _Set) -> None:
        with self._lock:
            used.users -= 1
            if used.users == 0 and not used.is_current:
                self._unused.append(used.folder)
        self._tidy()

    def _tidy(self) -> None:
        """Remove folders that nobody reads, without the lock: queries of other tables do not wait for the disk."""
        with self._lock:
            folders, self._unused = self._unused, []
        for folder in folders:
            try:
                self._disk.remove_folder(folder)
            except OSError as error:
                # Who opens or ends a query is not to blame, and the next start removes all of them.
                logger.warning("a folder of links that nobody reads is left until the next start: %s", error)

    def _check(self, file: FileEntry) -> bool:
        if (file.table_id, file.name) in self._gone:
            raise FileNotFoundError(f"Parquet file {file.name} was replaced meanwhile")
        path = self._files_of(file.table_id) / file.name
        reason = damage(self._disk, path, file)
        if reason is not None:
            self.losses[str(path)] = reason
            logger.error("rows are missing from queries: %s", reason)
        return reason is None


def damage(disk: Disk, path: Path, file: FileEntry) -> str | None:
    """Return what is wrong with the file at ``path``, ``None`` if it is what the manifest says."""
    if not disk.exists(path):
        return f"Parquet file {path} is missing ({file.row_count} rows)"
    data = disk.map(path)
    if len(data) != file.size_bytes or checksum(data) != file.crc32c:
        return f"Parquet file {path} is damaged ({file.row_count} rows): size or checksum differ from the manifest"
    return None
