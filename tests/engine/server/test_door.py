import asyncio

from engine.server.door import Door, Message, Receive, Send
from tests.support.asgi import Wire, scope


def test_until_the_engine_is_open_the_door_tells_how_far_it_is() -> None:
    async def go() -> Wire:
        door, wire = Door(), Wire([])
        door.progress = lambda: "reading the log: 1 of 2 MiB"
        await door(scope("GET", "/health"), wire.receive, wire.send)
        return wire

    wire = asyncio.run(go())
    assert (wire.status, wire.body) == (503, b"reading the log: 1 of 2 MiB")
    assert wire.headers[b"retry-after"] == b"1"
    assert wire.headers[b"connection"] == b"close"


def test_then_the_application_answers() -> None:
    asked: list[Message] = []

    async def app(message: Message, receive: Receive, send: Send) -> None:
        asked.append(message)

    async def go() -> None:
        door, wire = Door(), Wire([])
        door.app = app
        await door(scope("GET", "/ping"), wire.receive, wire.send)

    asyncio.run(go())
    assert [message["path"] for message in asked] == ["/ping"]
