import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import QueryCancelled
from engine.query.stopping import Stop
from engine.server.flight_rows import IDLE_LOOKS, attended

LOOK_S = 0.001


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as opened:
        yield opened


class Rows:
    """Two rows, of which the second comes when it is let go, or the query is stopped."""

    def __init__(self) -> None:
        self.stop = Stop()
        self.go_on = threading.Event()
        self.is_closed = threading.Event()
        self.stop.on_stop(self.go_on.set)

    def made(self) -> Generator[int]:
        try:
            yield 1
            self.go_on.wait(20)
            self.stop.check()
            yield 2
        finally:
            self.is_closed.set()

    def attended(self, pool: ThreadPoolExecutor, is_gone: Callable[[], bool]) -> Generator[int | None]:
        return attended(pool, self.made(), self.stop, is_gone, LOOK_S)


def test_all_rows_come_and_then_the_end(pool: ThreadPoolExecutor) -> None:
    rows = Rows()
    rows.go_on.set()
    assert list(rows.attended(pool, lambda: False)) == [1, 2]
    assert rows.is_closed.is_set()


def test_a_client_that_leaves_ends_what_it_waits_for(pool: ThreadPoolExecutor) -> None:
    rows, has_left = Rows(), threading.Event()
    taking = rows.attended(pool, has_left.is_set)
    assert next(taking) == 1
    has_left.set()
    with pytest.raises(QueryCancelled, match="nobody waits"):
        next(taking)
    assert rows.is_closed.wait(20)


def test_a_client_that_waits_is_told_that_the_call_lives(pool: ThreadPoolExecutor) -> None:
    rows, looks = Rows(), [0]

    def look() -> bool:
        looks[0] += 1
        return False

    taking = rows.attended(pool, look)
    assert [next(taking), next(taking), next(taking)] == [1, None, None]
    assert looks[0] == 2 * IDLE_LOOKS
    rows.go_on.set()
    assert [item for item in taking if item is not None] == [2]


def test_who_takes_no_more_ends_the_query(pool: ThreadPoolExecutor) -> None:
    rows = Rows()
    taking = rows.attended(pool, lambda: False)
    next(taking)
    taking.close()
    assert rows.is_closed.wait(20)
    assert rows.go_on.is_set()


def test_an_error_is_raised_where_rows_are_taken(pool: ThreadPoolExecutor) -> None:
    def broken() -> Generator[int]:
        yield 1
        raise ValueError("two")

    taking = attended(pool, broken(), Stop(), lambda: False)
    assert next(taking) == 1
    with pytest.raises(ValueError, match="two"):
        next(taking)
