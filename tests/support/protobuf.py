"""Messages of Protocol Buffers, written by hand as clients of other languages write them."""

import struct
from collections.abc import Iterable

Field = tuple[int, int | bytes | str | float]
"""Number and content of a field: an ``int`` goes as a varint, a ``float`` as a double."""


def varint(value: int) -> bytes:
    """Return a whole number, a negative one in its 64 bits."""
    value &= 2**64 - 1
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def message(fields: Iterable[Field]) -> bytes:
    """Return a message of these fields."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: int | bytes | str | float) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content
