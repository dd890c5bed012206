"""The rows of a data-write run: from payloads in files to the batches that a plugin gets."""

import itertools
import mmap
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.columns.payload import Encoding, compact_values, decode_rows
from engine.columns.rows import column_values, row_dicts
from engine.columns.types import storage_schema
from engine.host import table_batch
from engine.host.protocol import PayloadRef, TableBatch
from engine.model.schema import Column, ColumnType, TableSchema

MOST_MAPPED_FILES = 8

PAYLOADS_AT_ONCE = 256
"""So many small payloads are decoded together: more would be many lists at once, which the garbage collector looks through."""


class PayloadFiles:
    """Files mapped read only, the last few that were asked for; a path never names two contents."""

    def __init__(self) -> None:
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._lock = threading.Lock()

    def payload(self, ref: PayloadRef) -> memoryview:
        """Return the bytes that ``ref`` names, see ``payloads``."""
        return self.payloads([ref])[0]

    def payloads(self, refs: Sequence[PayloadRef]) -> list[memoryview]:
        """Return the bytes that each of ``refs`` names; they stay readable when the files are removed.

        Raises:
            OSError: a file cannot be mapped.
            ValueError: it is shorter than it should be.
        """
        found: list[memoryview] = []
        for path, group in itertools.groupby(refs, key=lambda ref: ref.path):
            spans = [(ref.offset, ref.offset + ref.length) for ref in group]
            whole = self._whole(path, max([end for _, end in spans]))
            found += [whole[start:end] for start, end in spans]
        return found

    def _whole(self, path: str, end: int) -> memoryview:
        with self._lock:
            mapped = self._maps.get(path)
            if mapped is None or len(mapped) < end:
                mapped = self._maps[path] = _map(path)
                if len(self._maps) > MOST_MAPPED_FILES:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(path)
        if len(mapped) < end:
            raise ValueError(f"{path} has {len(mapped)} bytes, the payload ends at {end}")
        return memoryview(mapped)


def table_batches(batches: list[TableBatch], files: PayloadFiles) -> list[table_batch.TableBatch]:
    """Return what ``process_writes`` gets: for each table its name and its rows, which are made when they are asked for.

    Each row has every column of the table: tags, fields, the time last; ``None`` where nothing was written.

    Raises:
        OSError, ValueError: see ``PayloadFiles.payload``.
    """
    return [table_batch.TableBatch(batch.table, StoredRows(batch, files)) for batch in batches]


class StoredRows:
    """Rows of one table where the log stands in memory (port ``table_batch.RowsSource``)."""

    def __init__(self, batch: TableBatch, files: PayloadFiles) -> None:
        self._schema, self._order = _layout(batch.table, tuple(batch.columns))
        self._payloads = list(zip(batch.payloads, files.payloads(batch.payloads), strict=True))

    def rows(self) -> list[dict[str, Any]]:
        """See ``RowsSource``."""
        names = [self._schema.columns[i].name for i in self._order]
        rows: list[dict[str, Any]] = []
        for part in self._parts():
            columns = part if isinstance(part, list) else [column_values(column) for column in part.columns]
            rows += row_dicts(names, [columns[i] for i in self._order], len(columns[0]))
        return rows

    def to_arrow(self) -> pa.Table:
        """See ``RowsSource``; the chunks of a tag column share one dictionary."""
        schema = storage_schema(self._schema)
        batches = [_record_batch(part, schema) if isinstance(part, list) else part for part in self._parts()]
        table = pa.Table.from_batches(batches, schema).select(list(self._order))
        return table.unify_dictionaries() if len(batches) > 1 and self._schema.tags else table

    def _parts(self) -> Iterator[list[list[Any]] | pa.RecordBatch]:
        """Yield the rows in their order: neighbours in the compact form together, as columns of plain values."""
        for encoding, group in itertools.groupby(self._payloads, key=lambda payload: payload[0].encoding):
            if encoding == Encoding.COMPACT:
                yield _compact(list(group), self._schema.version)
            else:
                for ref, payload in group:
                    yield decode_rows(encoding, payload, self._schema).slice(ref.first_row, ref.row_count)


def _compact(payloads: list[tuple[PayloadRef, memoryview]], width: int) -> list[list[Any]]:
    """Return the rows of neighbours in the compact form as columns."""
    joined: list[list[Any]] = [[] for _ in range(width)]
    for at in range(0, len(payloads), PAYLOADS_AT_ONCE):
        some = payloads[at : at + PAYLOADS_AT_ONCE]
        parts = compact_values([payload for _, payload in some], width)
        for i, (ref, _) in enumerate(some):
            if ref.row_count != len(parts[i][0]):
                parts[i] = [values[ref.first_row : ref.first_row + ref.row_count] for values in parts[i]]
        for column, values in zip(joined, zip(*parts, strict=True), strict=True):
            column.extend(itertools.chain.from_iterable(values))
    return joined


def _record_batch(columns: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@lru_cache(maxsize=256)
def _layout(table: str, columns: tuple[tuple[str, str], ...]) -> tuple[TableSchema, tuple[int, ...]]:
    """Return the schema, and the numbers of its columns as a row shows them: tags, fields, time."""
    ranks = {ColumnType.TAG: 0, ColumnType.TIME: 2}
    typed = tuple(Column(name, ColumnType.from_short(short)) for name, short in columns)
    order = sorted(range(len(typed)), key=lambda i: ranks.get(typed[i].type, 1))
    return TableSchema(database_id=0, table_id=0, name=table, columns=typed), tuple(order)


def _map(path: str) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
