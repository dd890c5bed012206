"""All rows of one table, wherever they are: Parquet files, rows being made into files, rows of the log's newest part."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from engine.columns.keys import Hashes, KeySet, hash_keys
from engine.columns.merge import conform, merge_rows
from engine.errors import ObjectStoreAway
from engine.model.schema import TableSchema
from engine.storage.buffer import BufferedChunk, TableBuffer
from engine.storage.live_rows import LiveRows
from engine.storage.manifest import FileEntry
from engine.storage.objects import AbsentFile, FileReader
from engine.storage.parquet import key_columns
from engine.wal.format import RowsPayload

MOST_FILES_OF_WINDOW = 8
"""From this many files of one window on, a snapshot makes them one."""


@dataclass(frozen=True, slots=True)
class TableView:
    """What a query of a table reads; no two rows in it have one key. All batches have the columns of ``schema``.

    Besides the files in ``folders`` there are those that are ``absent`` from this machine.
    """

    schema: TableSchema
    folders: tuple[Path, ...]
    live: LiveRows
    release: Callable[[], None]
    absent: tuple[AbsentFile, ...] = ()

    @property
    def batches(self) -> tuple[pa.RecordBatch, ...]:
        """Return the rows that are not read from ``folders``."""
        return self.live.batches


@dataclass(frozen=True, slots=True)
class ChunkToStore:
    """The merged rows that a snapshot writes for one window, and the files that they take the place of."""

    window: int
    rows: pa.RecordBatch
    replaces: tuple[FileEntry, ...]


SchemaSource = Callable[[], TableSchema]
"""Returns the present schema of a table; asked after rows were taken from a buffer, for it must have their columns."""


class TableData:
    """One table's rows.

    Older to newer: ``files``, the frozen buffer (while a snapshot writes it), the live buffer. Sources are compared by
    the hashes of their keys, and only windows whose sources share keys are merged when they are read.

    Rows may be added, and the buffer frozen, while somebody looks at the table: whoever looks takes both buffers at once.
    """

    def __init__(self, reader: FileReader, window_ns: int, files: Sequence[FileEntry] = ()) -> None:
        self._lock = threading.Lock()
        self._reader = reader
        self._window_ns = window_ns
        self._files = tuple(files)
        self._buffers = _Buffers()
        self._file_keys: dict[int, KeySet] = {}
        self._merged: dict[int, tuple[object, pa.RecordBatch]] = {}
        self._live: tuple[object, LiveRows] | None = None

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return the table's Parquet files."""
        return self._files

    def add(self, rows: RowsPayload) -> None:
        """Take over rows of the log; called by the log's writer in the order of positions."""
        self._buffers.live.add(rows)

    def freeze(self) -> bool:
        """Set the present buffer apart for a snapshot; return whether there is anything to write."""
        present = self._buffers
        if present.frozen is None and not present.live.is_empty:
            self._buffers = _Buffers(frozen=present.live)
        return self._buffers.frozen is not None

    def view(self, schema_now: SchemaSource) -> TableView:
        """Return all rows, each key once."""
        with self._lock:
            buffers = self._buffers
            schema = self._settle(buffers, schema_now)
            chunks = list(buffers.chunks())
            crowded = {w for w, c in chunks if c.repeats_itself or c.repeats_older}
            live = self._live_rows(chunks, crowded, schema)
            files = [f for f in self._files if f.window not in crowded]
            opened = self._reader.open_set(files[0].table_id, files) if files else None
        if opened is None:
            return TableView(schema, (), live, _nothing)
        folders = (opened.folder,) if opened.folder else ()
        return TableView(schema, folders, live, opened.release, opened.absent)

    def settle(self, schema_now: SchemaSource) -> None:
        """Sort in what came, so that whoever looks next finds it done."""
        with self._lock:
            self._settle(self._buffers, schema_now)

    @property
    def waiting_rows(self) -> int:
        """Return how many rows wait to be sorted in."""
        return sum(buffer.waiting_rows for buffer in self._buffers.present)

    def to_store(self, schema_now: SchemaSource) -> tuple[TableSchema, list[ChunkToStore]]:
        """Return what a snapshot has to write for the frozen buffer, and the schema that it has."""
        with self._lock:
            buffers = self._buffers
            schema = self._settle(buffers, schema_now)
            stored = []
            for window, chunk in sorted(buffers.frozen_chunks.items()):
                files = [f for f in self._files_of(window) if self._reader.is_intact(f)]
                joins = chunk.repeats_older or len(files) >= MOST_FILES_OF_WINDOW
                older = [self._reader.read(f, schema) for f in files] if joins else []
                rows = merge_rows([*older, *chunk.batches], schema)
                stored.append(ChunkToStore(window, rows, tuple(files) if joins else ()))
            return schema, stored

    def stored(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> None:
        """Take over the files of a snapshot whose manifest is durable; the frozen buffer goes."""
        with self._lock:
            self._file_keys = dict(self._keys_after(self._buffers.frozen_chunks))
            gone = {f.name for f in replaced}
            self._files = (*(f for f in self._files if f.name not in gone), *added)
            self._buffers = _Buffers(live=self._buffers.live)
            self._live = None

    def _keys_after(self, frozen: dict[int, BufferedChunk]) -> Iterator[tuple[int, KeySet]]:
        """Yield the keys of windows that were just written; those of others are read from their files when needed."""
        for window, chunk in frozen.items():
            known = self._file_keys.get(window)
            if known is None and self._files_of(window):
                continue
            known = known or KeySet()
            known.absorb(chunk.keys)
            yield window, known

    def _settle(self, buffers: "_Buffers", schema_now: SchemaSource) -> TableSchema:
        """Sort new rows into chunks, note which of them have keys of older sources; return a schema with all columns."""
        taken = [(buffer, buffer.take()) for buffer in buffers.present]
        schema = schema_now()
        if any(pending for _, pending in taken):
            self._live = None  # or it would hold what becomes larger batches now
        for buffer, pending in taken:
            older = buffers.frozen_chunks if buffer is buffers.live else {}
            for window, chunk, hashes in buffer.settle(pending, schema, self._window_ns):
                chunk.repeats_older = (
                    chunk.repeats_older
                    or (window in older and older[window].keys.shares(hashes))
                    or self._shares_with_files(window, schema, hashes)
                )
        return schema

    def _shares_with_files(self, window: int, schema: TableSchema, hashes: Hashes) -> bool:
        try:
            return self._keys_of_files(window, schema).shares(hashes)
        except ObjectStoreAway:
            return True  # nobody can tell now, and merging is right in any case

    def _keys_of_files(self, window: int, schema: TableSchema) -> KeySet:
        keys = self._file_keys.get(window)
        if keys is None:
            keys = KeySet()
            for file in self._files_of(window):
                rows = self._reader.read(file, schema, key_columns(schema))
                keys.add(hash_keys(rows, schema.tags))
            self._file_keys[window] = keys
        return keys

    def _files_of(self, window: int) -> tuple[FileEntry, ...]:
        return tuple(sorted((f for f in self._files if f.window == window), key=lambda f: f.low))

    def _live_rows(
        self, chunks: Sequence[tuple[int, BufferedChunk]], crowded: set[int], schema: TableSchema
    ) -> LiveRows:
        state = (schema.version, tuple(c.version for _, c in chunks), self._files if crowded else ())
        if self._live is None or self._live[0] != state:
            batches = [conform(b, schema) for w, c in chunks if w not in crowded for b in c.batches]
            batches += [self._merge(w, [c for at, c in chunks if at == w], schema) for w in sorted(crowded)]
            self._merged = {w: m for w, m in self._merged.items() if w in crowded}
            self._live = (state, LiveRows(tuple(batches)))
        return self._live[1]

    def _merge(self, window: int, chunks: Sequence[BufferedChunk], schema: TableSchema) -> pa.RecordBatch:
        files = self._files_of(window)
        state = (schema.version, tuple(f.name for f in files), tuple((id(c.keys), c.version) for c in chunks))
        known = self._merged.get(window)
        if known is None or known[0] != state:
            rows = [self._reader.read(f, schema) for f in files]
            known = (state, merge_rows([*rows, *(b for c in chunks for b in c.batches)], schema))
            self._merged[window] = known
        return known[1]


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

    def chunks(self) -> Iterator[tuple[int, BufferedChunk]]:
        for buffer in self.present:
            yield from buffer.chunks.items()


def _nothing() -> None:
    """Release nothing."""
