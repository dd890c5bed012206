"""All rows of one table, wherever they are: Parquet files, rows being made into files, rows of the log's newest part."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.columns.chunks import WindowedRows, gather
from engine.columns.keys import Hashes
from engine.columns.merge import conform, merge_rows
from engine.errors import ObjectStoreAway
from engine.model.schema import TableSchema
from engine.storage.buffer import BufferedChunk, TableBuffer
from engine.storage.filekeys import FileKeys
from engine.storage.folders import Group, group_files
from engine.storage.live_rows import LiveRows
from engine.storage.manifest import FileEntry
from engine.storage.objects import AbsentFile, FileReader, PartlyRead
from engine.storage.ranges import EARLIEST, LATEST, Ranges, Times, inside, joined, of_windows, touches, without
from engine.storage.warming import Warmer
from engine.wal.format import RowsPayload
from engine.wal.ports import RowsBlock

logger = logging.getLogger(__name__)

PIECE_ROWS = 50_000
"""Windows that must be merged are merged together up to about so many buffered rows."""


@dataclass(frozen=True, slots=True)
class TableView:
    """What a query of a table reads; no two rows in it have one key. All batches have the columns of ``schema``.

    Attributes:
        folders: folders of Parquet files that are read whole.
        partly: folders of which some times are left out: those rows are in other files, or in ``batches``, or too old.
        absent: files that are not on this machine.
        oldest_ns: of ``batches`` rows from before this time are not to be shown; ``None`` = there are none.
        files: all files that are read, and those that are too old to be.
    """

    schema: TableSchema
    folders: tuple[Path, ...]
    live: LiveRows
    release: Callable[[], None]
    partly: tuple[PartlyRead, ...] = ()
    absent: tuple[AbsentFile, ...] = ()
    oldest_ns: int | None = None
    files: tuple[FileEntry, ...] = ()

    @property
    def batches(self) -> tuple[pa.RecordBatch, ...]:
        """Return the rows that are not read from files."""
        return self.live.batches


class RowsToWrite(Protocol):
    """Buffered rows of a table, which are to be merged with those in ``files`` at the times in ``late``."""

    @property
    def schema(self) -> TableSchema:
        """Return the columns that files get."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return the table's files, as far as they matter."""

    @property
    def late(self) -> Ranges:
        """Return the times at which files have some of the keys."""

    @property
    def times(self) -> Times:
        """Return the times of all rows, in any order."""

    @property
    def row_bytes(self) -> float:
        """Return how much memory a row takes."""

    def in_groups(self, lasts: Times) -> Iterator[list[pa.RecordBatch]]:
        """Yield, for each of ``lasts``, which ascend, the rows up to that time that were in none before, older ones first.

        To be called once; who takes one group after the other has one of them in memory.
        """


@dataclass(frozen=True, slots=True)
class FrozenRows:
    """What a snapshot has to write for a table (port ``RowsToWrite``): buffered rows, older first."""

    schema: TableSchema
    batches: tuple[WindowedRows, ...]
    files: tuple[FileEntry, ...] = ()
    late: Ranges = ()

    @property
    def times(self) -> Times:
        """See ``RowsToWrite``."""
        return np.concatenate([np.zeros(0, np.int64), *(batch.times for batch in self.batches)])

    @property
    def row_bytes(self) -> float:
        """See ``RowsToWrite``."""
        sizes: list[float] = [batch.rows.nbytes / max(1, len(batch.times)) for batch in self.batches]
        return max([8.0 * self.schema.version, *sizes])

    def in_groups(self, lasts: Times) -> Iterator[list[pa.RecordBatch]]:
        """See ``RowsToWrite``."""
        parts = gather(((batch.rows, batch.times) for batch in self.batches), lasts)
        for number in range(len(lasts)):
            yield parts.pop(number, [])

    def since(self, oldest_ns: int | None) -> "FrozenRows":
        """Return the rows that are not older than ``oldest_ns``, all of them for ``None``."""
        if oldest_ns is None:
            return self
        return replace(self, batches=tuple(rows.since(oldest_ns) for rows in self.batches))


SchemaSource = Callable[[], TableSchema]
"""Returns the present schema of a table; asked after rows were taken from a buffer, for it must have their columns."""


class TableData:
    """One table's rows.

    Older to newer: ``files``, the frozen buffer (while a snapshot writes it), the live buffer. Sources are compared by
    the hashes of their keys, and only windows whose sources share keys are merged when they are read. Of files only the
    rows at those times are read for that.

    Rows may be added, and the buffer frozen, while somebody looks at the table: whoever looks takes both buffers at once.
    """

    def __init__(
        self, reader: FileReader, window_ns: int, files: Sequence[FileEntry] = (), keys: FileKeys | None = None
    ) -> None:
        self._keys = keys or FileKeys(reader)
        self._live: tuple[object, LiveRows] | None = None
        self._lock = threading.Lock()
        self._reader = reader
        self._window_ns = window_ns
        self._files = tuple(files)
        self._buffers = _Buffers()
        self._merged: dict[tuple[int, ...], tuple[object, pa.RecordBatch]] = {}
        self._grouped: tuple[Sequence[FileEntry], Ranges, list[Group]] = ((), (), [])
        self._is_read = False
        self.merges = 0

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return the table's Parquet files."""
        return self._files

    def add(self, rows: RowsPayload | RowsBlock) -> None:
        """Take over rows of the log; called by the log's writer, or its replay, in the order of positions."""
        self._buffers.live.add(rows)

    def freeze(self) -> bool:
        """Set the present buffer apart for a snapshot; return whether there is anything to write."""
        present = self._buffers
        if present.frozen is None and not present.live.is_empty:
            self._buffers = _Buffers(frozen=present.live)
        return self._buffers.frozen is not None

    def view(self, schema_now: SchemaSource, oldest_ns: int | None = None) -> TableView:
        """Return all rows, each key once, of files only those from ``oldest_ns`` on."""
        with self._lock:
            self._is_read = True
            buffers = self._buffers
            schema = self._settle(buffers, schema_now)
            live = self._live_rows(buffers, schema)
            is_all_young = oldest_ns is None or buffers.first_window >= oldest_ns
            excluded = _excluded(of_windows(buffers.late, self._window_ns), oldest_ns)
            files = self._files
            found = [
                (group.excluded, opened)
                for place, group in enumerate(self._groups(excluded))
                if group.files and (opened := self._reader.open_set(group.files[0].table_id, group.files, place))
            ]
        return TableView(
            schema,
            tuple(there.folder for excluded, there in found if there.folder and not excluded),
            live,
            _release_all([there.release for _, there in found]),
            tuple(PartlyRead(there.folder, excluded) for excluded, there in found if there.folder and excluded),
            tuple(replace(file, excluded=excluded) for excluded, there in found for file in there.absent),
            None if is_all_young else oldest_ns,
            files,
        )

    def prepare(
        self,
        changes: tuple[Sequence[FileEntry], Sequence[FileEntry]],
        oldest_ns: int | None,
        schema: TableSchema,
        warmer: Warmer,
    ) -> None:
        """Have ready what views read from files once these (added, replaced) are taken over, if anybody reads this table."""
        if not self._is_read:
            return
        with self._lock:
            files, live = self._files_after(*changes), self._buffers.live
            excluded = _excluded(of_windows(live.late | live.repeats_older, self._window_ns), oldest_ns)
        for place, group in enumerate(group_files(files, excluded)):
            opened = group.files and self._reader.open_set(group.files[0].table_id, group.files, -1 - place)
            if opened:
                if opened.folder is not None:
                    warmer.warm(opened.folder, schema)
                opened.release()

    def take_up(self, oldest_ns: int | None) -> None:
        """Let what was prepared be what views read, now that the files are taken over.

        Otherwise the next view would do so, and a query would wait until the folders from before are removed.
        """
        if not self._is_read:
            return
        with self._lock:
            groups = self._groups(_excluded(of_windows(self._buffers.late, self._window_ns), oldest_ns))
        for place, group in enumerate(groups):
            opened = group.files and self._reader.open_set(group.files[0].table_id, group.files, place)
            if opened:
                opened.release()

    def settle(self, schema_now: SchemaSource) -> None:
        """Sort in what came, so that whoever looks next finds it done."""
        with self._lock:
            self._settle(self._buffers, schema_now)

    @property
    def waiting_rows(self) -> int:
        """Return how many rows wait to be sorted in."""
        return sum(buffer.waiting_rows for buffer in self._buffers.present)

    def frozen_rows(self, schema_now: SchemaSource) -> FrozenRows:
        """Return what a snapshot has to write for the frozen buffer; its owner sees to it that no file goes meanwhile."""
        with self._lock:
            buffers = self._buffers
            schema = self._settle(buffers, schema_now)
            frozen = buffers.frozen
            if frozen is None:
                return FrozenRows(schema, ())
            return FrozenRows(schema, tuple(frozen.batches), self._files, of_windows(frozen.late, self._window_ns))

    def stored(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> None:
        """Take over the files of a snapshot whose manifest is durable; the frozen buffer goes."""
        with self._lock:
            self._exchange(added, replaced)
            live = self._buffers.live
            live.older_is_stored()
            self._buffers = _Buffers(live=live)
            self._merged = {}
            self._live = None

    def exchanged(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> None:
        """Take over other files with the same rows, or fewer, whose manifest is durable."""
        with self._lock:
            self._exchange(added, replaced)

    def _exchange(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> None:
        self._files = self._files_after(added, replaced)
        for file in replaced:
            self._keys.forget(file)

    def _files_after(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
        gone = {f.name for f in replaced}
        return (*(f for f in self._files if f.name not in gone), *added)

    def _settle(self, buffers: "_Buffers", schema_now: SchemaSource) -> TableSchema:
        """Sort new rows into windows, note which of them have keys of older sources; return a schema with all columns."""
        came = [(buffer, buffer.pending()) for buffer in buffers.present if buffer.has_pending]
        schema = schema_now()
        if came:
            self._live = None  # or it would hold what becomes larger batches now
        for buffer, pending in came:
            settled = buffer.by_window(pending, schema, self._window_ns)
            for rows, hashes in settled:
                if buffer is buffers.live:
                    self._compare_with_frozen(buffer, buffers.frozen_chunks, rows, hashes)
                self._compare_with_files(buffer, rows, hashes, schema)
            buffer.keep(pending, settled, schema, self._window_ns)
        return schema

    def _groups(self, excluded: Ranges) -> list[Group]:
        """Return how to read the files; as long as nothing changes the very same groups, which readers know again."""
        files, before, groups = self._grouped
        if files is not self._files or before != excluded:
            found = group_files(self._files, excluded)
            if found != groups:  # most are the same again where rows expire: what is excluded grows with the time
                groups = found
            self._grouped = (self._files, excluded, groups)
        return groups

    def _compare_with_frozen(
        self, buffer: TableBuffer, frozen: dict[int, BufferedChunk], rows: WindowedRows, hashes: Hashes
    ) -> None:
        for window, place in rows.parts() if frozen else ():
            older = frozen.get(window)
            if older is not None and older.keys.shares(hashes[place]):
                buffer.repeats_older.add(window)

    def _compare_with_files(self, buffer: TableBuffer, rows: WindowedRows, hashes: Hashes, schema: TableSchema) -> None:
        first, last = int(rows.times.min(initial=2**63 - 1)), int(rows.times.max(initial=-(2**63)))
        for file in self._files:
            if first <= file.max_time and file.min_time <= last:
                places = inside(rows.times, without(((file.min_time, file.max_time),), file.holes)).nonzero()[0]
                try:
                    places = places[self._keys.repeated(file, rows.times[places], hashes[places], schema)]
                except (ObjectStoreAway, OSError):
                    logger.warning("keys of a file are not known now, its rows are merged file=%s", file.name)
                numbers = set((rows.times[places] // self._window_ns).tolist())
                buffer.late.update(number * self._window_ns for number in numbers)

    def _live_rows(self, buffers: "_Buffers", schema: TableSchema) -> LiveRows:
        state = (schema.version, [buffer.version for buffer in buffers.present], self._files if buffers.late else ())
        if self._live is None or self._live[0] != state:
            crowded = buffers.crowded
            parts = (p for rows in buffers.batches() for p in (rows.rows_outside(crowded) if crowded else (rows.rows,)))
            batches = [conform(part, schema) for part in parts]
            self._live = (state, LiveRows((*batches, *self._merge_crowded(buffers, crowded, schema))))
        return self._live[1]

    def _merge_crowded(self, buffers: "_Buffers", crowded: Set[int], schema: TableSchema) -> list[pa.RecordBatch]:
        """Return the rows of windows in which sources share keys; what was merged before and is as it was stays."""
        pieces = {piece: self._piece(buffers, piece, schema) for piece in _pieces(buffers, crowded)}
        self._merged = pieces
        return [rows for _, rows in pieces.values()]

    def _piece(self, buffers: "_Buffers", piece: tuple[int, ...], schema: TableSchema) -> tuple[object, pa.RecordBatch]:
        times = of_windows(buffers.late & set(piece), self._window_ns)
        files = [f for f in self._files if touches(times, f.min_time, f.max_time)]
        versions = [c.version for w in piece for c in buffers.chunks_of(w)]
        state = (schema.version, [(f.name, f.holes) for f in files], versions)
        known = self._merged.get(piece)
        if known is not None and known[0] == state:
            return known
        self.merges += 1
        windows = frozenset(piece)
        rows = [self._reader.read(f, schema, times=times) for f in files]
        rows += [part for batch in buffers.batches() for part in batch.rows_in(windows)]
        return state, merge_rows(rows, schema)


def _pieces(buffers: "_Buffers", crowded: Set[int]) -> Iterator[tuple[int, ...]]:
    """Yield the windows of ``crowded`` in their order, as many together as have not too many rows."""
    piece: list[int] = []
    rows = 0
    for window in sorted(crowded):
        piece.append(window)
        rows += sum(chunk.rows for chunk in buffers.chunks_of(window))
        if rows >= PIECE_ROWS:
            yield tuple(piece)
            piece, rows = [], 0
    if piece:
        yield tuple(piece)


@dataclass(frozen=True, slots=True)
class _Buffers:
    """The buffers of a table at one moment, the frozen one older."""

    frozen: TableBuffer | None = None
    live: TableBuffer = field(default_factory=TableBuffer)

    @property
    def present(self) -> tuple[TableBuffer, ...]:
        return (self.live,) if self.frozen is None else (self.frozen, self.live)

    @property
    def frozen_chunks(self) -> dict[int, BufferedChunk]:
        return self.frozen.chunks if self.frozen is not None else {}

    @property
    def crowded(self) -> Set[int]:
        """Return the windows in which a key is there twice."""
        return {window for buffer in self.present for window in buffer.crowded}

    @property
    def late(self) -> Set[int]:
        """Return the windows with keys that files have too."""
        return self.live.late if self.frozen is None else self.frozen.late | self.live.late

    @property
    def first_window(self) -> int:
        """Return the start of the first window with buffered rows."""
        return min((window for buffer in self.present for window in buffer.chunks), default=LATEST)

    def chunks_of(self, window: int) -> list[BufferedChunk]:
        return [b.chunks[window] for b in self.present if window in b.chunks]

    def batches(self) -> Iterator[WindowedRows]:
        for buffer in self.present:
            yield from buffer.batches


def _excluded(late: Ranges, oldest_ns: int | None) -> Ranges:
    return late if oldest_ns is None else joined([*late, (EARLIEST, oldest_ns - 1)])


def _release_all(releases: Sequence[Callable[[], None]]) -> Callable[[], None]:
    def release() -> None:
        for one in releases:
            one()

    return release
