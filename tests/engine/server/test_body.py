import asyncio
import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, InvalidRequest
from engine.server.body import check_utf8, decompressed, read_body, read_json, read_params
from engine.server.errors import BodyTooLarge, ContentTypeRefused
from tests.support.asgi import LIMIT, Wire, request

MEMBER = gzip.compress(b"cpu usage=1\n", mtime=0)


class Params(msgspec.Struct):
    db: str


@pytest.mark.parametrize("encoding", [None, b"identity"])
def test_a_body_without_encoding_is_as_it_is(encoding: bytes | None) -> None:
    assert decompressed(b"abc", encoding, 3) == b"abc"


@given(st.lists(st.binary(max_size=20_000), max_size=4))
def test_every_member_of_a_gzip_stream_is_read(parts: list[bytes]) -> None:
    """Fact 17."""
    body = b"".join(gzip.compress(part) for part in parts)
    assert decompressed(body, b"gzip", 100_000) == b"".join(parts)


@pytest.mark.parametrize(
    ("body", "encoding", "text"),
    [
        pytest.param(b"x", b"br", "unacceptable content-encoding: br", id="fact 16"),
        pytest.param(b"x", b"GZIP", "unacceptable content-encoding: GZIP", id="case"),
        pytest.param(b"x", b"\xe9", "invalid content-encoding header: ", id="not ASCII"),
        pytest.param(b"abc", b"gzip", "error decoding gzip stream: ", id="fact 18"),
        pytest.param(MEMBER[:-1], b"gzip", "error decoding gzip stream: unexpected end of file", id="cut off"),
        pytest.param(MEMBER[:5], b"gzip", "error decoding gzip stream: unexpected end of file", id="cut in the header"),
        pytest.param(MEMBER + b"x", b"gzip", "error decoding gzip stream: ", id="something behind"),
        pytest.param(MEMBER[:-8] + b"12345678", b"gzip", "error decoding gzip stream: ", id="checksum"),
    ],
)
def test_what_cannot_be_decoded_is_refused(body: bytes, encoding: bytes, text: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        decompressed(body, encoding, 1000)
    assert str(told.value).startswith(text)


@pytest.mark.parametrize("size", [100, 101, 1_000_000])
def test_the_limit_holds_after_decompression(size: int) -> None:
    """Fact 20."""
    body = gzip.compress(b"a" * size)
    if size <= 100:
        assert decompressed(body, b"gzip", 100) == b"a" * size
        return
    with pytest.raises(BodyTooLarge, match=r"^max request size \(100 bytes\) exceeded$"):
        decompressed(body, b"gzip", 100)


def test_many_tiny_members_do_not_take_quadratic_time() -> None:
    assert decompressed(gzip.compress(b"") * 20_000, b"gzip", 10) == b""


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        pytest.param(b"\xff\xfe", "invalid utf-8 sequence of 1 bytes from index 0", id="fact 21"),
        pytest.param(b"ab\xc3", "incomplete utf-8 byte sequence from index 2", id="incomplete"),
        pytest.param(b"a\xed\xa0\x80", "invalid utf-8 sequence of 1 bytes from index 1", id="surrogate"),
    ],
)
def test_a_body_that_is_not_utf8_is_refused(body: bytes, cause: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^body content is not valid utf8: {cause}$"):
        check_utf8(body)


@given(st.text(st.characters(codec="utf-8")))
def test_a_body_that_is_utf8_is_accepted(text: str) -> None:
    check_utf8(text.encode())


def test_a_body_comes_in_pieces() -> None:
    async def go() -> bytes:
        return await read_body(request(Wire([MEMBER[:7], MEMBER[7:]]), {"Content-Encoding": "gzip"}))

    assert asyncio.run(go()) == b"cpu usage=1\n"


@pytest.mark.parametrize(
    ("pieces", "headers", "most_received"),
    [
        pytest.param([b"x"], {"Content-Length": str(LIMIT + 1)}, 0, id="fact 19: told by its length"),
        pytest.param([b"x" * 60] * 50, {"Transfer-Encoding": "chunked"}, 2, id="§13.12: without end"),
        pytest.param([b"x" * 60] * 50, {"Content-Length": "5"}, 2, id="more than it says"),
    ],
)
def test_a_body_over_the_limit_is_not_read_further(
    pieces: list[bytes], headers: dict[str, str], most_received: int
) -> None:
    async def go() -> int:
        wire = Wire(pieces)
        with pytest.raises(BodyTooLarge):
            await read_body(request(wire, headers))
        return wire.received

    assert asyncio.run(go()) == most_received


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json;v=1"],
)
def test_json_is_taken_when_it_says_so(content_type: str) -> None:
    async def go() -> bytes:
        return await read_json(request(Wire([b"{}"]), {"Content-Type": content_type}))

    assert asyncio.run(go()) == b"{}"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/json"}, {"Content-Type": ""}],
)
def test_json_that_does_not_say_so_is_refused_unread(headers: dict[str, str]) -> None:
    """Fact 13."""

    async def go() -> int:
        wire = Wire([b"{}"])
        with pytest.raises(ContentTypeRefused, match=r"^unacceptable content-type, expected: application/json$"):
            await read_json(request(wire, headers))
        return wire.received

    assert asyncio.run(go()) == 0


@pytest.mark.parametrize(
    ("target", "headers", "body", "database"),
    [
        pytest.param("/?db=q", {}, b'{"db": "b"}', "q", id="query string alone"),
        pytest.param("/", {"Content-Type": "application/json"}, b'{"db": "b"}', "b", id="body"),
        pytest.param("/?x=1", {"Content-Type": "application/json"}, b'{"db": "b"}', None, id="any query string counts"),
        pytest.param("/", {}, b'{"db": "b"}', None, id="body without its type"),
    ],
)
def test_parameters_come_from_the_query_string_or_else_the_body(
    target: str, headers: dict[str, str], body: bytes, database: str | None
) -> None:
    async def go() -> str | None:
        try:
            return (await read_params(request(Wire([body]), headers, target), Params)).db
        except EngineError:
            return None

    assert asyncio.run(go()) == database
