"""What a process that writes Parquet files is told, and what it answers, as frames on a socket."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from engine.child_process import receive_exactly, receive_frame, send_frame
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry, Manifest, decode_manifest, encode_manifest
from engine.storage.ranges import Ranges, Times
from engine.storage.snapshot import FileChanges
from engine.storage.table import RowsToWrite

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READY, JOB, PLAN, DONE, FAILED = b"r", b"j", b"p", b"d", b"f"

PART_BYTES = 128 * 2**10
REST_S = 0.0005
"""After each part of so many bytes the sender rests: to copy is all it does, and others wait for its processor meanwhile."""

Interval = tuple[int, int]
"""The first and the last position that rows come from."""


@dataclass(frozen=True, slots=True)
class Job:
    """Rows of one table that are to be written.

    ``interval``: that of the buffered rows in ``rows``; ``None`` = there are none, and its files are to be written anew.
    """

    rows: RowsToWrite
    interval: Interval | None


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job.

    Attributes:
        cpu_ns: the processor time that it took.
        error: why it failed, ``None`` = it did not; ``errno`` is the system's number for that, if it has one.
        found: names of the added files that were there before.
    """

    cpu_ns: int
    error: str | None = None
    errno: int | None = None
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, and the files that a manifest shall name, and name no more."""

    outcome: Outcome
    added: tuple[FileEntry, ...] = ()
    replaced: tuple[FileEntry, ...] = ()

    def enter_in(self, changes: FileChanges, table_id: int) -> None:
        """Add the files of the table to ``changes``."""
        if self.added:
            changes.added.setdefault(table_id, []).extend(self.added)
        if self.replaced:
            changes.replaced.setdefault(table_id, []).extend(self.replaced)
        changes.found |= {(table_id, name) for name in self.outcome.found}


class _Head(msgspec.Struct, frozen=True):
    interval: Interval | None
    late: Ranges
    row_bytes: float


def send_job(sock: socket.socket, job: Job) -> None:
    """Send a job; of its rows only the times, until the other side has a ``Plan`` for them."""
    rows = job.rows
    send_frame(sock, JOB, msgspec.json.encode(_Head(job.interval, rows.late, rows.row_bytes)))
    send_frame(sock, JOB, encode_manifest(Manifest(files=rows.files, schemas=(rows.schema,))))
    times = rows.times
    send_frame(sock, JOB, len(times).to_bytes(8, "big"))
    _Outgoing(sock).write(times.data)


def receive_job(sock: socket.socket) -> "tuple[RemoteRows, Interval | None]":
    """Return rows and interval of the next job; the rows come over the socket when they are asked for.

    Raises:
        EOFError: the other side has ended.
    """
    head = msgspec.json.decode(receive_frame(sock)[1], type=_Head)
    named = decode_manifest(bytes(receive_frame(sock)[1]), "a job")
    count = int.from_bytes(receive_frame(sock)[1], "big")
    times = np.frombuffer(receive_exactly(sock, 8 * count), np.int64)
    return RemoteRows(sock, named.schemas[0], named.files, head.late, times, head.row_bytes), head.interval


@dataclass(slots=True)
class RemoteRows:
    """Rows that the other side has (port ``RowsToWrite``); each group is received when it is asked for."""

    _sock: socket.socket
    schema: TableSchema
    files: tuple[FileEntry, ...]
    late: Ranges
    times: Times
    row_bytes: float
    _left: int = 0

    def in_groups(self, lasts: Times) -> Iterator[list[pa.RecordBatch]]:
        """See ``RowsToWrite``."""
        send_frame(self._sock, PLAN, lasts.data)
        self._left = len(lasts)
        while self._left:
            yield self._next()

    def pass_by(self) -> None:
        """Receive what was promised and nobody took."""
        while self._left:
            self._next()

    def _next(self) -> list[pa.RecordBatch]:
        count = int.from_bytes(receive_frame(self._sock)[1], "big")
        group = [batch for _ in range(count) for batch in pa.ipc.open_stream(_Incoming(self._sock))]
        self._left -= 1
        return group


@dataclass(frozen=True, slots=True)
class Plan:
    """The last time of each group in which the other side wants the rows."""

    lasts: Times


def send_groups(sock: socket.socket, rows: RowsToWrite, plan: Plan, before_each: Callable[[], object]) -> None:
    """Send the rows as the other side wants them, in small parts with rests; ``before_each`` group may raise."""
    for group in rows.in_groups(plan.lasts):
        before_each()
        send_frame(sock, JOB, len(group).to_bytes(8, "big"))
        for batch in group:
            with pa.ipc.new_stream(_Outgoing(sock), batch.schema) as stream:
                stream.write_batch(batch)


def send_changes(sock: socket.socket, cpu_ns: int, table_id: int, changes: FileChanges) -> None:
    """Answer a job that was done."""
    found = tuple(name for _, name in changes.found)
    send_frame(sock, DONE, msgspec.json.encode(Outcome(cpu_ns, found=found)))
    for files in changes.of(table_id):
        send_frame(sock, DONE, encode_manifest(Manifest(files=tuple(files))))


def send_failure(sock: socket.socket, cpu_ns: int, error: Exception) -> None:
    """Answer a job that failed."""
    number = error.errno if isinstance(error, OSError) else None
    send_frame(sock, FAILED, msgspec.json.encode(Outcome(cpu_ns, str(error) or repr(error), number)))


def receive_answer(sock: socket.socket) -> Answer | Plan:
    """Return the answer to a job, or what it takes to go on with it.

    Raises:
        EOFError: the other side has ended.
    """
    kind, outcome = receive_frame(sock)
    if kind == PLAN:
        return Plan(np.frombuffer(outcome, np.int64))
    if kind == FAILED:
        return Answer(msgspec.json.decode(outcome, type=Outcome))
    added, replaced = _files(sock), _files(sock)
    return Answer(msgspec.json.decode(outcome, type=Outcome), added, replaced)


def _files(sock: socket.socket) -> tuple[FileEntry, ...]:
    return decode_manifest(bytes(receive_frame(sock)[1]), "an answer").files


class _Outgoing:
    """What goes over a socket, as the file that pyarrow writes to."""

    closed = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def write(self, data: "ReadableBuffer") -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PART_BYTES):
            self._sock.sendall(view[start : start + PART_BYTES])
            if start:
                time.sleep(REST_S)

    def flush(self) -> None:
        pass


class _Incoming:
    """What comes over a socket, as the file that pyarrow reads from."""

    closed = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, size: int) -> bytearray:
        return receive_exactly(self._sock, size)
