"""The records of the log ⇄ bytes.

A record is little-endian: a head (kind, flags, number of row payloads, of chain ids, bytes of meta, position, length), a
descriptor per payload, the payloads' chains, the other values as MessagePack, then each payload's data. Records and data
begin at multiples of ``ALIGN`` bytes, so that Arrow reads a mapped segment in place.

A log holds millions of records with a row or two, so those have a short way of their own, and values that are quick to make.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgspec

from engine.disk import Bytes
from engine.errors import StorageError
from engine.host.protocol import NamespaceChange, StateValue

ALIGN = 64

NOBODY = 0
"""As the trigger of a commit: no run's, but somebody's who changes the state of plugins; its generation is always open."""

StateChange = NamespaceChange
"""What a commit changes in one cache namespace: the host's own value, as it came."""


class Kind(IntEnum):
    """What a record tells."""

    SCHEMA = 1
    ROWS = 2
    STARTED = 3
    COMMIT = 4
    CONSUMER = 5
    SKIPPED = 6
    BACKFILL = 7


class RowsPayload(msgspec.Struct, frozen=True, gc=False):
    """Rows of one table.

    Attributes:
        version: the version of the table's schema then.
        encoding: how ``data`` holds the rows, see ``engine.columns.payload``.
        chain: ids of the triggers that led to these rows, each once.
        data: read from a log it is a view of the mapped segment.
    """

    table_id: int
    version: int
    row_count: int
    encoding: int
    chain: tuple[int, ...]
    data: Bytes


class SchemaRecord(msgspec.Struct, frozen=True):
    """A table was created, got columns, or was ``deleted``.

    ``columns`` are (name, ``ColumnType.short``), added behind the first ``first_version`` columns.
    """

    database_id: int
    table_id: int
    table_name: str
    first_version: int
    columns: tuple[tuple[str, str], ...]
    deleted: bool


class RowsRecord(msgspec.Struct, frozen=True, gc=False):
    """Rows were written."""

    rows: RowsPayload


class StartedRecord(msgspec.Struct, frozen=True):
    """A scheduled run that was due at ``due_ns`` began."""

    trigger_id: int
    generation: int
    run_id: str
    due_ns: int


class CommitRecord(msgspec.Struct, frozen=True):
    """A run ended; everything in here happened, or nothing.

    ``ranges`` are the positions that it worked off, (low, high) inclusive; ``due_ns`` is set for a scheduled run.
    """

    trigger_id: int
    generation: int
    run_id: str
    ranges: tuple[tuple[int, int], ...]
    due_ns: int | None
    chain: tuple[int, ...]
    rows: tuple[RowsPayload, ...]
    changes: tuple[StateChange, ...]


class ConsumerRecord(msgspec.Struct, frozen=True):
    """A trigger was enabled, and receives what stands behind ``start``; or (not ``opened``) its ``generation`` is over."""

    trigger_id: int
    opened: bool
    start: int = 0
    generation: int = 0


class SkippedRecord(msgspec.Struct, frozen=True):
    """``ranges`` of positions go from the log before a trigger has read the ``rows`` in them that concern it."""

    trigger_id: int
    generation: int
    ranges: tuple[tuple[int, int], ...]
    rows: int


class BackfillPlan(msgspec.Struct, frozen=True, array_like=True):
    """What a backfill consists of.

    Attributes:
        start_ns, end_ns: times of its rows, the end excluded; ``None`` = without bound.
        until: rows that were stored up to this position.
        rows: how many they are, numbered from 1.
        batch_rows: most rows of a run.
        live_waits: what is written meanwhile is delivered when it has ended.
        began_ns: wall-clock time.
    """

    start_ns: int | None
    end_ns: int | None
    until: int
    rows: int
    batch_rows: int
    live_waits: bool
    began_ns: int


class BackfillRecord(msgspec.Struct, frozen=True):
    """A backfill of a trigger began (``plan``), its rows with the numbers in ``ranges`` are done, or it ended (``outcome``).

    One that begins has ``generation`` 0: that which is open then.
    """

    trigger_id: int
    generation: int
    backfill_id: int
    plan: BackfillPlan | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    outcome: str = ""


Record = SchemaRecord | RowsRecord | StartedRecord | CommitRecord | ConsumerRecord | SkippedRecord | BackfillRecord


class EncodedRecord(NamedTuple):
    """A record as it will stand in the log.

    ``parts`` together have ``size`` bytes; the first one is the head, in which only the position is missing (see
    ``set_position``). ``payloads`` are (offset in the record, length) of each payload's data.
    """

    record: Record
    parts: list[Bytes]
    size: int
    payloads: tuple[tuple[int, int], ...]


class PayloadAt(msgspec.Struct, frozen=True, gc=False):
    """What the log's index keeps of one row payload; ``offset`` counts from the beginning of the segment."""

    position: int
    table_id: int
    offset: int
    length: int
    version: int
    row_count: int
    encoding: int
    chain: tuple[int, ...]


_ROWS = int(Kind.ROWS)
_KINDS = frozenset(int(kind) for kind in Kind)
_HEAD = struct.Struct("<BBxxIIIQQ")
_POSITION = struct.Struct("<Q")
_POSITION_AT = 16
_PAYLOAD = struct.Struct("<QQQIIBxxxI")

_Value = tuple[str, bytes | None, bool, int | None]
_Change = tuple[str, bool, list[_Value]]
_SchemaMeta = tuple[int, int, str, int, tuple[tuple[str, str], ...], bool]
_StartedMeta = tuple[int, int, str, int]
_CommitMeta = tuple[int, int, str, tuple[tuple[int, int], ...], int | None, tuple[int, ...], list[_Change]]
_ConsumerMeta = tuple[int, bool, int, int]
_SkippedMeta = tuple[int, int, tuple[tuple[int, int], ...], int]
_BackfillMeta = tuple[int, int, int, BackfillPlan | None, tuple[tuple[int, int], ...], str]

_encode_meta = msgspec.msgpack.Encoder().encode
_schema_meta = msgspec.msgpack.Decoder(_SchemaMeta)
_started_meta = msgspec.msgpack.Decoder(_StartedMeta)
_commit_meta = msgspec.msgpack.Decoder(_CommitMeta)
_consumer_meta = msgspec.msgpack.Decoder(_ConsumerMeta)
_skipped_meta = msgspec.msgpack.Decoder(_SkippedMeta)
_backfill_meta = msgspec.msgpack.Decoder(_BackfillMeta)


def padded(size: int) -> int:
    """Return ``size`` rounded up to the next multiple of ``ALIGN``."""
    return -(-size // ALIGN) * ALIGN


def encode_record(record: Record) -> EncodedRecord:
    """Return ``record`` as bytes, for any position."""
    kind, rows, meta = _take_apart(record)
    chains = [trigger_id for payload in rows for trigger_id in payload.chain]
    chains_at = _HEAD.size + len(rows) * _PAYLOAD.size
    meta_at = chains_at + 8 * len(chains)
    head = bytearray(padded(meta_at + len(meta)))
    head[meta_at : meta_at + len(meta)] = meta
    struct.pack_into(f"<{len(chains)}Q", head, chains_at, *chains)
    parts: list[Bytes] = [head]
    spans = []
    at = len(head)
    for number, p in enumerate(rows):
        length = len(p.data)
        described_at = _HEAD.size + number * _PAYLOAD.size
        _PAYLOAD.pack_into(head, described_at, p.table_id, at, length, p.version, p.row_count, p.encoding, len(p.chain))
        spans.append((at, length))
        parts += (p.data, bytes(-length % ALIGN))
        at += padded(length)
    _HEAD.pack_into(head, 0, kind, 0, len(rows), len(chains), len(meta), 0, at)
    return EncodedRecord(record, parts, at, tuple(spans))


def set_position(encoded: EncodedRecord, position: int) -> None:
    """Write ``position`` into the head of a record."""
    head = encoded.parts[0]
    assert isinstance(head, bytearray)
    _POSITION.pack_into(head, _POSITION_AT, position)


def payloads_of(record: Record) -> tuple[RowsPayload, ...]:
    """Return the row payloads of ``record`` in the order in which they stand in the log."""
    if type(record) is RowsRecord:
        return (record.rows,)
    return record.rows if type(record) is CommitRecord else ()


def decode_records(
    view: memoryview, start: int, end: int, after: int = 0
) -> Iterator[tuple[int, Record, Sequence[PayloadAt]]]:
    """Yield position, record and payloads of what stands between ``start`` and ``end`` above the position ``after``.

    Raises:
        StorageError: a newer version wrote a record of a kind that this one does not know.
    """
    while start < end:
        kind, flags, payload_count, chain_count, meta_bytes, position, length = _HEAD.unpack_from(view, start)
        if position > after:
            check_kind(kind, flags)
            if kind == _ROWS:
                payload = _first_payload(view, start, position)
                yield position, RowsRecord(_rows(view, payload)), (payload,)
            else:
                meta_at = start + _HEAD.size + payload_count * _PAYLOAD.size + 8 * chain_count
                payloads = _payloads(view, start, position, payload_count)
                rows = tuple([_rows(view, payload) for payload in payloads])
                yield position, _put_together(kind, rows, view[meta_at : meta_at + meta_bytes]), payloads
        start += length


def scan_payloads(view: memoryview, start: int, end: int) -> Iterator[PayloadAt]:
    """Yield the row payloads between ``start`` and ``end`` without reading the rest of the records."""
    while start < end:
        kind, _, payload_count, _, _, position, length = _HEAD.unpack_from(view, start)
        if kind == _ROWS:
            yield _first_payload(view, start, position)
        elif payload_count:
            yield from _payloads(view, start, position, payload_count)
        start += length


def payloads_at(view: memoryview, start: int) -> Sequence[PayloadAt]:
    """Return the row payloads of the record at ``start``."""
    _, _, payload_count, _, _, position, _ = _HEAD.unpack_from(view, start)
    return _payloads(view, start, position, payload_count)


def _take_apart(record: Record) -> tuple[Kind, Sequence[RowsPayload], bytes]:
    match record:
        case RowsRecord(rows):
            return Kind.ROWS, (rows,), b""
        case CommitRecord(trigger_id, generation, run_id, ranges, due_ns, chain, rows, changes):
            changed: list[_Change] = [
                (c.namespace, c.clear, [(v.key, v.pickled, v.live, v.expires_ns) for v in c.values]) for c in changes
            ]
            meta = _encode_meta((trigger_id, generation, run_id, ranges, due_ns, chain, changed))
            return Kind.COMMIT, rows, meta
        case StartedRecord(trigger_id, generation, run_id, due_ns):
            return Kind.STARTED, (), _encode_meta((trigger_id, generation, run_id, due_ns))
        case ConsumerRecord(trigger_id, opened, start, generation):
            return Kind.CONSUMER, (), _encode_meta((trigger_id, opened, start, generation))
        case SkippedRecord(trigger_id, generation, ranges, skipped):
            return Kind.SKIPPED, (), _encode_meta((trigger_id, generation, ranges, skipped))
        case BackfillRecord(trigger_id, generation, backfill_id, plan, ranges, outcome):
            return Kind.BACKFILL, (), _encode_meta((trigger_id, generation, backfill_id, plan, ranges, outcome))
        case SchemaRecord(database_id, table_id, name, first_version, columns, deleted):
            return Kind.SCHEMA, (), _encode_meta((database_id, table_id, name, first_version, columns, deleted))


def _put_together(kind: int, rows: tuple[RowsPayload, ...], meta: memoryview) -> Record:
    if kind == Kind.COMMIT:
        trigger_id, generation, run_id, ranges, due_ns, chain, changed = _commit_meta.decode(meta)
        changes = tuple(StateChange(name, clear, [StateValue(*v) for v in values]) for name, clear, values in changed)
        return CommitRecord(trigger_id, generation, run_id, ranges, due_ns, chain, rows, changes)
    if kind == Kind.STARTED:
        return StartedRecord(*_started_meta.decode(meta))
    if kind == Kind.CONSUMER:
        return ConsumerRecord(*_consumer_meta.decode(meta))
    if kind == Kind.SKIPPED:
        return SkippedRecord(*_skipped_meta.decode(meta))
    if kind == Kind.BACKFILL:
        return BackfillRecord(*_backfill_meta.decode(meta))
    return SchemaRecord(*_schema_meta.decode(meta))


def check_kind(kind: int, flags: int) -> None:
    """Raise ``StorageError`` if only a newer version knows records of this kind, or with these flags."""
    if kind not in _KINDS or flags:
        raise StorageError(
            f"the log holds a record of kind {kind} with flags {flags}, which this version does not know: "
            "start the newer influxdb3 that wrote it"
        )


def _first_payload(view: memoryview, start: int, position: int) -> PayloadAt:
    """Return the only payload of the record at ``start``."""
    table_id, offset, length, version, row_count, encoding, chain_length = _PAYLOAD.unpack_from(
        view, start + _HEAD.size
    )
    chain: tuple[int, ...] = ()
    if chain_length:
        chain = struct.unpack_from(f"<{chain_length}Q", view, start + _HEAD.size + _PAYLOAD.size)
    return PayloadAt(position, table_id, start + offset, length, version, row_count, encoding, chain)


def _payloads(view: memoryview, start: int, position: int, count: int) -> list[PayloadAt]:
    found = []
    chain_at = start + _HEAD.size + count * _PAYLOAD.size
    for at in range(start + _HEAD.size, chain_at, _PAYLOAD.size):
        table_id, offset, length, version, row_count, encoding, chain_length = _PAYLOAD.unpack_from(view, at)
        chain: tuple[int, ...] = ()
        if chain_length:
            chain = struct.unpack_from(f"<{chain_length}Q", view, chain_at)
            chain_at += 8 * chain_length
        found.append(PayloadAt(position, table_id, start + offset, length, version, row_count, encoding, chain))
    return found


def _rows(view: memoryview, p: PayloadAt) -> RowsPayload:
    data = view[p.offset : p.offset + p.length]
    return RowsPayload(p.table_id, p.version, p.row_count, p.encoding, p.chain, data)
