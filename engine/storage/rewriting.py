"""Where files are compacted: in the server, or beside it in a process of the lowest priority.

To merge and encode rows keeps a processor busy for tens of milliseconds at a time. A thread of the server that does so
keeps others from the interpreter, and from the processor that it happens to be on, while they have an acknowledgement to
give; see docs/adr/0031.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from engine.child_process import ChildProcess, receive_frame, send_frame
from engine.clock import Clock
from engine.errors import StorageError, Unavailable
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry, Manifest, decode_manifest, encode_manifest
from engine.storage.slices import DEFAULT_LIMITS, SliceLimits
from engine.storage.snapshot import FileChanges

logger = logging.getLogger(__name__)

SMALL_VALUES = 200_000
"""Fewer are rewritten here, in some 10 ms: a process takes a third of a second to start, and 60 MB."""

LONGEST_IDLE_S = 30.0
"""A process ends when there was nothing to rewrite for so long."""

LONG_NS = 10 * NS_PER_SECOND
LEAST_SHARE = 4
"""Of a long rewriting, at least one part in so many has to be spent on a processor, or the next one gets more of them."""

READY, JOB, DONE, FAILED = b"r", b"j", b"d", b"f"

_MODULE = "engine.storage.rewriting_child"


class Rewriter(Protocol):
    """Writes Parquet files anew."""

    def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        """Write the rows of ``files`` of a table, those in holes not, in new files; all are synced, their folder too.

        Raises:
            EngineError, OSError: nothing is to be exchanged; later it may work.
        """

    def close(self) -> None:
        """Give up what is under way; nothing is rewritten any more."""


class Terms(msgspec.Struct, frozen=True):
    """How a process rewrites files: the length of a window, how large they become, how long it waits, how it asks."""

    window_ns: int
    limits: SliceLimits = DEFAULT_LIMITS
    longest_idle_s: float = LONGEST_IDLE_S
    is_urgent: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job: the processor time that it took, and why it failed, if it did (``errno`` of the system)."""

    cpu_ns: int
    error: str | None = None
    errno: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The new files, and what the process tells of its work."""

    outcome: Outcome
    added: tuple[FileEntry, ...] = ()


def is_starved(took_ns: int, cpu_ns: int) -> bool:
    """Return whether a rewriting took long only because everybody else had the processors."""
    return took_ns > LONG_NS and cpu_ns * LEAST_SHARE < took_ns


class RewritingProcess:
    """Rewrites files beside the server (port ``Rewriter``); one at a time.

    The process has the lowest priority there is. Where that leaves it too little, the next one has a somewhat higher one.
    ``here`` does the work where no process can be started; ``root`` is the folder of the node.
    """

    def __init__(
        self, here: Rewriter, root: Path, terms: Terms, clock: Clock, *, small_values: int = SMALL_VALUES
    ) -> None:
        self._here = here
        self._root = root
        self._terms = terms
        self._clock = clock
        self._small_values = small_values
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

    def _rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        is_small = sum(file.row_count * file.schema_version for file in files) < self._small_values
        process = None if is_small else self._started()
        if process is None:
            self._check_open()
            return self._here.rewrite(schema, files)
        answer = self._answer(process, schema, files)
        if answer.outcome.errno is not None:
            raise OSError(answer.outcome.errno, answer.outcome.error)
        if answer.outcome.error is not None:
            raise StorageError(answer.outcome.error)
        return FileChanges({schema.table_id: list(answer.added)}, {schema.table_id: list(files)})

    def _answer(self, process: ChildProcess, schema: TableSchema, files: Sequence[FileEntry]) -> Answer:
        began_ns = self._clock.monotonic_ns()
        try:
            answer = _ask(process, schema, files)
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

    def _started(self) -> ChildProcess | None:
        """Return the process, a new one if it has ended; ``None`` if none can be had."""
        with self._lock:
            self._check_open()
            if self._process is not None:
                if self._process.is_alive:
                    return self._process
                self._process.reap()  # it ended for want of work
                self._process, self._is_urgent = None, False
            terms = msgspec.structs.replace(self._terms, is_urgent=self._is_urgent)
            try:
                process = ChildProcess(_MODULE, str(self._root), msgspec.json.encode(terms).decode())
            except OSError as error:
                logger.warning("no process could be started that rewrites files: %s", error)
                return None
            self._process = process
        try:
            receive_frame(process.socket)
        except (EOFError, OSError) as error:
            logger.warning("the process that rewrites files did not start pid=%d: %r", process.pid, error)
            self._let_go(process)
            self._check_open()
            return None
        return process

    def _let_go(self, process: ChildProcess) -> None:
        with self._lock:
            self._process = None
        process.reap()


def encode_job(schema: TableSchema, files: Sequence[FileEntry]) -> bytes:
    """Return files of one table, as a manifest that names nothing else."""
    return encode_manifest(Manifest(files=tuple(files), schemas=(schema,)))


def decode_job(data: bytes) -> tuple[TableSchema, tuple[FileEntry, ...]]:
    """Return what ``encode_job`` was given."""
    job = decode_manifest(data, "a job")
    return job.schemas[0], job.files


def _ask(process: ChildProcess, schema: TableSchema, files: Sequence[FileEntry]) -> Answer:
    send_frame(process.socket, JOB, encode_job(schema, files))
    outcome = msgspec.json.decode(receive_frame(process.socket)[1], type=Outcome)
    if outcome.error is not None:
        return Answer(outcome)
    return Answer(outcome, decode_job(bytes(receive_frame(process.socket)[1]))[1])
