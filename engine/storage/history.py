"""Stored rows as they were at one moment, numbered in the order of time, for backfills: kept until they are done with."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from engine.columns.merge import conform, time_order
from engine.columns.types import storage_schema
from engine.disk import Disk, make_durable_folder
from engine.errors import ManifestCorrupt
from engine.model.backfill import Span
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.sealed import decode_sealed, open_sealed, seal
from engine.storage.manifest import FileEntry
from engine.storage.ranges import EARLIEST, LATEST, Ranges, Times, at, overlap, without

logger = logging.getLogger(__name__)

MAGIC = b"I3BF"
VERSION = 2
PLAN = "plan"
RUNS = "runs"
PAGE_ROWS = 200_000
"""About so many rows are in memory at once: of a piece with more, only the times and a part of this size."""
PIECE_ROWS = 16_384
"""A stretch of time has about so many rows, of all tables together."""
MOST_STRETCHES = 4_096
"""Of several tables each window is a stretch of its own, unless there are more windows than this."""

FindSchema = Callable[[int], TableSchema | None]


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """The wanted rows of one table in a stretch of time: ``rows`` of them, in ``files`` (names).

    Attributes:
        first, last: the times of the stretch, both included, in ns. In version 1 ``first`` was the start of a window,
            ``last`` was missing, and all rows of the files were in that window.
        holes: for each file the ranges of times whose rows in it do not count.
    """

    first: int
    table_id: int
    rows: int
    files: tuple[str, ...]
    last: int | None = None
    holes: tuple[Ranges, ...] = ()

    def times(self, file: int, wanted: Ranges) -> Ranges:
        """Return which of the ``wanted`` times are those of the file with this number in ``files``."""
        if self.last is not None:
            wanted = overlap(wanted, self.first, self.last)
        return without(wanted, self.holes[file]) if self.holes else wanted


class _Plan(msgspec.Struct, array_like=True):
    start_ns: int | None
    end_ns: int | None
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows of a piece in their order, the first of which has the number ``first`` in it, counted from 0."""

    piece: int
    version: int
    first: int
    rows: pa.Table

    def holds(self, piece: int, version: int, row: int) -> bool:
        """Return whether ``row`` of ``piece`` is in here, with the columns of ``version``."""
        return (self.piece, self.version) == (piece, version) and self.first <= row < self.first + len(self.rows)


class Histories:
    """The folder with what backfills are made from: hard links to Parquet files, which never change, and a plan."""

    def __init__(
        self,
        disk: Disk,
        root: Path,
        held: Callable[[FileEntry], AbstractContextManager[Path | None]],
        window_ns: int = 600 * 10**9,
    ) -> None:
        self._window_ns = window_ns
        self._disk = disk
        self._root = root
        self._held = held

    def pin(self, history_id: int, files: Iterable[FileEntry], span: Span) -> "History":
        """Keep the rows of ``files`` whose times are in ``span``; return them when that is durable.

        Stretches of time follow in their order, in a stretch table after table, there the rows in the order of time.
        The caller sees to it that the files are intact, and that none goes meanwhile; those that are not on this machine
        are fetched.

        Raises:
            ObjectStoreAway: they cannot be fetched now.
            ManifestCorrupt: one is lost.
        """
        folder = self._root / str(history_id)
        make_durable_folder(self._disk, folder)
        pinned = [self._pinned(folder, file, span) for file in files if span.touches(file.min_time, file.max_time)]
        plan = _Plan(span.start_ns, span.end_ns, list(_pieces([p for p in pinned if len(p.times)], self._window_ns)))
        self._disk.write(folder / PLAN, seal(MAGIC, VERSION, msgspec.msgpack.encode(plan)))
        self._disk.sync_file(folder / PLAN)
        self._disk.sync_folder(folder)
        return History(self._disk, folder, plan.pieces, span)

    def open(self, history_id: int) -> "History":
        """Return rows that were pinned before.

        Raises:
            ManifestCorrupt: they are not there, or the plan is damaged.
        """
        folder = self._root / str(history_id)
        if not self._disk.exists(folder / PLAN):
            raise ManifestCorrupt(f"{folder / PLAN} is missing: the rows of this backfill are not known any more")
        where = str(folder / PLAN)
        plan = decode_sealed(open_sealed(MAGIC, VERSION, self._disk.read(folder / PLAN), where), _Plan, where)
        if self._disk.exists(folder / RUNS):
            self._disk.remove_folder(folder / RUNS)
        return History(self._disk, folder, plan.pieces, Span(plan.start_ns, plan.end_ns))

    def remove(self, history_id: int) -> None:
        """Let go of pinned rows; what went before is no error."""
        folder = self._root / str(history_id)
        if self._disk.exists(folder):
            self._disk.remove_folder(folder)

    def keep_only(self, history_ids: Iterable[int]) -> None:
        """Remove what a crash left of others."""
        kept = {str(history_id) for history_id in history_ids}
        for name in self._disk.list_folder(self._root) if self._disk.exists(self._root) else []:
            if name not in kept:
                self._disk.remove_folder(self._root / name)

    def _pinned(self, folder: Path, file: FileEntry, span: Span) -> "_Pinned":
        name = f"{file.table_id}.{file.name}"
        with self._held(file) as path:
            if path is None:
                raise ManifestCorrupt(f"Parquet file {file.name}, which the backfill needs, is lost")
            self._disk.link(path, folder / name)
        return _Pinned(file, name, np.sort(_times_in(folder / name, without(_wanted(span), file.holes))))


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A file, its name in the folder, and the wanted times in it, in their order."""

    file: FileEntry
    name: str
    times: Times


def _ends(ordered: Times, window_ns: int, tables: int) -> Times:
    """Return the last times of stretches, in their order; ``ordered`` are the times of all rows of so many ``tables``."""
    lasts = np.append(ordered[PIECE_ROWS - 1 : -1 : PIECE_ROWS], ordered[-1])
    if tables > 1:
        windows = ordered // window_ns
        ends = ordered[:-1][windows[1:] != windows[:-1]]
        lasts = np.sort(np.concatenate([lasts, ends[:: len(ends) // MOST_STRETCHES + 1]]))
    different: Times = lasts[np.append(True, lasts[1:] != lasts[:-1])]
    return different


def _pieces(pinned: Sequence[_Pinned], window_ns: int) -> Iterator[Piece]:
    if not pinned:
        return
    ordered = np.sort(np.concatenate([p.times for p in pinned]))
    lasts = _ends(ordered, window_ns, len({p.file.table_id for p in pinned}))
    first = int(ordered[0])
    ends = [np.searchsorted(p.times, lasts, side="right") for p in pinned]
    counts = np.array([np.diff(end, prepend=0) for end in ends])
    table_ids = sorted({p.file.table_id for p in pinned})
    for number, last in enumerate(lasts.tolist()):
        for table_id in table_ids:
            there = [i for i, p in enumerate(pinned) if p.file.table_id == table_id and counts[i, number]]
            if there:
                rows = int(counts[there, number].sum())
                names = tuple(pinned[i].name for i in there)
                holes = tuple(pinned[i].file.holes for i in there)
                yield Piece(first, table_id, rows, names, last, holes if any(holes) else ())
        first = last + 1


class History:
    """Pinned rows, numbered from 1. Used in one thread at a time."""

    def __init__(self, disk: Disk, folder: Path, pieces: Sequence[Piece], span: Span) -> None:
        self._disk = disk
        self._folder = folder
        self._pieces = pieces
        self._span = span
        self._ends = np.cumsum([piece.rows for piece in pieces]).tolist()
        self._times_of: tuple[int, Times] | None = None
        self._page: _Page | None = None

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return int(self._ends[-1]) if self._ends else 0

    @property
    def runs_folder(self) -> Path:
        """Return where files for runs may be put; it goes with the pinned rows."""
        return self._folder / RUNS

    def read(self, first: int, last: int, schema_of: FindSchema) -> list[tuple[TableSchema, pa.RecordBatch]]:
        """Return the rows with the numbers from ``first`` to ``last``, both included, by table.

        Those of a table are in the order of time; a table that ``schema_of`` does not know any more has none.

        Raises:
            ManifestCorrupt: a file of them is missing or damaged.
        """
        parts: dict[int, tuple[TableSchema, list[pa.Table]]] = {}
        number = bisect_right(self._ends, first - 1)
        at = first - 1
        while at < last:
            piece = self._pieces[number]
            begin = self._ends[number] - piece.rows
            end = min(last, self._ends[number])
            schema = schema_of(piece.table_id)
            if schema is not None:
                found = parts.setdefault(piece.table_id, (schema, []))
                found[1].extend(self._rows_of(number, schema, at - begin, end - begin))
            at, number = end, number + 1
        return [(schema, _one_batch(tables, schema)) for schema, tables in parts.values()]

    def _rows_of(self, number: int, schema: TableSchema, first: int, end: int) -> list[pa.Table]:
        """Return rows ``first`` to ``end`` (exclusive) of a piece, counted from 0, page by page."""
        found = []
        while first < end:
            page = self._page_at(number, schema, first)
            taken = page.rows.slice(first - page.first, end - first)
            if not len(taken):
                raise ManifestCorrupt(f"Parquet files of {self._folder} hold fewer rows than when the backfill began")
            found.append(taken)
            first += len(taken)
        return found

    def _page_at(self, number: int, schema: TableSchema, row: int) -> _Page:
        page = self._page
        if page is not None and page.holds(number, schema.version, row):
            return page
        piece = self._pieces[number]
        first, wanted = (0, _wanted(self._span)) if piece.rows <= PAGE_ROWS else self._page_times(number, row)
        files = [(self._folder / name, piece.times(i, wanted)) for i, name in enumerate(piece.files)]
        rows = _read(files, schema).unify_dictionaries().combine_chunks()
        self._page = _Page(number, schema.version, first, rows.take(pa.array(time_order(rows, schema.tags))))
        return self._page

    def _page_times(self, number: int, row: int) -> tuple[int, Ranges]:
        """Return the times of about ``PAGE_ROWS`` rows around ``row``, and the number of the first row with these times."""
        if self._times_of is None or self._times_of[0] != number:
            piece, wanted = self._pieces[number], _wanted(self._span)
            found = [_times_in(self._folder / name, piece.times(i, wanted)) for i, name in enumerate(piece.files)]
            self._times_of = (number, np.sort(np.concatenate(found)))
        times = self._times_of[1]
        if row >= len(times):
            raise ManifestCorrupt(f"Parquet files of {self._folder} hold fewer rows than when the backfill began")
        low = int(times[row // PAGE_ROWS * PAGE_ROWS])
        last = min(row // PAGE_ROWS * PAGE_ROWS + PAGE_ROWS, len(times)) - 1
        return int(np.searchsorted(times, low, side="left")), ((low, int(times[last])),)


def _wanted(span: Span) -> Ranges:
    return ((EARLIEST if span.start_ns is None else span.start_ns, LATEST if span.end_ns is None else span.end_ns - 1),)


def _read(files: Sequence[tuple[Path, Ranges]], schema: TableSchema) -> pa.Table:
    """Return the rows of ``files`` at their times, with all columns of ``schema``."""
    return pa.concat_tables([_rows_in(path, times, storage_schema(schema)) for path, times in files])


def _times_in(path: Path, wanted: Ranges) -> Times:
    found = _rows_in(path, wanted, pa.schema([(TIME_COLUMN, pa.timestamp("ns"))]))
    times: Times = found.column(TIME_COLUMN).cast(pa.int64()).to_numpy()
    return times


def _rows_in(path: Path, wanted: Ranges, schema: pa.Schema) -> pa.Table:
    import pyarrow.dataset as ds  # 4 MB that a server without backfills does without

    try:
        return ds.dataset(str(path), schema=schema, format="parquet").to_table(filter=at(wanted))
    except (OSError, pa.ArrowException) as cause:
        raise ManifestCorrupt(f"a Parquet file of a backfill cannot be read: {cause}") from cause


def _one_batch(tables: Sequence[pa.Table], schema: TableSchema) -> pa.RecordBatch:
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    batches = whole.to_batches()
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=storage_schema(schema))
    return conform(batches[0], schema)
