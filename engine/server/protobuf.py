"""Messages of Protocol Buffers, read without their descriptions: numbers of fields and what these hold."""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MOST_VARINT_BYTES = 10

Held = int | bytes
"""A number, or the bytes of a text, of a message, or of a number of fixed width."""


class NoMessage(ValueError):
    """The bytes are no message."""


def fields(data: bytes) -> Iterator[tuple[int, Held]]:
    """Yield number and content of each field of a message, in their order; fields may come more than once.

    Raises:
        NoMessage: ``data`` is cut off, or has a form that messages do not have (groups, which are no more, among them).
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise NoMessage("a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise NoMessage(f"field {number} has the unknown form {kind}")
        if size > len(data) - at:
            raise NoMessage(f"field {number} is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at ``at``, 64 bits of it, and where it ends."""
    value = 0
    for position, byte in enumerate(data[at : at + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value & (2**64 - 1), at + position + 1
    raise NoMessage("a number has no end")
