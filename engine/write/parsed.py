"""What the server and its parsing processes say to each other: how to parse a body, and what it holds."""

import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from engine.lineprotocol.groups import Fields, Group, LineGroup, ParsedBody, RejectedLine, ValueGroup, excerpt
from engine.lineprotocol.lines import split_lines
from engine.model.precision import Precision

READY, TERMS, BODY, PARSED, FAILED = b"R", b"T", b"B", b"P", b"F"
"""The kinds of frames."""

_SIZE = struct.Struct("<Q")
_ALIGNED_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a ``LineGroup`` is beside its columns, which are ``size_bytes`` of Arrow IPC.

    The numbers of its lines are the last column (``has_numbers``), unless they follow each other from ``first_number`` on.
    """

    table: str
    tags: tuple[str, ...]
    fields: Fields
    first_number: int
    has_numbers: bool
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Head:
    groups: Sequence[_Columns | ValueGroup]
    rejected: list[RejectedLine]
    line_count: int


def encode_terms(precision: Precision, ingest_time_ns: int) -> bytes:
    """Return how a body is to be parsed; see ``engine.lineprotocol.body.parse_body``."""
    return f"{ingest_time_ns} {precision.value}".encode()


def decode_terms(data: bytes | bytearray) -> tuple[Precision, int]:
    """Return what ``encode_terms`` was given."""
    time, precision = data.decode().split()
    return Precision(precision), int(time)


def encode_parsed(parsed: ParsedBody) -> list[bytes | pa.Buffer]:
    """Return ``parsed`` without what the body itself tells, as pieces that belong behind each other."""
    heads: list[_Columns | ValueGroup] = []
    columns = []
    for group in parsed.groups:
        if isinstance(group, ValueGroup):
            heads.append(group)
            continue
        has_numbers = int(group.lines[-1]) - group.first_number + 1 != len(group.lines)
        columns.append(_encode_columns(group, has_numbers=has_numbers))
        size = len(columns[-1])
        heads.append(_Columns(group.table, group.tags, group.fields, group.first_number, has_numbers, size))
    head = pickle.dumps(_Head(heads, parsed.rejected, parsed.line_count), protocol=5)
    padding = bytes(-(_SIZE.size + len(head)) % _ALIGNED_BYTES)
    return [_SIZE.pack(len(head)), head, padding, *columns]


def decode_parsed(data: bytearray, body: bytes) -> ParsedBody:
    """Return what ``encode_parsed`` was given, which had been made of ``body``; its columns point into ``data``."""
    (size,) = _SIZE.unpack_from(data)
    at = _SIZE.size + size
    head: _Head = pickle.loads(memoryview(data)[_SIZE.size : at])
    at += -at % _ALIGNED_BYTES
    content = pa.py_buffer(data)
    groups: list[Group] = []
    for group in head.groups:
        if isinstance(group, _Columns):
            groups.append(_decode_columns(group, content.slice(at, group.size_bytes)))
            at += group.size_bytes
        else:
            groups.append(group)
    return ParsedBody(groups, head.rejected, head.line_count, _original_lines(body))


def _encode_columns(group: LineGroup, *, has_numbers: bool) -> pa.Buffer:
    arrays = [*group.tag_columns, *group.field_columns, group.time]
    if has_numbers:
        arrays.append(pa.array(group.lines))
    batch = pa.RecordBatch.from_arrays(arrays, names=[""] * len(arrays))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _decode_columns(head: _Columns, data: pa.Buffer) -> LineGroup:
    with pa.ipc.open_stream(data) as stream:
        batch = stream.read_next_batch()
    columns = batch.columns
    following = np.arange(head.first_number, head.first_number + batch.num_rows)
    numbers = columns.pop().to_numpy() if head.has_numbers else following
    time = columns.pop()
    tags = len(head.tags)
    return LineGroup(head.table, head.tags, head.fields, tuple(columns[:tags]), tuple(columns[tags:]), time, numbers)


def _original_lines(body: bytes) -> Callable[[int], str]:
    """Return ``ParsedBody.original_line``; the lines are looked for when the first one is asked for."""

    @cache
    def lines() -> list[str]:
        return list(split_lines(body.decode()))

    return lambda number: excerpt(lines()[number - 1].encode())
