"""The content of a cache ⇄ the bytes of its file."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from engine.caches.keys import Numbers
from engine.errors import ManifestCorrupt
from engine.sealed import open_sealed, seal

MAGIC = b"I3CC"
VERSION = 1


class CacheHead(msgspec.Struct, frozen=True):
    """What a file tells of its content.

    Attributes:
        position: the records of the log up to this one are in it.
        saved_ns: when it was written; what is not in it came later.
        key_columns: what it was made by, as are ``value_columns``; under others it is of no use.
    """

    cache_id: int
    table_id: int
    position: int
    saved_ns: int
    key_columns: tuple[str, ...]
    value_columns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SavedCache:
    """A file's content: rows as ``dump`` of the cache gives them, and when each of them came."""

    head: CacheHead
    rows: pa.Table
    came_ns: Numbers


def encode_cache(saved: SavedCache) -> bytes:
    """Return the file of ``saved``."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, saved.rows.schema) as writer:
        writer.write_table(saved.rows)
    parts = (saved.head, saved.came_ns.astype("<i8").tobytes(), sink.getvalue().to_pybytes())
    return seal(MAGIC, VERSION, msgspec.msgpack.encode(parts))


def decode_cache(data: bytes, where: str) -> SavedCache:
    """Return what the file ``data`` says; ``where`` is named in errors.

    Raises:
        ManifestCorrupt: the data is damaged, or its format is newer.
    """
    content = open_sealed(MAGIC, VERSION, data, where)
    try:
        head, came, rows = msgspec.msgpack.decode(content, type=tuple[CacheHead, bytes, bytes])
        with pa.ipc.open_stream(pa.py_buffer(rows)) as reader:
            table = reader.read_all()
        came_ns = np.frombuffer(came, dtype="<i8").astype(np.int64)
    except (msgspec.DecodeError, pa.ArrowException, ValueError) as cause:
        raise ManifestCorrupt(f"{where} is damaged: {cause}") from cause
    if len(came_ns) != table.num_rows:
        raise ManifestCorrupt(f"{where} is damaged: {table.num_rows} rows, {len(came_ns)} times")
    return SavedCache(head, table, came_ns)
