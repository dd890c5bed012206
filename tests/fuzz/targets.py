"""What is fuzzed: each target takes any bytes, and raises only if the engine does what it must never do."""

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from engine.columns.payload import decode_rows
from engine.errors import InvalidRequest, StorageError
from engine.lineprotocol.body import parse_body, parse_lines
from engine.lineprotocol.columnar import parse_columns
from engine.lineprotocol.groups import ParsedBody
from engine.lineprotocol.timestamps import ingest_time
from engine.model.precision import Precision
from engine.model.schema import TableSchema
from engine.server.body import decompressed
from engine.server.errors import BodyTooLarge
from engine.server.routes.write import v1_params, v2_params, v3_params
from engine.wal.format import RowsPayload, RowsRecord, SchemaRecord, decode_records, encode_record, set_position
from engine.wal.frames import HEADER_BYTES, DamagedHeader, FrameCodec, SegmentHeader, decode_header, encode_header
from engine.write.validator import assemble, encode, plan_write
from tests.support.line_protocol import plain, random_body

NOW_NS = 1_234_567_890_123_456_789
MOST_UNPACKED_BYTES = 10_000
PRECISIONS = list(Precision)


def check_body(data: bytes) -> None:
    """Both parsers read a body alike, and what they read goes into the log and comes out as it was."""
    if not data:
        return
    precision, fewest_tokens, body = PRECISIONS[data[0] % 5], (1, 20, 600)[data[0] // 5 % 3], data[1:]
    try:
        parsed = parse_body(body, precision, NOW_NS)
        text = body.decode()
    except InvalidRequest:
        return
    now_ns = ingest_time(NOW_NS, precision)
    line_by_line = plain(parse_lines(text, precision, now_ns))
    assert plain(parsed) == line_by_line
    assert plain(parse_columns(body, precision, now_ns, fewest_tokens=fewest_tokens)) == line_by_line
    _check_rows(parsed)


def _check_rows(parsed: ParsedBody) -> None:
    plan = plan_write(parsed, {}.get)
    assert sum(table.row_count for table in plan.tables) + len(plan.rejected) == parsed.line_count
    for table in plan.tables:
        schema = TableSchema(1, 2, table.name, table.added)
        batch = assemble(table.groups, schema)
        batch.validate(full=True)
        encoding, payload = encode(table, schema)
        read = decode_rows(encoding, payload, schema)
        assert _texts(read) == _texts(batch)


def _texts(batch: pa.RecordBatch) -> list[str]:
    """Return the values of each column as text, so that -0.0 differs from 0.0."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in batch.columns]
    return [repr(column.to_pylist()) for column in columns]


def check_made_body(data: bytes) -> None:
    """The same of a body that is made by chance, for which ``data`` is the seed: mostly good lines of a few shapes."""
    choose = random.Random(data)
    check_body(bytes([choose.randrange(15)]) + random_body(choose, 40).encode())


def check_query(data: bytes) -> None:
    """Parameters of a write are understood or refused."""
    for read in (v1_params, v2_params, v3_params):
        _unless_refused(read, data)


def check_gzip(data: bytes) -> None:
    """A body that says that it is packed is unpacked up to its limit, or refused."""
    unpacked = _unless_refused(decompressed, data, b"gzip", MOST_UNPACKED_BYTES, but=BodyTooLarge)
    assert unpacked is None or len(unpacked) <= MOST_UNPACKED_BYTES


def check_log(data: bytes) -> None:
    """Whatever happens to the bytes of a segment of the log, a frame that is read is one that was written.

    Each three bytes of ``data`` say which byte of it changes, and by how much.
    """
    content = bytearray(SEGMENT)
    for at in range(0, len(data) - 2, 3):
        content[int.from_bytes(data[at : at + 2], "little") % len(content)] ^= data[at + 2]
    view = memoryview(bytes(content))
    header = _unless_refused(decode_header, view, "segment", but=DamagedHeader)
    if header is None:
        return
    assert header == HEADER
    codec = FrameCodec(header.salt, "segment")
    offset = HEADER_BYTES
    while (frame := codec.find(view, offset)) is not None:
        assert view[frame.offset : frame.end] == SEGMENT[frame.offset : frame.end]
        assert len(list(decode_records(view, frame.start, frame.end))) == frame.record_count
        offset = frame.end


def _unless_refused(call: Callable[..., Any], *arguments: object, but: type[Exception] = InvalidRequest) -> Any:
    try:
        return call(*arguments)
    except (InvalidRequest, StorageError, but):
        return None


def _segment() -> tuple[SegmentHeader, bytes]:
    """Return a segment of three frames and its header."""
    header = SegmentHeader(1, bytes(range(16)), NOW_NS, None)
    codec = FrameCodec(header.salt, "segment")
    content = encode_header(header)
    position = 1
    for count in (1, 2, 5):
        body = b""
        for number in range(count):
            rows = RowsRecord(RowsPayload(7, 2, 1, 1, (9,) * number, b"rows" * number))
            encoded = encode_record(SchemaRecord(1, 7, "t", 0, (("f", "f"),), deleted=False) if number == 3 else rows)
            set_position(encoded, position + number)
            body += b"".join(bytes(part) for part in encoded.parts)
        content += codec.encode_head(len(content), position, count, body) + body
        position += count
    return header, content


HEADER, SEGMENT = _segment()

TARGETS: dict[str, Callable[[bytes], None]] = {
    "body": check_body,
    "made": check_made_body,
    "query": check_query,
    "gzip": check_gzip,
    "log": check_log,
}
