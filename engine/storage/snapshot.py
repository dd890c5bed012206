"""Writes merged rows as Parquet files, durable before any manifest names them."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from engine.columns.chunks import times_of
from engine.columns.merge import merge_rows
from engine.disk import Disk
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.paths import NodePaths
from engine.storage.checksums import checksum
from engine.storage.folders import Taken, decide_taken
from engine.storage.manifest import FileEntry
from engine.storage.objects import FileReader
from engine.storage.parquet import ParquetBuilder
from engine.storage.ranges import Range, Times, common, joined
from engine.storage.slices import DEFAULT_LIMITS, SliceLimits, plan_files
from engine.storage.table import FrozenRows, RowsToWrite, SchemaSource, TableData

SYNC_BYTES = 256 * 2**10
"""A larger file is synced in parts of this size: the sync of an acknowledgement waits for what the disk has to do before."""


@dataclass(slots=True)
class FileChanges:
    """Files that a manifest shall name, and those that it shall name no more, by table id.

    A file that gets a hole is in both: as it will be, and as it was. ``found`` are those of the added ones, by table id
    and name, that were there before: equal rows make equal files.
    """

    added: dict[int, list[FileEntry]] = field(default_factory=dict)
    replaced: dict[int, list[FileEntry]] = field(default_factory=dict)
    found: set[tuple[int, str]] = field(default_factory=set)

    def of(self, table_id: int) -> tuple[Sequence[FileEntry], Sequence[FileEntry]]:
        """Return (added, replaced) of one table."""
        return self.added.get(table_id, ()), self.replaced.get(table_id, ())

    def let_go(self, file: FileEntry) -> None:
        """Let ``file`` go, as if nothing took its place."""
        replaced = self.replaced.setdefault(file.table_id, [])
        if file not in replaced:
            replaced.append(file)
        added = self.added.get(file.table_id, [])
        added[:] = [f for f in added if f.name != file.name]  # it may have got a hole just now

    @property
    def tables(self) -> set[int]:
        """Return the ids of the tables whose files change."""
        return {*self.added, *self.replaced}


@dataclass(frozen=True, slots=True)
class WriterConfig:
    """``window_ns``: the length of a window; ``limits``: how large files become; ``oldest_kept``: see ``StoreConfig``."""

    window_ns: int
    limits: SliceLimits = DEFAULT_LIMITS
    oldest_kept: Callable[[TableSchema], int | None] = lambda schema: None


RowsWriter = Callable[[FrozenRows, tuple[int, int], FileChanges], None]
"""See ``Rewriter.write``."""


class FileWriter:
    """Makes Parquet files of the rows of buffers and of other files; each file is synced when it is handed out."""

    def __init__(self, disk: Disk, paths: NodePaths, reader: FileReader, config: WriterConfig) -> None:
        self._disk = disk
        self._paths = paths
        self._reader = reader
        self._config = config

    def write_all(
        self, tables: Iterable[tuple[SchemaSource, TableData]], interval: tuple[int, int], write: RowsWriter
    ) -> FileChanges:
        """Let ``write`` write the frozen rows of ``tables``, which come from the ``interval`` of positions."""
        changes = FileChanges()
        try:
            for schema_now, table in tables:
                rows = table.frozen_rows(schema_now)
                intact = tuple(file for file in rows.files if self._reader.is_intact(file)) if rows.late else ()
                write(replace(rows, files=intact).since(self._config.oldest_kept(rows.schema)), interval, changes)
            if changes.added:
                self._disk.sync_folder(self._paths.parquet)
        except BaseException:
            self.discard(changes)
            raise
        return changes

    def for_buffer(self, size_bytes: int, bytes_per_s: float) -> "FileWriter":
        """See ``Rewriter``: this one writes all."""
        return self

    def write(self, rows: RowsToWrite, interval: tuple[int, int], changes: FileChanges) -> None:
        """See ``Rewriter``."""
        table_id = rows.schema.table_id
        found = [(t, self._times(t, rows.schema)) for t in decide_taken(rows.files, rows.late, self._config.limits)]
        replaced = changes.replaced.setdefault(table_id, [])
        added = changes.added.setdefault(table_id, [])
        for taken, times in found:
            replaced.append(taken.file)
            if not taken.is_whole and len(times) < taken.file.live_rows:
                added.append(_with_hole(taken, len(times)))
        low = min([interval[0], *(taken.file.low for taken, _ in found)])
        for file in self._files(rows, found, (low, interval[1]), changes):
            added.append(file)
        if added:
            self._disk.sync_folder(self._paths.table_folder(table_id))
        for table in (changes.added, changes.replaced):
            if not table[table_id]:
                del table[table_id]

    def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        """See ``Rewriter``."""
        changes = FileChanges()
        found = []
        for file in files:
            taken = Taken(file, ((file.min_time, file.max_time),), is_whole=True)
            found.append((taken, self._times(taken, schema)))
        interval = (min(file.low for file in files), max(file.high for file in files))
        changes.replaced[schema.table_id] = list(files)
        added = changes.added[schema.table_id] = []
        try:
            for file in self._files(FrozenRows(schema, ()), found, interval, changes):
                added.append(file)
            self._disk.sync_folder(self._paths.table_folder(schema.table_id))
        except BaseException:
            self.discard(changes)
            raise
        return changes

    def close(self) -> None:
        """See ``Rewriter``; what is under way here takes its time."""

    def discard(self, changes: FileChanges, named: Set[tuple[int, str]] = frozenset()) -> None:
        """Remove what was written and will not be named, as far as the disk lets us; files that are ``named`` stay."""
        old = {(f.table_id, f.name) for files in changes.replaced.values() for f in files} | changes.found | named
        for file in [f for files in changes.added.values() for f in files]:
            path = self._paths.table_folder(file.table_id) / file.name
            if (file.table_id, file.name) not in old and self._disk.exists(path):
                self._disk.remove(path)

    def _times(self, taken: Taken, schema: TableSchema) -> Times:
        return times_of(self._reader.read(taken.file, schema, [TIME_COLUMN], taken.times))

    def _files(
        self, rows: RowsToWrite, found: Sequence[tuple[Taken, Times]], interval: tuple[int, int], changes: FileChanges
    ) -> Iterator[FileEntry]:
        times = np.concatenate([rows.times, *(t for _, t in found)])
        files = plan_files(times, rows.row_bytes, self._config.limits)
        parts = rows.in_groups(np.array([last for groups in files for _, last in groups], dtype=np.int64))
        taken = [t for t, _ in found]
        for groups in files:
            merged = (self._merged(rows.schema, taken, group, next(parts)) for group in groups)
            yield self._write_file(rows.schema, merged, interval, changes)

    def _merged(
        self, schema: TableSchema, taken: Sequence[Taken], group: Range, buffered: Sequence[pa.RecordBatch]
    ) -> pa.RecordBatch:
        older = [
            self._reader.read(one.file, schema, times=times) for one in taken if (times := common(one.times, (group,)))
        ]
        return merge_rows([*older, *buffered], schema)

    def _write_file(
        self, schema: TableSchema, groups: Iterable[pa.RecordBatch], interval: tuple[int, int], changes: FileChanges
    ) -> FileEntry:
        builder = ParquetBuilder(schema)
        row_count = 0
        spans = []
        for group in groups:
            times = times_of(group)
            spans.append((int(times.min()), int(times.max())))
            row_count += group.num_rows
            builder.add(group)
        data = builder.finish()
        crc32c = checksum(data)
        folder = self._paths.table_folder(schema.table_id)
        self._disk.make_folder(folder)
        first, last = spans[0][0], spans[-1][1]
        window = first // self._config.window_ns * self._config.window_ns
        name = f"{window}.{interval[0]:020d}-{interval[1]:020d}.{crc32c:08x}.parquet"
        if _is_there(self._disk, folder / name, len(data), crc32c):
            # It may be named already, and somebody reads it; nobody knows whether whoever wrote it came to sync it.
            changes.found.add((schema.table_id, name))
            self._disk.sync_file(folder / name)
        else:
            write_synced(self._disk, folder / name, data)
        return FileEntry(
            name=name,
            table_id=schema.table_id,
            window=max(window, -(2**63)),
            low=interval[0],
            high=interval[1],
            row_count=row_count,
            min_time=first,
            max_time=last,
            size_bytes=len(data),
            crc32c=crc32c,
            schema_version=schema.version,
        )


def write_synced(disk: Disk, path: Path, data: memoryview, part_bytes: int = SYNC_BYTES) -> None:
    """Make the new file ``path`` hold ``data``, synced in parts of ``part_bytes``; if that fails, it is removed."""
    try:
        if len(data) <= part_bytes:
            disk.write(path, data)
            disk.sync_file(path)
            return
        with closing(disk.open_append(path)) as file:
            for start in range(0, len(data), part_bytes):
                file.write_at(start, data[start : start + part_bytes])
                file.sync()
    except OSError:
        # A disk that is full shall not fill up with what was tried.
        if disk.exists(path):
            disk.remove(path)
        raise


def _is_there(disk: Disk, path: Path, size_bytes: int, crc32c: int) -> bool:
    return disk.exists(path) and disk.size(path) == size_bytes and checksum(disk.map(path)) == crc32c


def _with_hole(taken: Taken, dead_rows: int) -> FileEntry:
    file = taken.file
    return msgspec.structs.replace(
        file, holes=joined([*file.holes, *taken.times]), dead_rows=file.dead_rows + dead_rows
    )
