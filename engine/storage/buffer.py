"""The rows of one table that no Parquet file holds yet, between two positions of the log."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from engine.columns.chunks import split_by_window
from engine.columns.keys import Hashes, KeySet, hash_keys
from engine.columns.packing import pack
from engine.columns.payload import decode_payloads
from engine.model.schema import TableSchema
from engine.wal.format import RowsPayload

_versions = itertools.count(1)


@dataclass(slots=True)
class BufferedChunk:
    """The buffered rows of one window, older first.

    Attributes:
        keys: the keys of these rows.
        repeats_itself: two of these rows have one key.
        repeats_older: a row has the key of a row in an older source of the window.
        version: another number after each addition, and of each chunk, for caches.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    keys: KeySet = field(default_factory=KeySet)
    repeats_itself: bool = False
    repeats_older: bool = False
    version: int = 0


class TableBuffer:
    """Takes the payloads of one table in the order of the log; sorts them into windows only when somebody looks.

    ``add`` is called by the log's writer between a sync and the acknowledgement, so it does next to nothing.
    Everything else is called under the lock of the table.
    """

    def __init__(self) -> None:
        self.chunks: dict[int, BufferedChunk] = {}
        self._pending: list[RowsPayload] = []
        self._added_rows = 0
        self._taken_rows = 0

    def add(self, rows: RowsPayload) -> None:
        """Append rows; they are seen by the next ``settle``."""
        self._pending.append(rows)
        self._added_rows += rows.row_count

    def take(self) -> list[RowsPayload]:
        """Return what came since the last call; to be given to ``settle`` at once."""
        taken = len(self._pending)
        pending, self._pending[:taken] = self._pending[:taken], []
        self._taken_rows += sum([rows.row_count for rows in pending])
        return pending

    @property
    def waiting_rows(self) -> int:
        """Return how many rows wait to be settled."""
        return self._added_rows - self._taken_rows

    def settle(
        self, pending: Sequence[RowsPayload], schema: TableSchema, window_ns: int
    ) -> list[tuple[int, BufferedChunk, Hashes]]:
        """Sort what was taken into chunks; ``schema`` has all its columns.

        Returns (window, its chunk, the hashes of the keys that were added to it), so that the caller can compare the
        new keys with older sources.
        """
        settled = []
        for batch in decode_payloads([(p.encoding, p.data, p.version) for p in pending], schema):
            for window, part in split_by_window(batch, window_ns):
                hashes = hash_keys(part, schema.at(part.num_columns).tags)
                chunk = self.chunks.setdefault(window, BufferedChunk())
                chunk.repeats_itself |= chunk.keys.add(hashes)
                chunk.batches.append(part)
                chunk.version = next(_versions)
                settled.append((window, chunk, hashes))
        touched = {window for window, _, _ in settled}
        for window, chunk in self.chunks.items() if settled else ():
            if len(chunk.batches) > 1:  # what does not grow any more becomes one batch
                chunk.batches = pack(chunk.batches, schema, whole=window not in touched)
        return settled

    @property
    def is_empty(self) -> bool:
        """Return whether no row came since this buffer was made."""
        return not self.chunks and not self._pending
