"""What an object store keeps of a node: keys, the object ``manifest``, and the decision what a folder is beside it."""

from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from engine.sealed import decode_sealed, open_sealed, seal
from engine.storage.manifest import FileEntry
from engine.storage.objects import Home

MAGIC = b"I3OM"
VERSION = 1

MANIFEST = "manifest"
CATALOG = "catalog.toml"
PARQUET = "parquet/"
CHECKPOINTS = "checkpoints/"


@dataclass(frozen=True, slots=True)
class Kept:
    """The object ``manifest``: the bytes of a node's manifest, and who put them there.

    Attributes:
        serial: grows with each put, so that no two are equal.
        checkpoint: the name of the checkpoint that the manifest names.
    """

    epoch: int
    holder: str
    serial: int
    checkpoint: str | None
    manifest: bytes


class _Body(msgspec.Struct, array_like=True):
    epoch: int
    holder: str
    serial: int
    checkpoint: str | None
    manifest: bytes


def encode_kept(kept: Kept) -> bytes:
    """Return the bytes of the object ``manifest``."""
    body = _Body(kept.epoch, kept.holder, kept.serial, kept.checkpoint, kept.manifest)
    return seal(MAGIC, VERSION, msgspec.msgpack.encode(body))


def decode_kept(data: bytes, where: str) -> Kept:
    """Return what the object ``manifest`` holds; ``where`` is named in errors.

    Raises:
        ManifestCorrupt: it is damaged, or was written by a newer version.
    """
    body = decode_sealed(open_sealed(MAGIC, VERSION, data, where), _Body, where)
    return Kept(body.epoch, body.holder, body.serial, body.checkpoint, body.manifest)


def file_key(file: FileEntry) -> str:
    """Return the key of a Parquet file; other content has another key, so that nothing is ever replaced."""
    stem, checksum = file.name.removesuffix(".parquet"), f".{file.crc32c:08x}"
    return f"{PARQUET}{file.table_id}/{stem.removesuffix(checksum)}{checksum}.parquet"


class Folder(Enum):
    """What the folder of a node is beside what the object store keeps of the node."""

    FIRST = auto()  # the store keeps nothing yet: what is in the folder goes there
    CURRENT = auto()  # nobody else has had the data since
    EMPTY = auto()  # a machine that never had the data
    LEFTOVER = auto()  # another one has had it since, and the folder lacks nothing of it
    FOREIGN = auto()  # data that has nothing to do with the store's
    STALE = auto()  # another one has had it since, and the folder's log holds what nobody else has
    FORGOTTEN = auto()  # the store has lost what the folder says it keeps


def decide_folder(home: Home | None, kept: Kept | None, *, has_data: bool) -> Folder:
    """Return what a folder is that says ``home``; ``has_data``: there is a manifest, a file or a log in it."""
    was_there = home is not None and home.epoch > 0
    if kept is None:
        return Folder.FORGOTTEN if was_there else Folder.FIRST
    if home is not None and home.holder == kept.holder:
        return Folder.CURRENT
    if home is not None and was_there:
        return Folder.LEFTOVER if home.is_complete else Folder.STALE
    return Folder.FOREIGN if has_data else Folder.EMPTY
