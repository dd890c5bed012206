"""The rows of one table that no Parquet file holds yet, between two positions of the log."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.columns.chunks import WindowedRows
from engine.columns.dictionaries import ByDictionary
from engine.columns.keys import Hashes, KeySet, hash_keys
from engine.columns.packing import groups, pack
from engine.columns.payload import decode_payloads
from engine.disk import Bytes
from engine.model.schema import TableSchema
from engine.wal.format import RowsPayload
from engine.wal.ports import RowsBlock

_versions = itertools.count(1)


@dataclass(slots=True)
class BufferedChunk:
    """The keys of the buffered rows of one window, and how many there are.

    ``version`` is another number after each addition, and for each chunk, for caches.
    """

    keys: KeySet = field(default_factory=KeySet)
    rows: int = 0
    version: int = 0


class TableBuffer:
    """Takes the payloads of one table in the order of the log; sorts them into windows only when somebody looks.

    ``add`` is called by the log's writer between a sync and the acknowledgement, so it does next to nothing.
    Everything else is called under the lock of the table.

    Attributes:
        chunks: what is known of each window, by its start.
        batches: the rows, older first.
        repeating: windows in which a row has the key of an earlier row of this buffer.
        repeats_older: windows in which a row has the key of a row in the older buffer.
        late: windows in which a row has the key of a row in a file.
        version: another number after each change of all this, for caches.
    """

    def __init__(self) -> None:
        self.repeating: set[int] = set()
        self.repeats_older: set[int] = set()
        self.late: set[int] = set()
        self.chunks: dict[int, BufferedChunk] = {}
        self.batches: list[WindowedRows] = []
        self.version = 0
        self._pending: list[RowsPayload | RowsBlock] = []
        self._texts: ByDictionary[Hashes] = ByDictionary()
        self._added_rows = 0
        self._kept_rows = 0

    def add(self, rows: RowsPayload | RowsBlock) -> None:
        """Append rows; they are among the ``pending`` ones until they are kept."""
        self._pending.append(rows)
        self._added_rows += rows.row_count

    @property
    def has_pending(self) -> bool:
        """Return whether something came that is not kept yet."""
        return bool(self._pending)

    def pending(self) -> list[RowsPayload | RowsBlock]:
        """Return what came and is not kept yet."""
        return self._pending[:]

    @property
    def waiting_rows(self) -> int:
        """Return how many rows came that are not kept yet."""
        return self._added_rows - self._kept_rows

    def by_window(
        self, pending: Sequence[RowsPayload | RowsBlock], schema: TableSchema, window_ns: int
    ) -> list[tuple[WindowedRows, Hashes]]:
        """Return pending rows sorted into windows, and the hashes of their keys; ``schema`` has all their columns."""
        found = (WindowedRows(batch, window_ns) for batch in decode_payloads(_parts(pending), schema))
        return [(rows, hash_keys(rows.rows, schema.at(rows.rows.num_columns).tags, self._texts)) for rows in found]

    def keep(
        self,
        pending: Sequence[RowsPayload | RowsBlock],
        settled: Sequence[tuple[WindowedRows, Hashes]],
        schema: TableSchema,
        window_ns: int,
    ) -> None:
        """Have the first of what came, ``pending``, as ``settled``, which ``by_window`` made of it.

        It is pending until then: a snapshot may begin in between, and what fails on the way is tried again.
        """
        for found, hashes in settled:
            for window, place in found.parts():
                chunk = self.chunks.setdefault(window, BufferedChunk())
                if chunk.keys.add(hashes[place]):
                    self.repeating.add(window)
                chunk.rows += place.stop - place.start
                chunk.version = next(_versions)
        if settled:
            self.batches = _packed([*self.batches, *(rows for rows, _ in settled)], schema, window_ns)
            self.version = next(_versions)
        self._kept_rows += sum([rows.row_count for rows in pending])
        del self._pending[: len(pending)]

    @property
    def crowded(self) -> set[int]:
        """Return the windows in which a row has a key that is here, or in something older, once more."""
        return self.repeating | self.repeats_older | self.late

    def older_is_stored(self) -> None:
        """Note that the rows of the older buffer are in files now."""
        self.version = next(_versions)
        self.late |= self.repeats_older
        self.repeats_older = set()

    @property
    def is_empty(self) -> bool:
        """Return whether no row came since this buffer was made."""
        return not self._added_rows


def _packed(batches: Sequence[WindowedRows], schema: TableSchema, window_ns: int) -> list[WindowedRows]:
    """Return the same rows in few large batches, at a cost that stays in proportion to the rows."""
    packed: list[WindowedRows] = []
    start = 0
    for count in groups([len(batch.times) for batch in batches]):
        members = batches[start : start + count]
        if count > 1:
            joined = pack([batch.rows for batch in members], schema)
            packed += [WindowedRows(batch, window_ns) for batch in joined]
        else:
            packed += members
        start += count
    return packed


def _parts(pending: Sequence[RowsPayload | RowsBlock]) -> Iterator[tuple[int, Bytes, int]]:
    """Yield encoding, data and schema version of each payload."""
    for rows in pending:
        if isinstance(rows, RowsBlock):
            yield from rows.parts()
        else:
            yield rows.encoding, rows.data, rows.version
