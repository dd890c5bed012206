"""What a query process and the server say to each other over their socket."""

import mmap
import os
import pickle
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from engine import errors
from engine.errors import EngineError, QueryFailed
from engine.query.namespaces import Call
from engine.query.ports import TableSnapshot

_HEAD = struct.Struct("!cQ")
_ALIGNED_BYTES = 64

SCHEMA, BATCH, FAILED, END = b"S", b"B", b"F", b"E"

Recipe: TypeAlias = TableSnapshot | pa.Table | str | None
"""What a table is made of: rows of a user's table, other rows, the name of a view of DataFusion; ``None`` = it is not there."""


@dataclass(frozen=True, slots=True)
class Job:
    """One query with all that it reads; ``tables`` by schema and name."""

    sql: str
    values: Mapping[str, pa.Scalar]
    tables: Mapping[tuple[str, str], Recipe]
    calls: Mapping[Call, pa.Table]


def send_job(sock: socket.socket, job: Job) -> None:
    """Hand a job over; its rows are copied once, into memory that both processes see."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(job, protocol=5, buffer_callback=buffers.append)
    fd = os.memfd_create("influxdb3-query")
    with os.fdopen(fd, "wb") as file:
        places = []
        for buffer in buffers:
            file.write(bytes(-file.tell() % _ALIGNED_BYTES))
            places.append((file.tell(), buffer.raw().nbytes))
            file.write(buffer.raw())
        tail = pickle.dumps((body, places))
        file.write(tail)
        file.flush()
        socket.send_fds(sock, [_HEAD.pack(b"J", len(tail))], [fd])


def receive_job(sock: socket.socket) -> Job | None:
    """Return the next job, ``None`` when there is no more."""
    head, fds, _, _ = socket.recv_fds(sock, _HEAD.size, 1)
    if not head:
        return None
    _, tail_bytes = _HEAD.unpack(head)
    try:
        content = memoryview(mmap.mmap(fds[0], 0, access=mmap.ACCESS_READ))
    finally:
        os.close(fds[0])
    body, places = pickle.loads(content[len(content) - tail_bytes :])
    job: Job = pickle.loads(body, buffers=[content[at : at + size] for at, size in places])
    return job


def encode_batches(schema: pa.Schema, *batches: pa.RecordBatch) -> pa.Buffer:
    """Return ``batches`` as bytes; each such text stands alone, with its dictionaries."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return sink.getvalue()


def decode_batches(data: bytearray) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return what ``encode_batches`` was given."""
    reader = pa.ipc.open_stream(pa.py_buffer(data))
    return reader.schema, iter(reader)


def encode_error(error: EngineError) -> bytes:
    """Return an error as bytes: its class and its text."""
    return pickle.dumps((type(error).__name__, str(error)))


def decode_error(body: bytes | bytearray) -> EngineError:
    """Return what ``encode_error`` was given."""
    name, text = pickle.loads(body)
    kind = getattr(errors, name, QueryFailed)
    error: EngineError = kind(text)
    return error
