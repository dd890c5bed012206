"""Keeps the folder of Parquet files within a size: what was not used for longest goes, and is fetched again when needed."""

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import google_crc32c
import pyarrow as pa

from engine.disk import Disk
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry
from engine.storage.objects import AbsentFile, FileSet, LocalSets
from engine.storage.parquet import no_rows
from engine.storage.ranges import EVERYTHING, Range, Ranges

logger = logging.getLogger(__name__)

FETCHING = ".fetching"

Key = tuple[int, str]


class FileCache:
    """The Parquet files of a node that are on this machine (port ``FileReader``); all threads may call.

    A file that somebody uses never goes, so what is here may pass the limit by what is in use at one time. ``fetch``
    returns the content of a file, ``None`` if the store does not have it.
    """

    def __init__(
        self,
        disk: Disk,
        table_folder: Callable[[int], Path],
        fetch: Callable[[FileEntry], bytes | None],
        limit_bytes: int,
    ) -> None:
        self._disk = disk
        self._table_folder = table_folder
        self._fetch = fetch
        self._limit_bytes = limit_bytes
        self._sets: LocalSets
        self._lock = threading.Lock()
        self._here: OrderedDict[Key, FileEntry] = OrderedDict()  # the one used last at the end
        self._bytes = 0
        self._users: Counter[Key] = Counter()  # of what must stay here
        self._wanted: Counter[Key] = Counter()  # what somebody may fetch yet
        self._fetching: dict[Key, threading.Lock] = {}
        self._lost: set[Key] = set()

    @property
    def size_bytes(self) -> int:
        """Return the size of the files that are here."""
        return self._bytes

    def over(self, sets: LocalSets) -> None:
        """Let ``sets`` read the files that are here; called once, before all else."""
        self._sets = sets

    def used(self) -> set[Key]:
        """Return the files (table, name) that somebody reads now, or may fetch yet."""
        with self._lock:
            return {*self._users, *self._wanted}

    def keep(self, files: Iterable[FileEntry]) -> None:
        """Take note of the files that there are, and of those of them that are in the folder; others are gone."""
        named = {_key(file): file for file in sorted(files, key=lambda file: file.max_time)}
        with self._lock:
            for key in [key for key in self._here if key not in named]:
                self._bytes -= self._here.pop(key).size_bytes
            self._fetching = {key: turn for key, turn in self._fetching.items() if key in named}
            for key, file in named.items():
                if key not in self._here and self._is_on_disk(file):
                    self._add(file)
        self._make_room()

    # FileReader

    def read(
        self, file: FileEntry, schema: TableSchema, columns: Sequence[str] | None = None, times: Ranges = EVERYTHING
    ) -> pa.RecordBatch:
        """See ``FileReader``."""
        with self.held(file) as path:
            return no_rows(schema, columns) if path is None else self._sets.read(file, schema, columns, times)

    def group_times(self, file: FileEntry) -> list[Range]:
        """See ``FileReader``."""
        with self.held(file) as path:
            return [] if path is None else self._sets.group_times(file)

    def is_intact(self, file: FileEntry) -> bool:
        """See ``FileReader``: what is not here is believed to be intact in the store."""
        with self._counted([file], self._users):
            return not self._is_here(file) or self._sets.is_intact(file)

    def open_set(self, table_id: int, files: Sequence[FileEntry], place: int = 0) -> FileSet | None:
        """See ``FileReader``."""
        with ExitStack() as holds:
            holds.enter_context(self._counted(files, self._wanted))
            with self._counted(files, self._users):
                here = [file for file in files if self._is_intact_here(file)]
                holds.enter_context(self._counted(here, self._users))
            opened = self._sets.open_set(table_id, here, place) if here else None
            if opened is not None:
                holds.callback(opened.release)
            known = {file.name for file in here}
            absent = tuple([self._absent(file) for file in files if file.name not in known])
            return FileSet(opened.folder if opened else None, holds.pop_all().close, absent)

    def forget(self, table_id: int) -> None:
        """See ``FileReader``."""
        self._sets.forget(table_id)

    @contextmanager
    def held(self, file: FileEntry) -> Iterator[Path | None]:
        """Keep ``file`` here for a context, at the path that this gives; ``None`` if the store does not have it either.

        Raises:
            ObjectStoreAway: it cannot be fetched now.
        """
        with self._counted([file], self._users):
            yield self._path(file) if self._is_intact_here(file) or self._bring(file) else None

    # Inside

    def _absent(self, file: FileEntry) -> AbsentFile:
        return AbsentFile(file.min_time, file.max_time, lambda: self.held(file))

    @contextmanager
    def _counted(self, files: Iterable[FileEntry], users: Counter[Key]) -> Iterator[None]:
        keys = [_key(file) for file in files]
        with self._lock:
            for key in keys:
                users[key] += 1
                if key in self._here:
                    self._here.move_to_end(key)
        try:
            yield
        finally:
            with self._lock:
                for key in keys:
                    users[key] -= 1
                    if not users[key]:
                        del users[key]
            self._make_room()

    def _is_here(self, file: FileEntry) -> bool:
        with self._lock:
            return _key(file) in self._here

    def _is_intact_here(self, file: FileEntry) -> bool:
        """Return whether a file that is held can be read from the folder; a damaged one is thrown away."""
        if not self._is_here(file):
            return False
        if self._sets.is_intact(file):
            return True
        logger.warning("a damaged file is fetched anew file=%s", self._path(file))
        self._drop(file)
        return False

    def _bring(self, file: FileEntry) -> bool:
        """Fetch a file that is held, once for all who want it; return whether it is here now."""
        with self._lock:
            turn = self._fetching.setdefault(_key(file), threading.Lock())
        with turn:
            if self._is_here(file):
                return True
            if _key(file) in self._lost:
                return False
            data = self._fetch(file)
            if data is None or len(data) != file.size_bytes or google_crc32c.value(data) != file.crc32c:
                self._lost.add(_key(file))
                self._sets.is_intact(file)  # names the loss
                return False
            self._write(file, data)
        self._make_room()
        return True

    def _write(self, file: FileEntry, data: bytes) -> None:
        path = self._path(file)
        self._disk.make_folder(path.parent)
        aside = path.with_name(f"{path.name}{FETCHING}")
        self._disk.write(aside, data)
        self._disk.replace(aside, path)  # not synced: after a loss of power its checksum tells
        self._sets.let_go(file)  # what was known of an older copy
        with self._lock:
            self._add(file)

    def _add(self, file: FileEntry) -> None:
        if _key(file) not in self._here:
            self._bytes += file.size_bytes
        self._here[_key(file)] = file

    def _make_room(self) -> None:
        """Remove files that nobody uses until the rest is within the limit."""
        with self._lock:
            unused = [file for key, file in self._here.items() if not self._users[key]] if self._is_full else []
        for file in unused:
            if not self._is_full:
                return
            self._drop(file, unless_used=True)

    @property
    def _is_full(self) -> bool:
        return self._bytes > self._limit_bytes

    def _drop(self, file: FileEntry, *, unless_used: bool = False) -> None:
        with self._lock:
            if _key(file) not in self._here or (unless_used and self._users.get(_key(file))):
                return
            if not self._sets.let_go(file) and unless_used:
                return
            del self._here[_key(file)]
            self._bytes -= file.size_bytes
            if self._disk.exists(self._path(file)):
                self._disk.remove(self._path(file))

    def _path(self, file: FileEntry) -> Path:
        return self._table_folder(file.table_id) / file.name

    def _is_on_disk(self, file: FileEntry) -> bool:
        path = self._path(file)
        return self._disk.exists(path) and self._disk.size(path) == file.size_bytes


def _key(file: FileEntry) -> Key:
    return (file.table_id, file.name)
