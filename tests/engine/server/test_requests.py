import asyncio

import pytest

from engine.server.bodies import Bodies, TooManyBodies
from engine.server.errors import ClientGone
from engine.server.requests import MOST_LEFT_BYTES, Request
from tests.support.asgi import LIMIT, Wire, request, scope


def test_path_and_query_string_stay_as_they_were_sent() -> None:
    async def go() -> Request:
        return request(Wire([]), target="/api/v3/engine//a%20b?q=%20")

    sent = asyncio.run(go())
    assert (sent.path, sent.query) == ("/api/v3/engine//a%20b", b"q=%20")


def test_the_first_of_equal_headers_counts() -> None:
    sent = Request(scope() | {"headers": [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]}, Wire.receive, LIMIT)  # type: ignore[arg-type]
    assert (sent.header(b"a"), sent.header(b"c")) == (b"1", None)


@pytest.mark.parametrize(
    ("headers", "leaves"),
    [
        ({}, False),
        ({"Content-Length": "0"}, False),
        ({"Content-Length": str(MOST_LEFT_BYTES)}, False),
        ({"Content-Length": str(MOST_LEFT_BYTES + 1)}, True),
        ({"Content-Length": "nonsense", "Transfer-Encoding": "chunked"}, True),
        ({"Transfer-Encoding": "chunked"}, True),
    ],
)
def test_only_a_long_unread_body_makes_a_connection_useless(headers: dict[str, str], leaves: bool) -> None:
    assert Request(scope("POST", "/", headers), Wire.receive, LIMIT).leaves_body is leaves  # type: ignore[arg-type]


def test_a_body_that_was_read_leaves_nothing() -> None:
    async def go() -> bool:
        sent = request(Wire([b"x", b"y"]), {"Transfer-Encoding": "chunked"})
        assert await sent.read() == b"xy"
        return sent.leaves_body

    assert asyncio.run(go()) is False


def test_a_client_that_leaves_while_it_sends_is_noticed() -> None:
    async def go() -> None:
        wire = Wire([b"x"], is_complete=False)
        wire.leave()
        with pytest.raises(ClientGone):
            await request(wire).read()

    asyncio.run(go())


def test_work_ends_when_the_client_leaves() -> None:
    async def go() -> bool:
        wire = Wire([b""])
        forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wire.leave()
        with pytest.raises(ClientGone):
            await request(wire).unless_gone(forever)
        return forever.cancelled()

    assert asyncio.run(go())


def test_work_goes_on_while_the_client_waits() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def go() -> int:
        return await request(Wire([b""])).unless_gone(work())

    assert asyncio.run(go()) == 7


def test_what_is_left_of_a_body_is_skipped_up_to_the_limit() -> None:
    async def go() -> int:
        wire = Wire([b"x" * 40] * 50)
        await request(wire).skip(60.0)
        return wire.received

    assert asyncio.run(go()) == 3


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def go() -> None:
        await request(Wire([b"x"], is_complete=False)).skip(0.01)

    asyncio.run(go())


def test_bodies_of_many_requests_are_bounded_together() -> None:
    async def go() -> None:
        bodies = Bodies(most_bytes=10)

        def sent(*pieces: bytes) -> Request:
            return Request(scope("POST"), Wire(pieces).receive, LIMIT, bodies)

        first, second = sent(b"x" * 6), sent(b"y" * 4, b"y")
        assert await first.read() == b"x" * 6
        with pytest.raises(TooManyBodies, match="take the 10 bytes that there are for them"):
            await second.read()
        second.release()
        first.release()
        alone = sent(b"z" * 20)
        assert await alone.read() == b"z" * 20
        alone.release()

    asyncio.run(go())
