"""Prepares the runs of a backfill, a few ahead, in a thread of its own: reading stored rows takes a while."""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from engine.columns.payload import encode_rows
from engine.disk import Disk
from engine.errors import EngineError, StorageError
from engine.host.protocol import PayloadRef, TableBatch
from engine.model.backfill import Outcome
from engine.model.progress import Progress
from engine.model.schema import TableSchema
from engine.storage.consumers import Backfill
from engine.storage.history import History
from engine.storage.schemas import Schemas
from engine.triggers.work import Subject, Work
from engine.wal.format import ALIGN, BackfillRecord, padded
from engine.wal.ports import Entry
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

_count = itertools.count(1)


@dataclass(frozen=True, slots=True)
class FeedSide:
    """What a feed works with.

    Attributes:
        batch_rows: most rows of a run.
        ahead: so many runs are prepared before they are asked for.
        on_ready: is called when a run is prepared.
        on_end: is called once, with how it ended and why.
    """

    subject: Subject
    disk: Disk
    schemas: Schemas
    wal: Wal
    now_ns: Callable[[], int]
    batch_rows: int
    ahead: int
    on_ready: Callable[[], None]
    on_end: Callable[[Outcome, str], None]


class BackfillFeed:
    """The rows of a backfill that are not done yet, as runs (port ``HistoryFeed``)."""

    def __init__(self, history: History, backfill: Backfill, side: FeedSide) -> None:
        self.live_waits = backfill.plan.live_waits
        self._history = history
        self._backfill = backfill
        self._side = side
        self._changed = threading.Condition()
        self._waiting: deque[Work] = deque()
        self._under_way = 0
        self._has_all = False
        self._closed = False
        self._when_idle: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="backfill", daemon=True)

    def start(self) -> None:
        """Begin to prepare runs."""
        self._thread.start()

    def take(self) -> Work | None:
        """Return a run that is prepared, ``None`` if there is none now."""
        with self._changed:
            if self._closed or not self._waiting:
                return None
            self._under_way += 1
            self._changed.notify_all()
            return self._waiting.popleft()

    def finished(self, work: Work) -> None:
        """Take note that a run that was taken has ended."""
        self._remove_file(work)
        with self._changed:
            self._under_way -= 1
            has_ended = self._has_all and not self._under_way and not self._waiting and not self._closed
            then = self._when_idle if not self._under_way else None
        if has_ended:
            self._side.on_end(Outcome.DONE, "")
        if then is not None:
            then()

    def close(self, then: Callable[[], None] | None = None) -> None:
        """Prepare nothing more; call ``then`` when the runs that were taken have ended.

        Waits for the preparing thread, so not to be called in it, nor in the log's.
        """
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()  # it writes into the folder that is about to go
        with self._changed:
            self._when_idle = then
            is_idle = not self._under_way
        if then is not None and is_idle:
            then()

    def _run(self) -> None:
        try:
            self._prepare_all()
        except (EngineError, OSError, pa.ArrowException) as cause:
            self._fail(str(cause))
        except BaseException as cause:  # the thread ends, and the backfill must not hang for ever
            logger.critical("a backfill has ended trigger=%s", self._side.subject.definition.name, exc_info=cause)
            self._fail(repr(cause))

    def _prepare_all(self) -> None:
        for first, last in self._cuts():
            if not self._wait_for_room():
                return
            work = self._work(first, last)
            if work is None:
                self._pass_over(first, last)
                continue
            with self._changed:
                self._waiting.append(work)
            self._side.on_ready()
        with self._changed:
            self._has_all = True
            has_ended = not self._under_way and not self._waiting and not self._closed
        if has_ended:
            self._side.on_end(Outcome.DONE, "")

    def _fail(self, reason: str) -> None:
        with self._changed:
            has_ended, self._closed = not self._closed, True
        if has_ended:
            self._side.on_end(Outcome.FAILED, reason)

    def _cuts(self) -> Iterator[tuple[int, int]]:
        progress: Progress = self._backfill.progress
        for low, high in progress.gaps(self._backfill.plan.rows):
            for first in range(low, high + 1, self._side.batch_rows):
                yield first, min(first + self._side.batch_rows - 1, high)

    def _wait_for_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._side.ahead)
            return not self._closed

    def _work(self, first: int, last: int) -> Work | None:
        """Return a run on the rows ``first`` to ``last``; ``None`` if their tables were deleted."""
        parts = self._history.read(first, last, self._live_table)
        if not parts:
            return None
        return Work(
            kind="wal",
            asked_ns=self._side.now_ns(),
            batches=self._stored(parts),
            rows_in=sum(rows.num_rows for _, rows in parts),
            also=(self._progress(first, last),),
        )

    def _live_table(self, table_id: int) -> TableSchema | None:
        schema = self._side.schemas.by_id(table_id)
        return None if schema is None or schema.is_deleted else schema

    def _progress(self, first: int, last: int) -> BackfillRecord:
        subject = self._side.subject
        ranges = ((first, last),)
        return BackfillRecord(
            subject.definition.trigger_id, subject.generation, self._backfill.backfill_id, ranges=ranges
        )

    def _stored(self, parts: list[tuple[TableSchema, pa.RecordBatch]]) -> list[TableBatch]:
        """Put rows into a file that the plugin's host maps, as it maps the log; a path never names two contents."""
        folder = self._history.runs_folder
        self._side.disk.make_folder(folder)
        path = folder / str(next(_count))
        content = bytearray()
        batches = []
        for schema, rows in parts:
            encoding, data = encode_rows(rows)
            ref = PayloadRef(str(path), len(content), len(data), int(encoding), schema.version, rows.num_rows)
            batches.append(TableBatch(schema.name, [(c.name, c.type.short) for c in schema.columns], [ref]))
            content += data
            content += bytes(padded(len(content)) - len(content))
        self._side.disk.write(path, content or bytes(ALIGN))
        return batches

    def _pass_over(self, first: int, last: int) -> None:
        self._side.wal.append(Entry([self._progress(first, last)], lazy=True)).result()

    def _remove_file(self, work: Work) -> None:
        path = Path(work.batches[0].payloads[0].path)
        try:
            if self._side.disk.exists(path):
                self._side.disk.remove(path)
        except (OSError, StorageError) as cause:
            logger.warning("a file of a backfill stays until it ends: %s", cause)
