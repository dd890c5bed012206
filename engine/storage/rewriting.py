"""Where Parquet files are written: in the server, or beside it in a process of the lowest priority.

To merge and encode rows keeps a processor busy for tens of milliseconds at a time. A thread of the server that does so
keeps others from the interpreter, and from the processor that it happens to be on, while they have an acknowledgement to
give; see docs/adr/0031 and 0032.
"""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from engine.child_process import ChildProcess, receive_frame
from engine.clock import Clock
from engine.errors import StorageError, Unavailable
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TableSchema
from engine.storage.jobs import Answer, Interval, Job, Plan, receive_answer, send_groups, send_job
from engine.storage.manifest import FileEntry
from engine.storage.slices import DEFAULT_LIMITS, SliceLimits
from engine.storage.snapshot import FileChanges
from engine.storage.table import FrozenRows, RowsToWrite

logger = logging.getLogger(__name__)

LONGEST_IDLE_S = 30.0
"""A process ends when there was nothing to write for so long."""

LONG_NS = 10 * NS_PER_SECOND
LEAST_SHARE = 4
"""Of a long rewriting, at least one part in so many has to be spent on a processor, or the next one gets more of them."""

TRUST_AGAIN_NS = 60 * NS_PER_SECOND
"""After a process did not write a buffer, all are written here for so long."""

URGENT_NICENESS = 10
IDLE_NICENESS = 19

_MODULE = "engine.storage.rewriting_child"


class Rewriter(Protocol):
    """Writes the rows of buffers and of other files in Parquet files, which are synced, with their folder."""

    def for_buffer(self, size_bytes: int, bytes_per_s: float) -> "Rewriter":
        """Return who has to write a buffer of ``size_bytes`` while ``bytes_per_s`` more come."""

    def write(self, rows: RowsToWrite, interval: Interval, changes: FileChanges) -> None:
        """Write ``rows`` of one table; enter in ``changes`` what is made and what it takes the place of.

        They come from the ``interval`` of positions. The files among ``rows`` are intact.

        Raises:
            EngineError, OSError: ``changes`` may hold a part of them; later it may work.
        """

    def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        """Write the rows of ``files`` of a table, those in holes not, in new files.

        Raises:
            EngineError, OSError: nothing is to be exchanged; later it may work.
        """

    def close(self) -> None:
        """Give up what is rewritten; no file is rewritten any more."""


class Terms(msgspec.Struct, frozen=True):
    """How a process writes files: the length of a window, how large they become, how long it waits for a job."""

    window_ns: int
    limits: SliceLimits = DEFAULT_LIMITS
    longest_idle_s: float = LONGEST_IDLE_S


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a process does the work.

    Attributes:
        small_values: fewer values of files are rewritten here, in some 10 ms.
        small_bytes: so are smaller buffers.
        calm_bytes_per_s: while more comes, a buffer is written here: it is full again soon, and a process would get too
            little of the processors.
        patience_s: so long nothing may happen to a buffer that is given to a process; then it is written here.
    """

    small_values: int = 200_000
    small_bytes: int = 4 << 20
    calm_bytes_per_s: float = 10 << 20
    patience_s: float = 2.0


DEFAULT_THRESHOLDS = Thresholds()


def is_starved(took_ns: int, cpu_ns: int, long_ns: int = LONG_NS) -> bool:
    """Return whether something took long only because everybody else had the processors."""
    return took_ns > long_ns and cpu_ns * LEAST_SHARE < took_ns


class RewritingProcess:
    """Writes files beside the server (port ``Rewriter``); one job at a time.

    The process has the lowest priority there is. Where that leaves it too little to compact, the next one has a somewhat
    higher one; a buffer does not wait for it. ``here`` does the work where no process can be had; ``root`` is the folder of
    the node.
    """

    def __init__(
        self, here: Rewriter, root: Path, terms: Terms, clock: Clock, thresholds: Thresholds = DEFAULT_THRESHOLDS
    ) -> None:
        self._here = here
        self._root = root
        self._terms = terms
        self._clock = clock
        self._thresholds = thresholds
        self._trusted_from_ns = 0
        self._working = threading.Lock()
        self._lock = threading.Lock()  # guards the attributes below
        self._process: ChildProcess | None = None
        self._is_urgent = False
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Return the id of the process, ``None`` while there is none."""
        with self._lock:
            return self._process.pid if self._process else None

    def for_buffer(self, size_bytes: int, bytes_per_s: float) -> Rewriter:
        """See ``Rewriter``."""
        limits = self._thresholds
        return self if size_bytes >= limits.small_bytes and bytes_per_s <= limits.calm_bytes_per_s else self._here

    def write(self, rows: RowsToWrite, interval: Interval, changes: FileChanges) -> None:
        """See ``Rewriter``."""
        answer = None
        if self._clock.monotonic_ns() >= self._trusted_from_ns and self._working.acquire(blocking=False):
            try:
                answer = self._written(Job(rows, interval))
            finally:
                self._working.release()
        if answer is None:
            self._here.write(rows, interval, changes)
        else:
            _check(answer)
            answer.enter_in(changes, rows.schema.table_id)

    def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        """See ``Rewriter``."""
        with self._working:
            return self._rewrite(schema, files)

    def close(self) -> None:
        """See ``Rewriter``."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()  # who waits for its answer notices
        with self._working, self._lock:
            ended, self._process = self._process, None
        if ended is not None:
            ended.reap()

    def _written(self, job: Job) -> Answer | None:
        """Return what the process made of a buffer; ``None``: it has to be written here."""
        try:
            process = self._started(self._thresholds.patience_s)
        except Unavailable:
            return None  # the last snapshot of a server that goes down
        if process is None:
            return None
        try:
            answer = self._answer_in_time(process, job)
        except (EOFError, OSError) as error:
            if not self._is_closed:
                logger.warning("a buffer is written here, for its process failed pid=%d: %r", process.pid, error)
            self._trusted_from_ns = self._clock.monotonic_ns() + TRUST_AGAIN_NS
            self._let_go(process)
            return None
        return answer

    def _answer_in_time(self, process: ChildProcess, job: Job) -> Answer:
        """Return the answer; ``TimeoutError`` if others keep the processors busy."""
        patience_s = self._thresholds.patience_s
        began_ns, had_ns = self._clock.monotonic_ns(), process.cpu_ns

        def check() -> None:
            took_ns = self._clock.monotonic_ns() - began_ns
            if is_starved(took_ns, process.cpu_ns - had_ns, int(patience_s * NS_PER_SECOND)):
                raise TimeoutError("others keep the processors busy")

        def wait() -> Answer | Plan:
            while not _has_answered(process, patience_s):
                check()
            return receive_answer(process.socket)

        process.socket.settimeout(patience_s)
        send_job(process.socket, job)
        answer = wait()
        if isinstance(answer, Plan):
            send_groups(process.socket, job.rows, answer, check)
            answer = wait()
        process.socket.settimeout(None)
        assert isinstance(answer, Answer), "it has all rows"
        return answer

    def _rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        is_small = sum(file.row_count * file.schema_version for file in files) < self._thresholds.small_values
        process = None if is_small else self._started()
        if process is None:
            self._check_open()
            return self._here.rewrite(schema, files)
        answer = self._answer(process, Job(FrozenRows(schema, (), tuple(files)), None))
        _check(answer)
        changes = FileChanges()
        answer.enter_in(changes, schema.table_id)
        return changes

    def _answer(self, process: ChildProcess, job: Job) -> Answer:
        began_ns = self._clock.monotonic_ns()
        try:
            send_job(process.socket, job)
            answer = receive_answer(process.socket)
            assert isinstance(answer, Answer), "there are no rows to ask for"
        except (EOFError, OSError) as error:
            self._let_go(process)
            self._check_open()
            raise ChildProcessError(f"the process that does it is gone: pid={process.pid} {error!r}") from error
        if is_starved(self._clock.monotonic_ns() - began_ns, answer.outcome.cpu_ns):
            logger.info("compaction is behind, for others keep the processors busy; its process gets more of them")
            self._is_urgent = True
            self._let_go(process)
        return answer

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unavailable("nothing is compacted any more: the server is going down")

    def _started(self, patience_s: float | None = None) -> ChildProcess | None:
        """Return the process, a new one if it has ended; ``None`` if none can be had, or none within ``patience_s``."""
        with self._lock:
            self._check_open()
            if self._process is not None:
                if self._process.is_alive:
                    return self._process
                self._process.reap()  # it ended for want of work
                self._process, self._is_urgent = None, False
            try:
                process = ChildProcess(_MODULE, str(self._root), msgspec.json.encode(self._terms).decode())
            except OSError as error:
                logger.warning("no process could be started that writes files: %s", error)
                return None
            step_back(process.pid, is_urgent=self._is_urgent)
            self._process = process
        try:
            if not _has_answered(process, patience_s):
                raise TimeoutError("others keep the processors busy")
            receive_frame(process.socket)
        except (EOFError, OSError) as error:
            self._let_go(process)
            self._check_open()
            logger.warning("the process that writes files did not start pid=%d: %r", process.pid, error)
            return None
        return process

    def _let_go(self, process: ChildProcess) -> None:
        with self._lock:
            self._process = None
        process.reap()


def step_back(pid: int, *, is_urgent: bool) -> None:
    """Let everybody else have the processors before process ``pid``, which has just begun."""
    with contextlib.suppress(ProcessLookupError):
        if not is_urgent and hasattr(os, "SCHED_IDLE"):
            with contextlib.suppress(PermissionError):  # a container may not allow it, and niceness helps a little
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, pid, URGENT_NICENESS if is_urgent else IDLE_NICENESS)


def _has_answered(process: ChildProcess, within_s: float | None) -> bool:
    return bool(select.select([process.socket], [], [], within_s)[0])


def _check(answer: Answer) -> None:
    """Raise what the process met."""
    if answer.outcome.errno is not None:
        raise OSError(answer.outcome.errno, answer.outcome.error)
    if answer.outcome.error is not None:
        raise StorageError(answer.outcome.error)
