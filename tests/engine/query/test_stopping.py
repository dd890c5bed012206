import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import QueryCancelled, QueryTimedOut
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.stopping import Stop
from tests.support.engines import eventually
from tests.support.processes import cpu_stands_still
from tests.support.tables import MemorySystemTables, MemoryTables

LEFT = QueryCancelled("nobody waits")
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value < 0"


def test_a_stopped_query_begins_nothing() -> None:
    stop = Stop()
    stop.stop(LEFT)
    with pytest.raises(QueryCancelled, match="nobody waits"):
        stop.run(lambda: pytest.fail("it ran"))


def test_only_the_first_reason_counts() -> None:
    stop = Stop()
    stop.stop(LEFT)
    stop.stop(QueryTimedOut("too late"))
    with pytest.raises(QueryCancelled):
        stop.check()


def test_what_ends_a_query_elsewhere_is_called_once_also_late() -> None:
    ends: list[str] = []
    stop = Stop()
    stop.on_stop(lambda: ends.append("first"))
    stop.stop(LEFT)
    stop.stop(LEFT)
    stop.on_stop(lambda: ends.append("late"))
    stop.on_stop(None)
    assert ends == ["first", "late"]


def test_a_thread_that_works_is_interrupted_and_then_left_alone() -> None:
    stop, begun = Stop(), threading.Event()

    def work() -> None:
        begun.set()
        while True:
            pass

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(stop.run, work)
        assert begun.wait(10)
        stop.stop(LEFT)
        assert isinstance(working.exception(10), QueryCancelled)
        assert pool.submit(sum, [1, 2]).result(10) == 3


@pytest.mark.parametrize("round_", range(200))
def test_an_interruption_at_the_very_end_hurts_nobody(round_: int) -> None:
    stop, begun = Stop(), threading.Event()

    def work() -> int:
        begun.set()
        return sum(range(round_ * 50))

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(stop.run, work)
        begun.wait(10)
        stop.stop(LEFT)
        assert working.exception(10) is None or isinstance(working.exception(), QueryCancelled)
        assert pool.submit(sum, range(1000)).result(10) == 499500


def executor(timeout_s: float | None = None) -> QueryExecutor:
    made = QueryExecutor(QueryConfig(100_000_000, threads=2, timeout_s=timeout_s))
    made.warm_up()
    return made


def test_a_stopped_query_frees_the_processors() -> None:
    queries, stop = executor(), Stop()

    def run() -> None:
        queries.sql(MemoryTables(), MemorySystemTables(), ENDLESS, {}, stop=stop).close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        eventually(lambda: not cpu_stands_still())
        stop.stop(LEFT)
        assert isinstance(running.exception(20), QueryCancelled)
    eventually(cpu_stands_still)


def test_a_query_that_takes_too_long_says_so() -> None:
    with pytest.raises(QueryTimedOut, match=r"ended after 200ms, the limit that --query-timeout sets"):
        executor(0.2).sql(MemoryTables(), MemorySystemTables(), ENDLESS, {})
    eventually(cpu_stands_still)


def test_a_query_in_time_may_be_read_later() -> None:
    with executor(60).sql(MemoryTables(), MemorySystemTables(), "SELECT 1 AS one", {}) as result:
        assert [batch.to_pydict() for batch in result.batches] == [{"one": [1]}]
