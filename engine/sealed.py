"""Wraps the bytes of a whole file so that damage and newer formats are noticed: magic, version, CRC32C, content."""

import struct
from typing import TypeVar

import google_crc32c
import msgspec

from engine.errors import ManifestCorrupt

_HEAD = struct.Struct("<4sBxxxI")

T = TypeVar("T")


def seal(magic: bytes, version: int, content: bytes) -> bytes:
    """Return ``content`` with its head in front."""
    return _HEAD.pack(magic, version, google_crc32c.value(content)) + content


def open_sealed(magic: bytes, version: int, data: bytes, where: str, *, is_checked: bool = True) -> bytes:
    """Return the content of sealed ``data``; ``where`` is named in errors, damage is not looked for unless ``is_checked``.

    Raises:
        ManifestCorrupt: the data is damaged, or its format is newer than ``version``.
    """
    if len(data) < _HEAD.size or data[:4] != magic:
        raise ManifestCorrupt(f"{where} is damaged: it does not begin as such a file does")
    _, found, checksum = _HEAD.unpack_from(data)
    if found > version:
        raise ManifestCorrupt(f"{where} has format {found}, this version reads up to {version}: use a newer influxdb3")
    content = data[_HEAD.size :]
    if is_checked and google_crc32c.value(content) != checksum:
        raise ManifestCorrupt(f"{where} is damaged: its checksum does not match")
    return content


def decode_sealed(content: bytes, kind: type[T], where: str) -> T:
    """Return the ``kind`` that is packed as MessagePack in ``content``, which ``open_sealed`` gave.

    Raises:
        ManifestCorrupt: it holds something else.
    """
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except msgspec.DecodeError as cause:
        raise ManifestCorrupt(f"{where} is damaged: {cause}") from cause


def sealed_version(data: bytes) -> int:
    """Return the version of the format of sealed ``data`` that ``open_sealed`` took."""
    version: int = _HEAD.unpack_from(data)[1]
    return version
