"""All rows of one table, wherever they are: Parquet files, rows being made into files, rows of the log's newest part."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from engine.columns.keys import KeySet, hash_keys
from engine.columns.merge import conform, merge_rows
from engine.model.schema import TableSchema
from engine.storage.buffer import BufferedChunk, TableBuffer
from engine.storage.manifest import FileEntry
from engine.storage.parquet import key_columns
from engine.wal.format import RowsPayload

MOST_FILES_OF_WINDOW = 8
"""From this many files of one window on, a snapshot makes them one."""


class FileReader(Protocol):
    """Reads a table's Parquet files."""

    def read(self, file: FileEntry, schema: TableSchema, columns: list[str] | None = None) -> pa.RecordBatch:
        """Return the rows of ``file``, an empty batch if it is missing or damaged."""

    def is_intact(self, file: FileEntry) -> bool:
        """Return whether the file is what the manifest says."""

    def open_set(self, table_id: int, files: Sequence[FileEntry]) -> tuple[Path, Callable[[], None]] | None:
        """Return a folder of ``files`` for a query and what to call afterwards."""


@dataclass(frozen=True, slots=True)
class TableView:
    """What a query of a table reads; no two rows in it have one key."""

    folders: tuple[Path, ...]
    batches: tuple[pa.RecordBatch, ...]
    release: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ChunkToStore:
    """The merged rows that a snapshot writes for one window, and the files that they take the place of."""

    window: int
    rows: pa.RecordBatch
    replaces: tuple[FileEntry, ...]


class TableData:
    """One table's rows.

    Older to newer: ``files``, the frozen buffer (while a snapshot writes it), the live buffer. Sources are compared by
    the hashes of their keys, and only windows whose sources share keys are merged when they are read.
    """

    def __init__(self, reader: FileReader, window_ns: int, files: Sequence[FileEntry] = ()) -> None:
        self._lock = threading.Lock()
        self._reader = reader
        self._window_ns = window_ns
        self._files = tuple(files)
        self._frozen: TableBuffer | None = None
        self._live = TableBuffer()
        self._file_keys: dict[int, KeySet] = {}
        self._merged: dict[int, tuple[object, pa.RecordBatch]] = {}

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return the table's Parquet files."""
        return self._files

    def add(self, rows: RowsPayload) -> None:
        """Take over rows of the log; called by the log's writer in the order of positions."""
        self._live.add(rows)

    def freeze(self) -> bool:
        """Set the present buffer apart for a snapshot; return whether there is anything to write."""
        if self._frozen is None and not self._live.is_empty:
            self._frozen, self._live = self._live, TableBuffer()
        return self._frozen is not None

    def view(self, schema: TableSchema) -> TableView:
        """Return all rows, each key once."""
        with self._lock:
            self._settle(schema)
            crowded = {w for w in self._buffered_windows() if self._needs_merge(w)}
            batches = [conform(b, schema) for w, c in self._chunks() if w not in crowded for b in c.batches]
            batches += [conform(self._merge(w, schema), schema) for w in sorted(crowded)]
            self._merged = {w: m for w, m in self._merged.items() if w in crowded}
            files = [f for f in self._files if f.window not in crowded]
            opened = self._reader.open_set(files[0].table_id, files) if files else None
        folders = (opened[0],) if opened else ()
        return TableView(folders, tuple(batches), opened[1] if opened else _nothing)

    def to_store(self, schema: TableSchema) -> list[ChunkToStore]:
        """Return what a snapshot has to write for the frozen buffer."""
        with self._lock:
            self._settle(schema)
            frozen = self._frozen.chunks if self._frozen else {}
            stored = []
            for window, chunk in sorted(frozen.items()):
                files = [f for f in self._files_of(window) if self._reader.is_intact(f)]
                joins = chunk.repeats_older or len(files) >= MOST_FILES_OF_WINDOW
                older = [self._reader.read(f, schema) for f in files] if joins else []
                rows = merge_rows([*older, *chunk.batches], schema)
                stored.append(ChunkToStore(window, rows, tuple(files) if joins else ()))
            return stored

    def stored(self, added: Sequence[FileEntry], replaced: Sequence[FileEntry]) -> None:
        """Take over the files of a snapshot whose manifest is durable; the frozen buffer goes."""
        with self._lock:
            frozen = self._frozen.chunks if self._frozen else {}
            self._file_keys = dict(self._keys_after(frozen))
            gone = {f.name for f in replaced}
            self._files = (*(f for f in self._files if f.name not in gone), *added)
            self._frozen = None

    def _keys_after(self, frozen: dict[int, BufferedChunk]) -> Iterator[tuple[int, KeySet]]:
        """Yield the keys of windows that were just written; those of others are read from their files when needed."""
        for window, chunk in frozen.items():
            known = self._file_keys.get(window)
            if known is None and self._files_of(window):
                continue
            known = known or KeySet()
            known.absorb(chunk.keys)
            yield window, known

    def _settle(self, schema: TableSchema) -> None:
        """Sort new rows into chunks and note which of them have keys of older sources; the frozen buffer is older."""
        if self._frozen is not None:
            for window, chunk, hashes in self._frozen.settle(schema, self._window_ns):
                chunk.repeats_older = chunk.repeats_older or self._keys_of_files(window, schema).shares(hashes)
        for window, chunk, hashes in self._live.settle(schema, self._window_ns):
            frozen = self._frozen.chunks.get(window) if self._frozen else None
            chunk.repeats_older = (
                chunk.repeats_older
                or (frozen is not None and frozen.keys.shares(hashes))
                or self._keys_of_files(window, schema).shares(hashes)
            )

    def _keys_of_files(self, window: int, schema: TableSchema) -> KeySet:
        keys = self._file_keys.get(window)
        if keys is None:
            keys = self._file_keys[window] = KeySet()
            for file in self._files_of(window):
                rows = self._reader.read(file, schema, key_columns(schema))
                keys.add(hash_keys(rows, schema.tags))
        return keys

    def _files_of(self, window: int) -> tuple[FileEntry, ...]:
        return tuple(sorted((f for f in self._files if f.window == window), key=lambda f: f.low))

    def _chunks(self) -> Iterator[tuple[int, BufferedChunk]]:
        for buffer in (self._frozen, self._live):
            if buffer is not None:
                yield from buffer.chunks.items()

    def _buffered_windows(self) -> set[int]:
        return {window for window, _ in self._chunks()}

    def _needs_merge(self, window: int) -> bool:
        return any(c.repeats_itself or c.repeats_older for w, c in self._chunks() if w == window)

    def _merge(self, window: int, schema: TableSchema) -> pa.RecordBatch:
        files = self._files_of(window)
        chunks = [c for w, c in self._chunks() if w == window]
        state = (schema.version, tuple(f.name for f in files), tuple((id(c.keys), c.version) for c in chunks))
        known = self._merged.get(window)
        if known is None or known[0] != state:
            rows = [self._reader.read(f, schema) for f in files]
            known = (state, merge_rows([*rows, *(b for c in chunks for b in c.batches)], schema))
            self._merged[window] = known
        return known[1]


def _nothing() -> None:
    """Release nothing."""
