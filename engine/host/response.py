"""What a request plugin returned → the HTTP response it means."""

import json
import operator
import re
from collections.abc import Iterable
from typing import Any

from engine.host.errors import RunFailed
from engine.host.protocol import Response

HTML = "text/html"
JSON = "application/json"
PLAIN = "text/plain"
BINARY = "application/octet-stream"

HIGHEST_U16 = 65535
LEGAL_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
LEGAL_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"})
"""Headers that describe how a body travels: the server sets them itself."""

Headers = dict[str, str]


def to_response(value: Any) -> Response:
    """Return the response that ``value`` stands for.

    Raises:
        RunFailed: ``value`` is none of the known forms; the text says why.
        Exception: whatever the value's own code raises, or ``json.dumps``.
    """
    if hasattr(value, "__flask_response__") and value.__flask_response__() is True:
        return _finished(_status(value.status_code), None, _checked(value.headers), _flask_body(value.get_data()))
    if isinstance(value, tuple) and 1 <= len(value) <= 3:
        return _from_tuple(value)
    if isinstance(value, str | bytes | bytearray | memoryview | dict | list):
        body, content_type = _part(value)
        return _finished(200, content_type, {}, body)
    if hasattr(value, "__iter__"):
        return _finished(200, HTML, {}, _joined(value).encode())
    raise _refusal("Unsupported return type from Python function")


def _from_tuple(value: tuple[Any, ...]) -> Response:
    body, content_type = _part(value[0])
    status = 200
    headers: Headers = {}
    if len(value) > 1:
        if isinstance(value[1], dict):
            headers = _checked(value[1])
        elif hasattr(value[1], "__index__"):
            status = _status(value[1])
    if len(value) > 2:
        if not isinstance(value[2], dict):
            raise _refusal("expected a dictionary in header item")
        headers = headers | _checked(value[2])
    return _finished(status, content_type, headers, body)


def _part(part: Any) -> tuple[bytes, str]:
    """Return the body that ``part`` gives, and the type of content that it has unless a header says another."""
    if isinstance(part, str):
        return part.encode(), HTML
    if isinstance(part, dict | list):
        return json.dumps(part).encode(), JSON
    if isinstance(part, bytes | bytearray | memoryview):
        return bytes(part), BINARY
    return str(part).encode(), PLAIN


def _flask_body(data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise _refusal(f"TypeError: {type(data).__name__!r} object is not an instance of 'str'")
    return data.encode()


def _joined(items: Iterable[Any]) -> str:
    return "".join(_text(item) for item in items)


def _text(item: Any) -> str:
    """Return a text as it is, bytes decoded where they are UTF-8, nothing for all else."""
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            return ""
    return item if isinstance(item, str) else ""


def _status(value: Any) -> int:
    status = operator.index(value)
    if not 0 <= status <= HIGHEST_U16:
        raise _refusal("OverflowError: out of range integral type conversion attempted")
    return status


def _checked(headers: Any) -> Headers:
    if not isinstance(headers, dict):
        raise _refusal("expected a dictionary in header item")
    for text in (*headers, *headers.values()):
        if not isinstance(text, str):
            raise _refusal(f"TypeError: {type(text).__name__!r} object is not an instance of 'str'")
    return headers


def _finished(status: int, content_type: str | None, headers: Headers, body: bytes) -> Response:
    """Return the response with only what a server can send.

    A status that no response may have becomes 500, with the body. A header with an illegal name or value is left out.
    The caller's ``Content-Type``, in any spelling, takes the place of the default.
    """
    kept = [(name.strip(), text.strip(" \t")) for name, text in headers.items() if _can_travel(name, text)]
    given = [i for i, (name, _) in enumerate(kept) if name.lower() == "content-type"]
    kept = [header for i, header in enumerate(kept) if i not in given[:-1]]
    if content_type and not given:
        kept.insert(0, ("Content-Type", content_type))
    return Response(status=status if 200 <= status <= 999 else 500, headers=kept, body=body)


def _can_travel(name: str, text: str) -> bool:
    return bool(LEGAL_NAME.fullmatch(name) and LEGAL_VALUE.fullmatch(text)) and name.lower() not in OURS


def _refusal(text: str) -> RunFailed:
    return RunFailed("response", text)
