"""Threads for what would hold the event loop up."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from engine.clock import Clock
from engine.write.parsing import LARGE_BYTES, Parsers

MOST_WRITES = 4
MOST_LARGE_WRITES = min(4, max(1, (os.cpu_count() or 1) // 2))
"""Large bodies are work for whole cores, and the others have what else is to be done for them: more at the same time take
longer altogether. So many are parsed in this process."""

MOST_PARSER_PROCESSES = min(4, os.cpu_count() or 1)
"""So many are parsed beside it, if nothing else is said: that shares the work out among all processors."""

MOST_CHANGES = 8
MOST_QUERIES = 16
"""So many queries are begun at a time, those counted that wait for their turn; and so many make further rows."""

T = TypeVar("T")


class Workers:
    """The threads of one server, in groups, so that none waits for work of another kind."""

    def __init__(self, clock: Clock, parser_processes: int | None) -> None:
        beside = MOST_PARSER_PROCESSES if parser_processes is None else parser_processes
        self.parsers = Parsers(clock, MOST_LARGE_WRITES, beside)
        self.writes = ThreadPoolExecutor(MOST_WRITES, "write")
        self.large_writes = ThreadPoolExecutor(max(MOST_LARGE_WRITES, beside), "large-write")
        self.changes = ThreadPoolExecutor(MOST_CHANGES, "change")
        self.queries = ThreadPoolExecutor(MOST_QUERIES, "query")
        # Apart from those, which may all wait for one that has more rows to send.
        self.rows = ThreadPoolExecutor(MOST_QUERIES, "rows")

    async def write(self, call: Callable[[], T], size_bytes: int) -> T:
        """Return what ``call`` returns, which takes in a body of this size; small ones do not wait for large ones."""
        pool = self.large_writes if size_bytes > LARGE_BYTES else self.writes
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def change(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, which changes or lists definitions."""
        return await asyncio.get_running_loop().run_in_executor(self.changes, call)

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        self.parsers.close()
        for pool in (self.writes, self.large_writes, self.changes, self.queries, self.rows):
            pool.shutdown(wait=False, cancel_futures=True)


async def in_own_thread(call: Callable[[], T]) -> T:
    """Return what ``call`` returns, which may take as long as it likes: it keeps nothing else waiting."""
    pool = ThreadPoolExecutor(1, "own")
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, call)
    finally:
        pool.shutdown(wait=False)


async def followed(items: Iterator[T]) -> AsyncGenerator[T]:
    """Yield what ``items`` yields in a thread of its own, which goes on to the end whether or not anybody follows."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    def post(item: tuple[T] | None) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, item)

    def go_through() -> None:
        for item in items:
            post((item,))

    pool = ThreadPoolExecutor(1, "own")
    going = pool.submit(go_through)
    pool.shutdown(wait=False)
    going.add_done_callback(lambda _: post(None))
    while (posted := await queue.get()) is not None:
        yield posted[0]
    going.result()


class Pieces:
    """What a generator yields, one piece at a time; ``further`` has the threads for all but the first, if not ``pool``."""

    def __init__(
        self, pool: ThreadPoolExecutor, generator: Generator[bytes], further: ThreadPoolExecutor | None = None
    ) -> None:
        self._pool = pool
        self._further = further or pool
        self._generator = generator
        self._making: Future[bytes | None] | None = None
        self._ahead: Future[bytes | None] | None = None

    def make_ahead(self) -> "Future[bytes | None]":
        """Begin with the next piece, for which ``next`` will ask."""
        if self._ahead is None:
            pool = self._pool if self._making is None else self._further
            self._ahead = self._making = pool.submit(next, self._generator, None)
        return self._ahead

    async def next(self) -> bytes | None:
        """Return the next piece, ``None`` after the last one."""
        making = self.make_ahead()
        self._ahead = None
        return await asyncio.wrap_future(making)

    def abandon(self) -> None:
        """Close the generator as soon as it is not at work: nobody wants the rest."""
        if self._making is None:
            self._generator.close()
        else:
            self._making.add_done_callback(lambda _: self._generator.close())
