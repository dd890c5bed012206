"""The list of what a node's folder holds: Parquet files, schemas, the checkpoint, and up to which position of the log."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from engine.model.schema import Column, ColumnType, TableSchema
from engine.sealed import decode_sealed, open_sealed, seal, sealed_version

MAGIC = b"I3MF"
VERSION = 2


class FileEntry(msgspec.Struct, frozen=True, array_like=True):
    """One Parquet file: merged rows of one table, its row groups in the order of time, each sorted by tags and time.

    No two files of a table share a key, but for rows in ``holes``, which count no more.

    Attributes:
        name: the file's name in the folder of its table.
        window: the start of the window that its first row is in, in ns since the epoch.
        low, high: the interval of positions that its rows come from, both inclusive.
        min_time, max_time: of its rows, in ns; no row is outside, some may be in holes.
        row_count: all rows, those in holes too.
        crc32c: checksum of the whole file.
        holes: ranges of times, both ends included, whose rows another file holds now; disjoint, in their order.
        dead_rows: how many rows are in holes.
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
    holes: tuple[tuple[int, int], ...] = ()
    dead_rows: int = 0

    @property
    def live_rows(self) -> int:
        """Return how many rows count."""
        return self.row_count - self.dead_rows


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


class _FileV1(msgspec.Struct):
    """A file as version 1 stored it; it held the rows of one window."""

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


class _BodyV1(msgspec.Struct):
    rows_until: int
    state_until: int
    checkpoint: str | None
    files: list[_FileV1]
    schemas: list[_Schema]


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


def decode_manifest(data: bytes, where: str, *, is_checked: bool = True) -> Manifest:
    """Return the manifest that ``data`` holds; ``where`` is named in errors, damage is not looked for unless ``is_checked``.

    Raises:
        ManifestCorrupt: it is damaged, or was written by a newer version.
    """
    content = open_sealed(MAGIC, VERSION, data, where, is_checked=is_checked)
    if sealed_version(data) == 1:
        old = decode_sealed(content, _BodyV1, where)
        files = tuple(FileEntry(*msgspec.structs.astuple(f)) for f in old.files)
        return Manifest(old.rows_until, old.state_until, old.checkpoint, files, tuple(_schemas(old.schemas)))
    body = decode_sealed(content, _Body, where)
    return Manifest(
        body.rows_until, body.state_until, body.checkpoint, tuple(body.files), tuple(_schemas(body.schemas))
    )


def _schemas(stored: Iterable[_Schema]) -> Iterable[TableSchema]:
    for s in stored:
        columns = tuple(Column(name, ColumnType.from_short(short)) for name, short in s.columns)
        yield TableSchema(s.database_id, s.table_id, s.name, columns)
