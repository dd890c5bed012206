import asyncio
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import EngineError
from engine.server.workers import LARGE_BYTES, MOST_LARGE_WRITES, Pieces, Workers, followed, in_own_thread
from tests.support.clock import ManualClock


def test_calls_run_in_threads_and_tell_their_errors() -> None:
    def fail() -> None:
        raise EngineError("x")

    def name() -> str:
        return threading.current_thread().name.partition("_")[0]

    async def go() -> list[str]:
        workers = Workers(ManualClock(), 0)
        try:
            with pytest.raises(EngineError, match="x"):
                await workers.change(fail)
            written = [await workers.write(name, size) for size in (1, LARGE_BYTES, LARGE_BYTES + 1)]
            return [*written, await workers.change(name), await in_own_thread(name)]
        finally:
            workers.close()

    assert asyncio.run(go()) == ["write", "write", "large-write", "change", "own"]


def test_small_bodies_do_not_wait_for_large_ones() -> None:
    async def go() -> str:
        workers = Workers(ManualClock(), 0)
        free = threading.Event()
        large = [asyncio.create_task(workers.write(free.wait, LARGE_BYTES + 1)) for _ in range(MOST_LARGE_WRITES)]
        try:
            return await workers.write(lambda: "written", LARGE_BYTES)
        finally:
            free.set()
            await asyncio.gather(*large)
            workers.close()

    assert asyncio.run(go()) == "written"


def test_what_an_iterator_yields_is_followed_to_its_error() -> None:
    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        raise EngineError("pip failed")

    async def go() -> list[str]:
        seen: list[str] = []
        try:
            async for item in followed(items()):
                seen.append(item)
        except EngineError as error:
            seen.append(str(error))
        return seen

    assert asyncio.run(go()) == ["a", "b", "pip failed"]


def test_an_iterator_that_nobody_follows_goes_on_to_its_end() -> None:
    ended = threading.Event()
    go_on = threading.Event()

    def items() -> Iterator[str]:
        yield "a"
        go_on.wait(10)
        yield "b"
        ended.set()

    async def go() -> None:
        progress = followed(items())
        assert await anext(progress) == "a"
        await progress.aclose()
        go_on.set()
        await asyncio.to_thread(ended.wait, 10)

    asyncio.run(go())
    assert ended.is_set()


def test_pieces_come_one_by_one() -> None:
    def make() -> Generator[bytes]:
        yield b"a"
        yield b"b"

    async def go() -> list[bytes | None]:
        with ThreadPoolExecutor(1) as pool:
            pieces = Pieces(pool, make())
            return [await pieces.next() for _ in range(3)]

    assert asyncio.run(go()) == [b"a", b"b", None]


def test_one_piece_is_made_ahead() -> None:
    made: list[bytes] = []

    def make() -> Generator[bytes]:
        for piece in (b"a", b"b", b"c"):
            made.append(piece)
            yield piece

    async def go() -> list[bytes | None]:
        with ThreadPoolExecutor(1) as pool:
            pieces = Pieces(pool, make())
            first = await pieces.next()
            pieces.make_ahead().result(10)
            pieces.make_ahead()
            assert made == [b"a", b"b"]
            return [first, *[await pieces.next() for _ in range(3)]]

    assert asyncio.run(go()) == [b"a", b"b", b"c", None]


@pytest.mark.parametrize("taken", [0, 1])
def test_abandoned_pieces_are_closed_when_their_maker_is_not_at_work(taken: int) -> None:
    closed = threading.Event()
    begun = threading.Event()
    go_on = threading.Event()

    def make() -> Generator[bytes]:
        try:
            begun.set()
            go_on.wait(10)
            yield b"a"
        finally:
            closed.set()

    async def go() -> None:
        with ThreadPoolExecutor(1) as pool:
            pieces = Pieces(pool, make())
            waiting = [asyncio.ensure_future(pieces.next()) for _ in range(taken)]
            if taken:
                await asyncio.to_thread(begun.wait, 10)
                waiting[0].cancel()
            pieces.abandon()
            assert not closed.is_set()
            go_on.set()

    asyncio.run(go())
    assert closed.is_set() is bool(taken)
