"""What one file of the log holds, frame by frame and record by record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.disk import RealDisk
from engine.errors import StorageError
from engine.paths import NodePaths
from engine.wal.format import CommitRecord, PayloadAt, Record, RowsRecord, decode_records
from engine.wal.frames import HEADER_BYTES, DamagedHeader, Frame, FrameCodec, SegmentHeader, decode_header

_FILES = "*.wal*"
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class SegmentLook:
    """Which file to look into, and how closely.

    Attributes:
        position: of a record that the file holds; ``None`` = the newest file.
        with_records: tell the records of each frame.
        is_checked: stop at the first frame whose checksum does not hold; without it go on behind it.
    """

    position: int | None = None
    with_records: bool = True
    is_checked: bool = True


def read_segment(node: Path, look: SegmentLook) -> dict[str, Any]:
    """Return the ``frames`` of a file of the log of ``node``, what its header says, and the ``problem`` behind, or null.

    Raises:
        StorageError: there is no such file, or its header is damaged.
    """
    path = _file_of(NodePaths(node.parent, node.name), look.position)
    view = RealDisk().map(path)
    try:
        header = decode_header(view, str(path))
    except DamagedHeader as error:
        raise StorageError(f"{path} is damaged: its header does not match its checksum") from error
    codec = FrameCodec(header.salt, str(path))
    frames = list(_frames(codec, view, look))
    end = frames[-1]["offset"] + frames[-1]["size_bytes"] if frames else HEADER_BYTES
    return {**_head(path, header), "end_offset": end, "frames": frames, "problem": _problem(codec, view, end)}


def _file_of(paths: NodePaths, position: int | None) -> Path:
    """Return the file that has the record at ``position``: the last one that begins there or before."""
    if not paths.wal.is_dir():
        raise StorageError(f"no log is at {paths.wal}; --data-dir and --node-id (or --catalog-prefix) say where it is")
    names = sorted(path for path in paths.wal.glob(_FILES) if path.name[:_DIGITS].isdigit())
    fitting = [path for path in names if position is None or int(path.name[:_DIGITS]) <= position]
    if not fitting:
        first = f"; the first one begins at {int(names[0].name[:_DIGITS])}" if names else ""
        raise StorageError(f"the log has no file with the position {position}{first}")
    return fitting[-1]


def _head(path: Path, header: SegmentHeader) -> dict[str, Any]:
    previous = header.previous
    return {
        "file": str(path),
        "first_position": header.first_position,
        "created_ns": header.created_ns,
        "previous": None if previous is None else msgspec.to_builtins(previous),
    }


def _frames(codec: FrameCodec, view: memoryview, look: SegmentLook) -> Iterator[dict[str, Any]]:
    offset = HEADER_BYTES
    while (frame := codec.read(view, offset) if look.is_checked else codec.claimed(view, offset)) is not None:
        told: dict[str, Any] = {
            "offset": frame.offset,
            "size_bytes": frame.end - frame.offset,
            "first_position": frame.first_position,
            "record_count": frame.record_count,
        }
        is_good = look.is_checked or codec.read(view, offset) is not None
        if not is_good:
            told["is_damaged"] = True
        if look.with_records:
            told["records"] = [*_records(view, frame)] if is_good else []
        yield told
        offset = frame.end


def _records(view: memoryview, frame: Frame) -> Iterator[dict[str, Any]]:
    for position, record, payloads in decode_records(view, frame.start, frame.end):
        yield {"position": position, "kind": _kind(record), **_content(record, payloads)}


def _kind(record: Record) -> str:
    return type(record).__name__.removesuffix("Record").lower()


def _content(record: Record, payloads: Sequence[PayloadAt]) -> dict[str, Any]:
    """Return what a record tells, with sizes in place of rows and of values of plugins."""
    if isinstance(record, RowsRecord):
        return _rows(payloads[0])
    if not isinstance(record, CommitRecord):
        content: dict[str, Any] = msgspec.to_builtins(record)
        return content
    changes = [
        {"namespace": change.namespace, "clear": change.clear, "keys": [value.key for value in change.values]}
        for change in record.changes
    ]
    return {
        "trigger_id": record.trigger_id,
        "generation": record.generation,
        "run_id": record.run_id,
        "ranges": [list(pair) for pair in record.ranges],
        "due_ns": record.due_ns,
        "chain": list(record.chain),
        "rows": [_rows(payload) for payload in payloads],
        "changes": changes,
    }


def _rows(payload: PayloadAt) -> dict[str, Any]:
    return {
        "table_id": payload.table_id,
        "schema_version": payload.version,
        "row_count": payload.row_count,
        "size_bytes": payload.length,
        "chain": list(payload.chain),
    }


def _problem(codec: FrameCodec, view: memoryview, end: int) -> str | None:
    """Return what is wrong behind the last frame that was read: a good one there means that one before it is damaged."""
    if codec.claimed(view, end) is None and codec.find(view, end) is None:
        return None
    behind = codec.find(view, end)
    if behind is None:
        return f"a torn frame stands at offset {end}, nothing follows: a write was under way, or the machine stopped in one"
    return f"a frame at offset {end} is damaged, the next good one stands at offset {behind.offset}; --skip-crc goes on"
