"""Parameters of requests, from the query string or from a JSON body, with the error texts that clients know."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args
from urllib.parse import unquote_to_bytes

import msgspec

from engine.errors import InvalidRequest

QUERY_PREFIX = "serde error: "
JSON_PREFIX = "serde json error: "

_MISSING = re.compile(r"Object missing required field (`[^`]+`)( - at .*)?")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$\.?([\w.]*)`)?", re.DOTALL)
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[{}\[\]]")
_BYTE = re.compile(r" \(byte (\d+)\)$")

MOST_LOOKED_AT_BYTES = 64 * 1024
"""Of a longer body nobody looks where exactly it breaks off."""

P = TypeVar("P", bound=msgspec.Struct)


def query_pairs(query: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and value of each parameter: form encoding, ``+`` is a blank, invalid UTF-8 is replaced."""
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            yield _unquoted(name), _unquoted(value)


def from_query(query: bytes, kind: type[P], prefix: str = QUERY_PREFIX) -> P:
    """Return the parameters of a query string; those that ``kind`` does not know are passed over.

    Raises:
        InvalidRequest: one is missing, given twice or of another type; the text begins with ``prefix``.
    """
    fields = _fields(kind)
    values: dict[str, Any] = {}
    for name, text in query_pairs(query):
        field = fields.get(name)
        if field is None:
            continue
        if name in values:
            raise InvalidRequest(f"{prefix}duplicate field `{name}`")
        try:
            values[name] = field.read(text)
        except ValueError as error:
            raise InvalidRequest(f"{prefix}{error}") from error
    for name, field in fields.items():
        if field.is_required and name not in values:
            raise InvalidRequest(f"{prefix}missing field `{name}`")
    return kind(**values)


def from_json(body: bytes, kind: type[P]) -> P:
    """Return the parameters of a JSON body; keys that ``kind`` does not know are passed over, unless it forbids them.

    Raises:
        InvalidRequest: it is not JSON, a key is missing or forbidden, or a value is of another type.
    """
    decoded: P = decode_json(body, kind)
    return decoded


def decode_json(body: bytes, kind: Any) -> Any:
    """Return the JSON value in ``body``, checked to be of type ``kind``; see ``from_json``."""
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(JSON_PREFIX + _mismatch(str(error), body, kind)) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(JSON_PREFIX + _malformed(str(error), body)) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{JSON_PREFIX}invalid unicode code point") from error
    except RecursionError as error:
        raise InvalidRequest(f"{JSON_PREFIX}recursion limit exceeded") from error


def variant(text: str, words: Mapping[str, Any], prefix: str) -> Any:
    """Return what ``text`` stands for in ``words``.

    Raises:
        InvalidRequest: it is none of them; the text lists them.
    """
    if text not in words:
        allowed = ", ".join(f"`{word}`" for word in words)
        raise InvalidRequest(f"{prefix}unknown variant `{text}`, expected one of {allowed}")
    return words[text]


class _Field:
    """How one parameter is read from text."""

    def __init__(self, info: msgspec.structs.FieldInfo) -> None:
        self.read: Callable[[str], Any] = _READERS.get(info.type, _unreadable)
        self.is_required = info.required


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("provided string was not `true` or `false`")
    return text == "true"


def _unreadable(text: str) -> Any:
    raise ValueError(f'invalid type: string "{text}", expected a value that only a JSON body can hold')


_READERS: dict[Any, Callable[[str], Any]] = {str: str, str | None: str, bool: _bool}


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, _Field]:
    return {info.encode_name: _Field(info) for info in msgspec.structs.fields(kind)}


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def _unquoted(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode(errors="replace")


def _mismatch(text: str, body: bytes, kind: Any) -> str:
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is not None:
        allowed = ", ".join(f"`{name}`" for name in _names(kind, unknown[2] or ""))
        return f"unknown field `{unknown[1]}`, expected one of {allowed}"
    missing = _MISSING.fullmatch(text)
    if missing is None:
        return f"invalid type: {text[:1].lower()}{text[1:]}"
    # The product names the end of the object. Which object that is, we only know of the outermost one.
    place = missing[2] or _place(body, body.rfind(b"}"))
    return f"missing field {missing[1]}{place}"


def _names(kind: Any, path: str) -> list[str]:
    """Return the keys of the object at ``path`` (``a.b``, empty = the outermost one) of a value of type ``kind``."""
    key, _, rest = path.partition(".")
    if not key:
        return [info.encode_name for info in msgspec.structs.fields(kind)]
    inner = next(info.type for info in msgspec.structs.fields(kind) if info.encode_name == key)
    objects = (t for t in (inner, *get_args(inner)) if isinstance(t, type) and issubclass(t, msgspec.Struct))
    return _names(next(objects), rest)


def _malformed(text: str, body: bytes) -> str:
    byte = _BYTE.search(text)
    if byte is None:
        return f"EOF while parsing {_broken_off(body)}{_place(body, max(len(body.rstrip()) - 1, 0))}"
    return _BYTE.sub("", text.removeprefix("JSON is malformed: ")) + _place(body, int(byte[1]))


def _broken_off(body: bytes) -> str:
    """Return what JSON that is not complete was in the middle of."""
    if len(body) > MOST_LOOKED_AT_BYTES:
        return "a value"
    plain = _TEXT.sub(b"0", body).rstrip()
    if b'"' in plain:
        return "a string"
    opened: list[bytes] = []
    for bracket in _BRACKET.findall(plain):
        if bracket in b"{[":
            opened.append(bracket)
        elif opened:
            opened.pop()
    if not opened or plain.endswith((b":", b",")):
        return "a value"
    return "an object" if opened[-1] == b"{" else "a list"


def _place(body: bytes, at: int) -> str:
    line = body.count(b"\n", 0, at) + 1
    column = at - body.rfind(b"\n", 0, at)
    return f" at line {line} column {column}"
