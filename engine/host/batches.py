"""The rows of a data-write run: from payloads in files to the lists of dicts that a plugin gets."""

import mmap
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.columns.payload import Encoding, compact_values, decode_rows
from engine.columns.rows import column_values, row_dicts
from engine.host.protocol import PayloadRef, TableBatch
from engine.model.schema import Column, ColumnType, TableSchema

MOST_MAPPED_FILES = 8


class PayloadFiles:
    """Files mapped read only, the last few that were asked for; a path never names two contents."""

    def __init__(self) -> None:
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._lock = threading.Lock()

    def payload(self, ref: PayloadRef) -> memoryview:
        """Return the bytes that ``ref`` names; they stay readable when the file is removed.

        Raises:
            OSError: the file cannot be mapped.
            ValueError: it is shorter than ``ref`` says.
        """
        end = ref.offset + ref.length
        with self._lock:
            mapped = self._maps.get(ref.path)
            if mapped is None or len(mapped) < end:
                mapped = self._maps[ref.path] = _map(ref.path)
                if len(self._maps) > MOST_MAPPED_FILES:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(ref.path)
        if len(mapped) < end:
            raise ValueError(f"{ref.path} has {len(mapped)} bytes, the payload ends at {end}")
        return memoryview(mapped)[ref.offset : end]


def table_batches(batches: list[TableBatch], files: PayloadFiles) -> list[dict[str, Any]]:
    """Return what ``process_writes`` gets: for each table its name and its rows.

    Each row has every column of the table: tags, fields, the time last; ``None`` where nothing was written.
    """
    return [{"table_name": batch.table, "rows": _rows(batch, files)} for batch in batches]


def _rows(batch: TableBatch, files: PayloadFiles) -> list[dict[str, Any]]:
    schema, order = _layout(batch.table, tuple(batch.columns))
    names = [schema.columns[i].name for i in order]
    rows: list[dict[str, Any]] = []
    for ref in batch.payloads:
        columns = _columns(ref, files.payload(ref), schema)
        rows += row_dicts(names, [columns[i] for i in order], ref.row_count)
    return rows


def _columns(ref: PayloadRef, payload: memoryview, schema: TableSchema) -> list[list[Any]]:
    """Return the values of the rows that ``ref`` means, by column."""
    if ref.encoding == Encoding.COMPACT:
        wanted = slice(ref.first_row, ref.first_row + ref.row_count)
        return [values[wanted] for values in compact_values(payload, schema.version)]
    batch = decode_rows(ref.encoding, payload, schema).slice(ref.first_row, ref.row_count)
    return [column_values(column) for column in batch.columns]


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
