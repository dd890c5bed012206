import collections
from typing import Any

import pytest

from engine.host.errors import RunFailed
from engine.host.protocol import Response
from engine.host.response import part_bytes, to_answer

HTML = ("Content-Type", "text/html")
JSON = ("Content-Type", "application/json")
PLAIN = ("Content-Type", "text/plain")
BINARY = ("Content-Type", "application/octet-stream")


class Flask:
    """Speaks the product's protocol for response objects."""

    def __init__(self, status: Any = 202, data: Any = "body", headers: Any = None, answer: Any = True) -> None:
        self.status_code = status
        self._data = data
        self.headers = {"X-A": "1"} if headers is None else headers
        self._answer = answer

    def __flask_response__(self) -> Any:
        return self._answer

    def get_data(self) -> Any:
        return self._data


class Iterable(Flask):
    def __iter__(self) -> Any:
        return iter(["it"])


class Index:
    def __index__(self) -> int:
        return 418


warned: list[str] = []


def to_response(value: Any) -> Response:
    """Return the whole response, parts joined."""
    answer = to_answer(value, warned.append)
    parts = b"".join(map(part_bytes, answer.parts or ()))
    return Response(answer.response.status, answer.response.headers, answer.response.body + parts)


def named(text: str) -> type:
    return type("Named", (), {"__str__": lambda self: text})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("Hello, World!", Response(200, [HTML], b"Hello, World!"), id="B5.2-text"),
        pytest.param({"a": [1, "ä"]}, Response(200, [JSON], b'{"a": [1, "\\u00e4"]}'), id="B5.3-dict"),
        pytest.param([1, 2.5, None], Response(200, [JSON], b"[1, 2.5, null]"), id="B5.3-list"),
        pytest.param({"a": float("nan")}, Response(200, [JSON], b'{"a": NaN}'), id="json-allows-nan"),
        pytest.param(collections.OrderedDict(a=1), Response(200, [JSON], b'{"a": 1}'), id="dict-subclass"),
        pytest.param(("Created", 201), Response(201, [HTML], b"Created"), id="B5.4-text-and-status"),
        pytest.param(
            ("t", {"Content-Type": "text/plain", "X-Custom-Header": "test-value"}),
            Response(200, [("Content-Type", "text/plain"), ("X-Custom-Header", "test-value")], b"t"),
            id="B5.5-text-and-headers",
        ),
        pytest.param(("No", 404, {"X-A": "1"}), Response(404, [HTML, ("X-A", "1")], b"No"), id="B5.6-all-three"),
        pytest.param(({"code": 404}, 404), Response(404, [JSON], b'{"code": 404}'), id="B5.7-dict-and-status"),
        pytest.param(([1],), Response(200, [JSON], b"[1]"), id="tuple-of-one"),
        pytest.param((x for x in ("a", "b", "c")), Response(200, [HTML], b"abc"), id="B5.8-generator"),
        pytest.param(Flask(), Response(202, [("X-A", "1")], b"body"), id="B5.9-flask"),
        pytest.param(Flask(data=b"\xff"), Response(202, [("X-A", "1")], b"\xff"), id="flask-bytes"),
        pytest.param(Iterable(answer=1), Response(200, [HTML], b"it"), id="flask-answer-must-be-True"),
        pytest.param((None, 200), Response(200, [PLAIN], b"None"), id="tuple-of-none"),
        pytest.param((5,), Response(200, [PLAIN], b"5"), id="tuple-of-int"),
        pytest.param((named("ü")(),), Response(200, [PLAIN], "ü".encode()), id="tuple-of-object"),
        pytest.param(("t", "200"), Response(200, [HTML], b"t"), id="second-item-of-other-type-is-ignored"),
        pytest.param(
            ("t", "200", {"X-A": "1"}), Response(200, [HTML, ("X-A", "1")], b"t"), id="ignored-before-headers"
        ),
        pytest.param(("t", Index()), Response(418, [HTML], b"t"), id="status-by-index"),
        pytest.param(("t", True), Response(500, [HTML], b"t"), id="true-is-status-1"),
        pytest.param(
            ("t", {"X-A": "1", "X-B": "1"}, {"X-B": "2"}),
            Response(200, [HTML, ("X-A", "1"), ("X-B", "2")], b"t"),
            id="two-header-sets-later-wins",
        ),
        pytest.param((), Response(200, [HTML], b""), id="empty-tuple"),
        pytest.param(("a", 1, {}, b"b", b"\xff"), Response(200, [HTML], b"ab"), id="tuple-of-five-is-joined"),
        pytest.param({1, 2}, Response(200, [HTML], b""), id="set-of-numbers"),
        pytest.param(range(3), Response(200, [HTML], b""), id="range"),
        pytest.param(b"\x00\xff", Response(200, [BINARY], b"\x00\xff"), id="clone-bytes"),
        pytest.param(bytearray(b"a"), Response(200, [BINARY], b"a"), id="clone-bytearray"),
        pytest.param((b"\xff", 201), Response(201, [BINARY], b"\xff"), id="clone-bytes-in-tuple"),
        pytest.param(
            ("t", {"content-type": "text/css"}),
            Response(200, [("content-type", "text/css")], b"t"),
            id="clone-content-type-in-any-spelling",
        ),
        pytest.param(
            ("t", {"Content-Type": "a/b"}, {"content-type": "c/d"}),
            Response(200, [("content-type", "c/d")], b"t"),
            id="clone-one-content-type",
        ),
        pytest.param(("t", 99), Response(500, [HTML], b"t"), id="status-too-low"),
        pytest.param(("t", 100), Response(500, [HTML], b"t"), id="status-of-no-final-reply"),
        pytest.param(("t", 1000), Response(500, [HTML], b"t"), id="status-too-high"),
        pytest.param(("t", 999), Response(999, [HTML], b"t"), id="highest-status"),
        pytest.param(("t", {"X A": "1", "": "1", "X-Ä": "1"}), Response(200, [HTML], b"t"), id="illegal-names-dropped"),
        pytest.param(
            ("t", {"X-A": "a\r\nSet-Cookie: b", "X-B": "\x00", "X-C": "€"}),
            Response(200, [HTML], b"t"),
            id="illegal-values-dropped",
        ),
        pytest.param(("t", {"X-A": " ü\t1 "}), Response(200, [HTML, ("X-A", "ü\t1")], b"t"), id="latin-1-value"),
        pytest.param(
            ("t", {"Content-Length": "99", "Transfer-Encoding": "chunked", "connection": "close"}),
            Response(200, [HTML], b"t"),
            id="the-server-sets-framing-itself",
        ),
    ],
)
def test_returned_value_becomes_a_response(value: Any, expected: Response) -> None:
    assert to_response(value) == expected


@pytest.mark.parametrize(
    ("value", "is_streamed"),
    [
        pytest.param((x for x in "ab"), True, id="generator"),
        pytest.param(iter([b"a"]), True, id="iterator"),
        pytest.param(Iterable(answer=1), True, id="object-with-iter"),
        pytest.param((iter("ab"), 200, {}), True, id="iterator-in-a-tuple"),
        pytest.param({"a"}, False, id="set"),
        pytest.param(("a", 1, {}, "b"), False, id="tuple-of-four"),
        pytest.param(({"a"}, 200), False, id="set-in-a-tuple"),
        pytest.param("ab", False, id="text"),
    ],
)
def test_what_makes_its_parts_one_by_one_is_streamed(value: Any, is_streamed: bool) -> None:
    assert (to_answer(value, warned.append).parts is not None) is is_streamed


@pytest.mark.parametrize(
    ("part", "data"),
    [("ä", "ä".encode()), (b"\xff", b"\xff"), (bytearray(b"a"), b"a"), (5, b""), (None, b""), ("", b"")],
)
def test_part_adds_its_bytes_as_they_are(part: Any, data: bytes) -> None:
    assert part_bytes(part) == data


def test_headers_that_cannot_travel_are_told() -> None:
    told: list[str] = []
    to_answer(("t", {"X A": "1", "X-B": "€", "Content-Length": "9", "X-C": "1"}), told.append)
    assert [text.split(" is left out")[0] for text in told] == ["the header 'X A': '1'", "the header 'X-B': '€'"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "Unsupported return type from Python function", id="B5.10-none"),
        pytest.param(5, "Unsupported return type from Python function", id="B5.10-int"),
        pytest.param(1.5, "Unsupported return type from Python function", id="float"),
        pytest.param(Flask(answer=1), "Unsupported return type from Python function", id="flask-that-says-1"),
        pytest.param(("t", 200, "x"), "expected a dictionary in header item", id="B5.18-headers"),
        pytest.param((200, {}, "<p>"), "expected a dictionary in header item", id="wild-plugin"),
        pytest.param(("t", {"X-A": 1}), "TypeError: 'int' object is not an instance of 'str'", id="header-value"),
        pytest.param(("t", {1: "x"}), "TypeError: 'int' object is not an instance of 'str'", id="header-name"),
        pytest.param(("t", 65536), "OverflowError: out of range integral type conversion attempted", id="status"),
        pytest.param(("t", -1), "OverflowError: out of range integral type conversion attempted", id="negative"),
        pytest.param(Flask(data=5), "TypeError: 'int' object is not an instance of 'str'", id="flask-data"),
        pytest.param(Flask(headers=[]), "expected a dictionary in header item", id="flask-headers"),
    ],
)
def test_unusable_value_is_refused(value: Any, text: str) -> None:
    with pytest.raises(RunFailed) as refused:
        to_response(value)
    assert (refused.value.kind, str(refused.value)) == ("response", text)


def test_what_json_cannot_hold_raises_as_json_does() -> None:
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        to_response({"a": {1}})
