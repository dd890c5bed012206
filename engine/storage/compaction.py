"""Makes few large files of many small ones, in the background, a bounded amount of work at a time."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from engine.clock import Clock
from engine.model.durations import NS_PER_SECOND
from engine.storage.manifest import FileEntry
from engine.storage.snapshot import FileChanges
from engine.storage.store import Store

logger = logging.getLogger(__name__)

HOUR_NS = 3600 * NS_PER_SECOND
DAY_NS = 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class CompactionLimits:
    """What is put together.

    Attributes:
        periods_ns: files that are in one of these periods of time become one, shorter periods first; ``None``: any time.
        most_rows, most_bytes: so much is rewritten at once, and no file becomes larger (bytes before compression).
        most_files: so many files of one period are put together in any case. Fewer only when the period is over, and the
            smaller ones together have at least a part of the rows of the largest, one in ``least_share``.
        dead_share: a file is rewritten when one row in so many is in a hole.
    """

    periods_ns: tuple[int | None, ...] = (HOUR_NS, DAY_NS, 7 * DAY_NS, 28 * DAY_NS, 364 * DAY_NS, None)
    most_rows: int = 1_000_000
    most_bytes: int = 128 << 20
    most_files: int = 8
    least_share: int = 4
    dead_share: int = 4


DEFAULT_LIMITS = CompactionLimits()


def decide_compaction(
    files: Sequence[FileEntry], limits: CompactionLimits = DEFAULT_LIMITS
) -> tuple[FileEntry, ...] | None:
    """Return those ``files`` of a table that shall be written anew, together; ``None``: all is well as it is.

    The answer gets shorter files out of the way first. A row is written anew about as often as there are periods, and a
    file that comes late into an old period waits there for company.
    """
    newest = max((file.max_time for file in files), default=0)
    for period_ns in limits.periods_ns:
        for number, members in sorted(_by_period(files, period_ns).items()):
            is_over = period_ns is not None and (number + 1) * period_ns <= newest
            for run in _runs(members, limits):
                if _is_worth(run, is_over=is_over, limits=limits):
                    return tuple(run)
    return next(((file,) for file in files if file.dead_rows * limits.dead_share >= file.row_count), None)


def _by_period(files: Iterable[FileEntry], period_ns: int | None) -> dict[int, list[FileEntry]]:
    """Return by the number of their period the files that are wholly in one."""
    found: dict[int, list[FileEntry]] = {}
    for file in files:
        number = 0 if period_ns is None else file.min_time // period_ns
        if period_ns is None or file.max_time // period_ns == number:
            found.setdefault(number, []).append(file)
    return found


def _runs(files: Iterable[FileEntry], limits: CompactionLimits) -> Iterator[list[FileEntry]]:
    """Yield neighbours in time that are not too much together."""
    run: list[FileEntry] = []
    rows = size = 0
    for file in sorted(files, key=lambda f: (f.min_time, f.max_time, f.name)):
        more = file.row_count * file.schema_version * 8
        if run and (rows + file.row_count > limits.most_rows or size + more > limits.most_bytes):
            yield run
            run, rows, size = [], 0, 0
        run.append(file)
        rows += file.row_count
        size += more
    if run:
        yield run


def _is_worth(run: Sequence[FileEntry], *, is_over: bool, limits: CompactionLimits) -> bool:
    if len(run) < 2:
        return False
    if len(run) >= limits.most_files:
        return True
    largest = max(file.row_count for file in run)
    return is_over and (sum(file.row_count for file in run) - largest) * limits.least_share >= largest


@dataclass(slots=True)
class CompactionFigures:
    """What was done since the start."""

    steps: int = 0
    files_read: int = 0
    files_written: int = 0
    rows: int = 0


@dataclass(slots=True)
class Compaction:
    """Does one step after the other; called by one thread at a time.

    Attributes:
        guard: what is held while files are exchanged.
        figures: what it came to.
    """

    store: Store
    clock: Clock
    guard: AbstractContextManager[object] = field(default_factory=nullcontext)
    limits: CompactionLimits = DEFAULT_LIMITS
    figures: CompactionFigures = field(default_factory=CompactionFigures)
    _damaged: set[tuple[int, str]] = field(default_factory=set)
    _settled: dict[int, tuple[FileEntry, ...]] = field(default_factory=dict)

    def step(self) -> bool:
        """Write some files anew, if any table needs it; return whether there was something to do.

        Readers go on with the old files until they have done. Nothing is half done after a crash: the new files count
        when the manifest names them.

        Raises:
            EngineError, OSError: nothing was changed, and the next call tries it again.
        """
        for table_id, files in self.store.files_by_table().items():
            if self._settled.get(table_id) is files:
                continue
            try:
                chosen = self._choose(table_id, files)
            except FileNotFoundError:
                continue  # a snapshot replaced one just now; the next step sees what there is
            if chosen is None:
                self._settled[table_id] = files
                continue
            self._rewrite(table_id, chosen)
            return True
        return False

    def _choose(self, table_id: int, files: Sequence[FileEntry]) -> tuple[FileEntry, ...] | None:
        while True:
            known = [file for file in files if (table_id, file.name) not in self._damaged]
            chosen = decide_compaction(known, self.limits)
            damaged = [file for file in chosen or () if not self.store.is_intact(file)]
            if not damaged:
                return chosen
            self._damaged.update((table_id, file.name) for file in damaged)

    def _exchange(self, changes: FileChanges) -> bool:
        with self.guard:
            return self.store.exchange(changes)

    def _rewrite(self, table_id: int, chosen: Sequence[FileEntry]) -> None:
        began_ns = self.clock.monotonic_ns()
        changes = self.store.rewrite(table_id, chosen)
        if changes is None or not self._exchange(changes):
            logger.debug("files were replaced while they were compacted table=%d", table_id)
            return
        added = changes.added.get(table_id, [])
        self.figures.steps += 1
        self.figures.files_read += len(chosen)
        self.figures.files_written += len(added)
        self.figures.rows += sum(file.row_count for file in added)
        logger.info(
            "compaction: table=%s files=%d made=%d rows=%d bytes=%d took_ms=%d",
            self.store.name_of(table_id),
            len(chosen),
            len(added),
            sum(file.row_count for file in added),
            sum(file.size_bytes for file in added),
            (self.clock.monotonic_ns() - began_ns) // 1_000_000,
        )
