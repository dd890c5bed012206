"""Stored rows as they were at one moment, numbered in the order of time, for backfills: kept until they are done with."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.merge import conform, time_order
from engine.columns.types import storage_schema
from engine.disk import Disk, make_durable_folder
from engine.errors import ManifestCorrupt
from engine.model.backfill import Span
from engine.model.schema import TIME_COLUMN, TableSchema
from engine.sealed import open_sealed, seal
from engine.storage.manifest import FileEntry

logger = logging.getLogger(__name__)

MAGIC = b"I3BF"
VERSION = 1
PLAN = "plan"
RUNS = "runs"
PAGE_ROWS = 200_000
"""About so many rows are in memory at once: of a window with more, only the times and a part of this size."""

FindSchema = Callable[[int], TableSchema | None]


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """The wanted rows of one table in one window: ``rows`` of them, in ``files`` (names)."""

    window: int
    table_id: int
    rows: int
    files: tuple[str, ...]


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

    def __init__(self, disk: Disk, root: Path, table_folder: Callable[[int], Path]) -> None:
        self._disk = disk
        self._root = root
        self._table_folder = table_folder

    def pin(self, history_id: int, files: Iterable[FileEntry], span: Span) -> "History":
        """Keep the rows of ``files`` whose times are in ``span``; return them when that is durable.

        Windows follow in the order of time, in a window table after table, there the rows in the order of time.
        The caller sees to it that the files are there and intact, and that none goes meanwhile.
        """
        folder = self._root / str(history_id)
        make_durable_folder(self._disk, folder)
        groups: dict[tuple[int, int], list[FileEntry]] = {}
        for file in files:
            if span.touches(file.min_time, file.max_time):
                groups.setdefault((file.window, file.table_id), []).append(file)
        pieces = [self._pinned(folder, span, key, groups[key]) for key in sorted(groups)]
        plan = _Plan(span.start_ns, span.end_ns, [piece for piece in pieces if piece.rows])
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
        data = open_sealed(MAGIC, VERSION, self._disk.read(folder / PLAN), str(folder / PLAN))
        try:
            plan = msgspec.msgpack.decode(data, type=_Plan)
        except msgspec.DecodeError as cause:
            raise ManifestCorrupt(f"{folder / PLAN} is damaged: {cause}") from cause
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

    def _pinned(self, folder: Path, span: Span, key: tuple[int, int], files: Sequence[FileEntry]) -> Piece:
        window, table_id = key
        rows = 0
        names = []
        for file in files:
            name = f"{table_id}.{file.name}"
            self._disk.link(self._table_folder(table_id) / file.name, folder / name)
            names.append(name)
            whole = span.holds(file.min_time, file.max_time)
            rows += file.row_count if whole else len(_times([folder / name], span))
        return Piece(window, table_id, rows, tuple(names))


class History:
    """Pinned rows, numbered from 1. Used in one thread at a time."""

    def __init__(self, disk: Disk, folder: Path, pieces: Sequence[Piece], span: Span) -> None:
        self._disk = disk
        self._folder = folder
        self._pieces = pieces
        self._span = span
        self._ends = np.cumsum([piece.rows for piece in pieces]).tolist()
        self._times_of: tuple[int, npt.NDArray[np.int64]] | None = None
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
        first, span = (0, self._span) if piece.rows <= PAGE_ROWS else self._page_span(number, row)
        rows = _read([self._folder / name for name in piece.files], schema, span).unify_dictionaries().combine_chunks()
        self._page = _Page(number, schema.version, first, rows.take(pa.array(time_order(rows, schema.tags))))
        return self._page

    def _page_span(self, number: int, row: int) -> tuple[int, Span]:
        """Return the times of about ``PAGE_ROWS`` rows around ``row``, and the number of the first row with these times."""
        if self._times_of is None or self._times_of[0] != number:
            files = [self._folder / name for name in self._pieces[number].files]
            self._times_of = (number, np.sort(_times(files, self._span)))
        times = self._times_of[1]
        if row >= len(times):
            raise ManifestCorrupt(f"Parquet files of {self._folder} hold fewer rows than when the backfill began")
        low = int(times[row // PAGE_ROWS * PAGE_ROWS])
        last = min(row // PAGE_ROWS * PAGE_ROWS + PAGE_ROWS, len(times)) - 1
        high = int(times[last])
        return int(np.searchsorted(times, low, side="left")), Span(low, high + 1)


def _read(files: Sequence[Path], schema: TableSchema, span: Span) -> pa.Table:
    """Return the rows of ``files`` in ``span``, with all columns of ``schema``."""
    import pyarrow.dataset as ds  # 4 MB that a server without backfills does without

    arrow = storage_schema(schema)
    try:
        return ds.dataset(list(map(str, files)), schema=arrow, format="parquet").to_table(filter=_condition(span))
    except (OSError, pa.ArrowException) as cause:
        raise ManifestCorrupt(f"a Parquet file of a backfill cannot be read: {cause}") from cause


def _times(files: Sequence[Path], span: Span) -> npt.NDArray[np.int64]:
    import pyarrow.dataset as ds  # see above

    schema = pa.schema([(TIME_COLUMN, pa.timestamp("ns"))])
    try:
        found = ds.dataset(list(map(str, files)), schema=schema, format="parquet").to_table(filter=_condition(span))
    except (OSError, pa.ArrowException) as cause:
        raise ManifestCorrupt(f"a Parquet file of a backfill cannot be read: {cause}") from cause
    times: npt.NDArray[np.int64] = found.column(TIME_COLUMN).cast(pa.int64()).to_numpy()
    return times


def _condition(span: Span) -> "pa.compute.Expression | None":
    time = pc.field(TIME_COLUMN)
    parts = []
    if span.start_ns is not None:
        parts.append(time >= pa.scalar(span.start_ns, pa.timestamp("ns")))
    if span.end_ns is not None:
        parts.append(time < pa.scalar(span.end_ns, pa.timestamp("ns")))
    return None if not parts else parts[0] if len(parts) == 1 else parts[0] & parts[1]


def _one_batch(tables: Sequence[pa.Table], schema: TableSchema) -> pa.RecordBatch:
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    batches = whole.to_batches()
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=storage_schema(schema))
    return conform(batches[0], schema)
