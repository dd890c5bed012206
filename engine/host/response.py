"""What a request plugin returned → the HTTP response it means."""

import json
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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

WITHOUT_BODY = frozenset({204, 304})

Headers = dict[str, str]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a plugin answers; what ``parts`` yields, if they are there, follows the empty body of ``response``."""

    response: Response
    parts: Iterable[Any] | None = None


def to_answer(value: Any, warn: Tell) -> Answer:
    """Return the answer that ``value`` stands for; ``warn`` is told of headers that are left out.

    A collection is joined; what makes its parts one after the other (a generator, an iterator) is sent as they come.

    Raises:
        RunFailed: ``value`` is none of the known forms; the text says why.
        Exception: whatever the value's own code raises, or ``json.dumps``.
    """
    if hasattr(value, "__flask_response__") and value.__flask_response__() is True:
        head = _head(_status(value.status_code), None, _checked(value.headers), warn)
        return _whole(head, _flask_body(value.get_data()))
    if isinstance(value, tuple) and 1 <= len(value) <= 3:
        return _from_tuple(value, warn)
    if isinstance(value, str | bytes | bytearray | memoryview | dict | list):
        body, content_type = _part(value)
        return _whole(_head(200, content_type, {}, warn), body)
    if hasattr(value, "__iter__"):
        head = _head(200, HTML, {}, warn)
        return _whole(head, _joined(value).encode()) if hasattr(value, "__len__") else Answer(head, value)
    raise _refusal("Unsupported return type from Python function")


def part_bytes(part: Any) -> bytes:
    """Return what one part of an answer in parts adds to the body: a text, bytes as they are, nothing for all else."""
    if isinstance(part, str):
        return part.encode()
    return bytes(part) if isinstance(part, bytes | bytearray | memoryview) else b""


def _from_tuple(value: tuple[Any, ...], warn: Tell) -> Answer:
    is_streamed = hasattr(value[0], "__next__")
    body, content_type = (b"", HTML) if is_streamed else _part(value[0])
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
    head = _head(status, content_type, headers, warn)
    return Answer(head, value[0]) if is_streamed else _whole(head, body)


def _whole(head: Response, body: bytes) -> Answer:
    return Answer(Response(head.status, head.headers, body))


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


def _head(status: int, content_type: str | None, headers: Headers, warn: Tell) -> Response:
    """Return the response, still without body, with only what a server can send.

    A status that no response may have becomes 500. A header with an illegal name or value is left out.
    The caller's ``Content-Type``, in any spelling, takes the place of the default.
    """
    kept = []
    for name, text in headers.items():
        if not (LEGAL_NAME.fullmatch(name) and LEGAL_VALUE.fullmatch(text)):
            warn(
                f"the header {name!r}: {text!r} is left out: its name or its value has characters that HTTP does not allow"
            )
        elif name.lower() not in OURS:
            kept.append((name.strip(), text.strip(" \t")))
    given = [i for i, (name, _) in enumerate(kept) if name.lower() == "content-type"]
    kept = [header for i, header in enumerate(kept) if i not in given[:-1]]
    if content_type and not given:
        kept.insert(0, ("Content-Type", content_type))
    return Response(status=status if 200 <= status <= 999 else 500, headers=kept, body=b"")


def _refusal(text: str) -> RunFailed:
    return RunFailed("response", text)
