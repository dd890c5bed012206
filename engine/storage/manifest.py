"""The list of what a node's folder holds: Parquet files, schemas, the checkpoint, and up to which position of the log."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from engine.errors import ManifestCorrupt
from engine.model.schema import Column, ColumnType, TableSchema
from engine.sealed import open_sealed, seal

MAGIC = b"I3MF"
VERSION = 1


class FileEntry(msgspec.Struct, frozen=True):
    """One Parquet file: the merged rows of one window of one table from an interval of the log.

    No two files of a table share a key.

    Attributes:
        name: the file's name in the folder of its table.
        window: the start of the window, in ns since the epoch.
        low, high: the interval of positions, both inclusive; intervals of files of one window never overlap.
        min_time, max_time: of its rows, in ns.
        crc32c: checksum of the whole file.
    """

    name: str
    table_id: int
    window: int
    low: int
    high: int
    row_count: int
    min_time: int
    max_time: int
    size_bytes: int
    crc32c: int
    schema_version: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the folder holds.

    Attributes:
        rows_until: rows of the log up to this position are in ``files``.
        state_until: progress and state of the log up to this position are in the checkpoint.
        checkpoint: the name of the checkpoint file, ``None`` before the first.
    """

    rows_until: int = 0
    state_until: int = 0
    checkpoint: str | None = None
    files: tuple[FileEntry, ...] = ()
    schemas: tuple[TableSchema, ...] = ()


class _Schema(msgspec.Struct, array_like=True):
    database_id: int
    table_id: int
    name: str
    columns: list[tuple[str, str]]


class _Body(msgspec.Struct):
    rows_until: int
    state_until: int
    checkpoint: str | None
    files: list[FileEntry]
    schemas: list[_Schema]


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of the manifest file."""
    schemas = [
        _Schema(s.database_id, s.table_id, s.name, [(c.name, c.type.short) for c in s.columns])
        for s in manifest.schemas
    ]
    body = _Body(manifest.rows_until, manifest.state_until, manifest.checkpoint, list(manifest.files), schemas)
    return seal(MAGIC, VERSION, msgspec.msgpack.encode(body))


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Return the manifest that ``data`` holds; ``where`` is named in errors.

    Raises:
        ManifestCorrupt: it is damaged, or was written by a newer version.
    """
    try:
        body = msgspec.msgpack.decode(open_sealed(MAGIC, VERSION, data, where), type=_Body)
    except msgspec.DecodeError as cause:
        raise ManifestCorrupt(f"{where} is damaged: {cause}") from cause
    return Manifest(
        body.rows_until, body.state_until, body.checkpoint, tuple(body.files), tuple(_schemas(body.schemas))
    )


def _schemas(stored: Iterable[_Schema]) -> Iterable[TableSchema]:
    for s in stored:
        columns = tuple(Column(name, ColumnType.from_short(short)) for name, short in s.columns)
        yield TableSchema(s.database_id, s.table_id, s.name, columns)
