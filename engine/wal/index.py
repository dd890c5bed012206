"""Where the row payloads of one segment stand: a compact table that one thread extends while others read it."""

import struct
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.wal.format import PayloadAt
from engine.wal.ports import PAYLOADS

_ROW = struct.Struct("<QQQQIIII")
"""Packs what is a row of ``PAYLOADS``, whose ``chain`` is here the number of the chain among those of the segment."""


class TableTotals(NamedTuple):
    """How much of one table stands in a part of the log; ``first`` is the position of the first of it."""

    rows: int
    records: int
    first: int


_CHUNK_ROWS = 1024
_FEW_ROWS = 16

_Row = tuple[int, int, int, int, int, int, int, int]


class SegmentIndex:
    """The row payloads of one segment in the order of the log.

    ``extend`` is called by one thread; ``payloads_after`` may run in others meanwhile: chunks never move, and rows count
    only when they are complete.
    """

    def __init__(self) -> None:
        self._chunks: list[bytearray] = []
        self._first_positions: list[int] = []
        self._count = 0
        self._chains: list[tuple[int, ...]] = [()]
        self._chain_numbers: dict[tuple[int, ...], int] = {(): 0}
        self._tables: dict[int, int] = {}

    @property
    def tables(self) -> Mapping[int, int]:
        """Return, for each table with rows in here, the position of its last ones."""
        return self._tables

    def extend(self, payloads: Iterable[PayloadAt]) -> None:
        """Add the next payloads, those of whole records; readers see all of them or none."""
        count = self._count
        for p in payloads:
            at = count % _CHUNK_ROWS
            if at == 0:
                self._chunks.append(bytearray(_CHUNK_ROWS * _ROW.size))
                self._first_positions.append(p.position)
            chain = self._chain_numbers.get(p.chain)
            if chain is None:
                chain = self._number_of(p.chain)
            row = (p.position, p.table_id, p.offset, p.length, p.version, p.row_count, p.encoding, chain)
            _ROW.pack_into(self._chunks[-1], at * _ROW.size, *row)
            self._tables[p.table_id] = p.position
            count += 1
        self._count = count

    def payloads_after(self, position: int, table_ids: Container[int]) -> Iterator[PayloadAt]:
        """Yield the payloads above ``position`` of these tables, as many as are complete by now."""
        count = self._count
        number = max(bisect_right(self._first_positions, position) - 1, 0)
        while number * _CHUNK_ROWS < count:
            size = min(_CHUNK_ROWS, count - number * _CHUNK_ROWS)
            for row in _wanted(np.frombuffer(self._chunks[number], PAYLOADS, size), position, table_ids):
                at, table_id, offset, length, version, row_count, encoding, chain = row
                yield PayloadAt(at, table_id, offset, length, version, row_count, encoding, self._chains[chain])
            number += 1

    def totals(self, first: int, last: int) -> dict[int, TableTotals]:
        """Return how much there is of each table between two positions, both included."""
        count = self._count
        number = max(bisect_right(self._first_positions, first - 1) - 1, 0)
        found = []
        while number * _CHUNK_ROWS < count and self._first_positions[number] <= last:
            size = min(_CHUNK_ROWS, count - number * _CHUNK_ROWS)
            rows = np.frombuffer(self._chunks[number], PAYLOADS, size)
            low, high = np.searchsorted(rows["position"], [first - 1, last], side="right")
            found.append(rows[int(low) : int(high)])
            number += 1
        return _totals_of(np.concatenate(found)) if found else {}

    def _number_of(self, chain: tuple[int, ...]) -> int:
        number = self._chain_numbers[chain] = len(self._chains)
        self._chains.append(chain)
        return number


def add_totals(sums: dict[int, TableTotals], more: Mapping[int, TableTotals]) -> None:
    """Add to ``sums`` what there is behind them."""
    for table_id, added in more.items():
        known = sums.get(table_id)
        sums[table_id] = (
            added if known is None else TableTotals(known.rows + added.rows, known.records + added.records, known.first)
        )


def _totals_of(rows: npt.NDArray[np.void]) -> dict[int, TableTotals]:
    tables, firsts, places = np.unique(rows["table_id"], return_index=True, return_inverse=True)
    records = np.bincount(places, minlength=len(tables))
    sums = np.bincount(places, rows["row_count"], minlength=len(tables))
    return {
        int(table_id): TableTotals(int(sums[i]), int(records[i]), int(rows["position"][firsts[i]]))
        for i, table_id in enumerate(tables)
    }


def _wanted(rows: npt.NDArray[np.void], position: int, table_ids: Container[int]) -> list[_Row]:
    """Return the rows of one chunk above ``position`` whose table is one of ``table_ids``."""
    rows = rows[int(np.searchsorted(rows["position"], position, side="right")) :]
    if len(rows) > _FEW_ROWS:
        present = np.unique(rows["table_id"])
        mine = [table_id for table_id in present.tolist() if table_id in table_ids]
        if len(mine) < len(present):
            rows = rows[np.isin(rows["table_id"], np.array(mine, np.uint64))]
        return list(rows.tolist())
    return [row for row in rows.tolist() if row[1] in table_ids]
