"""The rows of one Flight call: made in another thread, while the thread of the call looks whether its client is there."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from engine.errors import QueryCancelled
from engine.query.stopping import Stop

T = TypeVar("T")

LOOK_S = 0.1
"""So long the thread of a call waits before it looks for its client again."""

IDLE_LOOKS = 50
"""After so many looks without anything the client is told that the call lives."""

_NOBODY = "query error: the query was ended, for nobody waits for its rows"


def attended(
    pool: ThreadPoolExecutor, made: Generator[T], stop: Stop, is_gone: Callable[[], bool], look_s: float = LOOK_S
) -> Generator[T | None]:
    """Yield what ``made`` yields, in the threads of ``pool``; ``None`` each time that nothing came for ``IDLE_LOOKS``.

    ``made`` is ended by ``stop`` as soon as ``is_gone`` says that the client has left, and when this generator is closed.
    ``is_gone`` is called by the thread that takes what comes only.

    Raises:
        QueryCancelled: the client has left.
    """
    making: Future[tuple[T] | None] | None = None
    try:
        while True:
            making = pool.submit(_next_of, made)
            yield from _beats(making, is_gone, look_s)
            item = making.result()
            if item is None:
                return
            yield item[0]
    finally:
        stop.stop(QueryCancelled(_NOBODY))
        if making is not None:
            making.add_done_callback(lambda _: made.close())


def _beats(making: "Future[tuple[T] | None]", is_gone: Callable[[], bool], look_s: float) -> Iterator[None]:
    """Return when ``making`` is done; yield each time that it was not for ``IDLE_LOOKS``."""
    looks = 0
    while not wait((making,), look_s).done:
        if is_gone():
            raise QueryCancelled(_NOBODY)
        looks += 1
        if looks % IDLE_LOOKS == 0:
            yield None


def _next_of(made: Iterator[T]) -> tuple[T] | None:
    """Return the next of ``made`` in a tuple, ``None`` behind the last."""
    for item in made:
        return (item,)
    return None
