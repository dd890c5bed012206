"""The ticket ``ReadInfo``, as clients that speak Protocol Buffers send it in place of JSON."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.server.protobuf import Held, NoMessage, fields

TYPE_URL = "type.googleapis.com/influxdata.iox.querier.v1.ReadInfo"
"""With this an ``Any`` says what is in it."""

QUERY_TYPES = {0: "sql", 1: "sql", 2: "influxql", 3: "flightsql"}

Value = str | int | float | bool | None

_DATABASE, _QUERY, _QUERY_TYPE, _PARAM = 1, 2, 3, 6
_ANY_URL, _ANY_VALUE = 1, 2
_NAME = 1


@dataclass(frozen=True, slots=True)
class ReadInfo:
    """What a ticket says; ``query_type`` is one of ``QUERY_TYPES``."""

    database: str = ""
    query: str = ""
    query_type: str = "sql"
    params: Mapping[str, Value] = field(default_factory=dict)


def decode(data: bytes) -> ReadInfo:
    """Return the ticket that ``data`` is, bare or as an ``Any``. Fields that are not known are passed over.

    Raises:
        ValueError: it is none.
    """
    try:
        held = dict(fields(data))
        if held.get(_ANY_URL) == TYPE_URL.encode():
            data = _bytes(held.get(_ANY_VALUE, b""))
            held = dict(fields(data))
        kind = held.get(_QUERY_TYPE, 0)
        if kind not in QUERY_TYPES:
            raise NoMessage(f"query type {kind!r}")
        params = dict(_param(_bytes(value)) for number, value in fields(data) if number == _PARAM)
        return ReadInfo(_text(held.get(_DATABASE, b"")), _text(held.get(_QUERY, b"")), QUERY_TYPES[_int(kind)], params)
    except struct.error as error:
        raise NoMessage("a number of another width") from error


def _param(data: bytes) -> tuple[str, Value]:
    name, value = "", None
    for number, held in fields(data):
        if number == _NAME:
            name = _text(held)
        elif number in _VALUES:
            value = _VALUES[number](held)  # of several the last one counts
    return name, value


def _int(held: Held) -> int:
    if isinstance(held, bytes):
        raise NoMessage("text in place of a number")
    return held


def _bytes(held: Held) -> bytes:
    if isinstance(held, int):
        raise NoMessage("a number in place of text")
    return held


def _text(held: Held) -> str:
    return _bytes(held).decode()


def _signed(held: Held) -> int:
    value = _int(held)
    return value - 2**64 if value >= 2**63 else value


def _double(held: Held) -> float:
    (value,) = struct.unpack("<d", _bytes(held))
    return float(value)


_VALUES: Mapping[int, Callable[[Held], Value]] = {
    2: lambda _: None,
    3: lambda held: _int(held) != 0,
    4: _int,
    5: _signed,
    6: _double,
    7: _text,
}
"""How the values of a parameter are read, by the number of their field."""
