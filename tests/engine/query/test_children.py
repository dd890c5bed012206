"""Queries that DataFusion does not end by itself, in processes of their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from engine.errors import QueryCancelled, QueryFailed, QueryNotSupported, QueryTimedOut
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.stopping import Stop
from tests.support.engines import eventually
from tests.support.processes import cpu_stands_still
from tests.support.tables import MemorySystemTables, MemoryTables, QueryBench, sample_database

pytestmark = pytest.mark.process

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000) a(v) JOIN generate_series(1, 1000000) b(v) ON a.v + b.v < 0"
JOINED = 'SELECT a.host FROM "Temp" a JOIN "Temp" b ON a.host = b.host AND a.time = b.time ORDER BY a.host'


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryBench]:
    made = sample_database(tmp_path_factory.mktemp("files"))
    yield made
    made.executor.close()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "engine.query.child" in " ".join(child.cmdline())]


def run(bench: QueryBench, sql: str, stop: Stop) -> None:
    bench.executor.sql(bench.tables, MemorySystemTables(), sql, {}, stop=stop).close()


def test_a_join_has_the_rows_that_it_has_here(bench: QueryBench) -> None:
    plain = bench.values('SELECT host FROM "Temp" ORDER BY host')
    assert bench.values(JOINED) == plain
    assert len(children()) == 1


def test_parameters_system_tables_and_views_get_there(bench: QueryBench) -> None:
    sql = "SELECT count(*) AS n FROM information_schema.tables a CROSS JOIN generate_series(1, 9) b(v) WHERE b.v <= $n"
    tables = bench.values("SELECT count(*) FROM information_schema.tables")[0]
    assert bench.values(sql, {"n": 3}) == [3 * tables]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT a.v / 0 FROM generate_series(1, 3) a(v) CROSS JOIN generate_series(1, 3) b", QueryFailed),
        ("SELECT a.nothing FROM generate_series(1, 3) a(v) CROSS JOIN generate_series(1, 3) b", QueryFailed),
        ("SELECT 1 FROM generate_series(1, 3) a; SELECT 2 FROM generate_series(1, 3) b", QueryNotSupported),
    ],
)
def test_errors_are_those_of_other_queries(bench: QueryBench, sql: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        bench.values(sql)
    assert bench.values("SELECT count(*) FROM generate_series(1, 3) a CROSS JOIN generate_series(1, 3) b") == [9]


GAPS = """SELECT date_bin_gapfill(INTERVAL '1 second', {time}) AS t, locf(max(a.usage)), interpolate(max(a.usage)) FROM {source}
    WHERE {time} >= '2065-01-07T17:28:50Z' AND {time} < '2065-01-07T17:28:55Z' GROUP BY t"""


def test_gaps_are_filled_in_the_server_but_not_those_of_a_join(tmp_path: Path) -> None:
    bench = sample_database(tmp_path)
    before = len(children())
    assert bench.table(GAPS.format(time="time", source='"Temp" a')).num_rows == 5
    assert len(children()) == before
    assert bench.table(GAPS.format(time="a.time", source='"Temp" a JOIN "Temp" b ON a.time = b.time')).num_rows == 5
    assert len(children()) == before + 1
    bench.executor.close()


def test_a_stopped_join_leaves_no_process_at_work(bench: QueryBench) -> None:
    bench.values(JOINED)
    stop = Stop()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, bench, ENDLESS, stop)
        busy = eventually(lambda: [child for child in children() if not cpu_stands_still(child.pid)])
        stop.stop(QueryCancelled("nobody waits"))
        assert isinstance(running.exception(10), QueryCancelled)
    assert not any(child.is_running() for child in busy)
    eventually(cpu_stands_still)
    assert bench.values("SELECT count(*) FROM generate_series(1, 3) a CROSS JOIN generate_series(1, 3) b") == [9]


def test_rows_that_nobody_takes_end_the_process(bench: QueryBench) -> None:
    sql = "SELECT a.value + b.value FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b"
    with bench.executor.sql(bench.tables, MemorySystemTables(), sql, {}) as result:
        assert next(result.batches).num_rows > 0
        at_work = children()
    eventually(lambda: not any(child.is_running() for child in at_work))


def test_a_process_that_dies_fails_its_query_only(bench: QueryBench) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, bench, ENDLESS, Stop())
        for child in eventually(children):
            child.kill()
        assert "has died" in str(running.exception(10))
    assert bench.values(JOINED)


def test_a_join_that_takes_too_long_says_so() -> None:
    queries = QueryExecutor(QueryConfig(400_000_000, threads=2, timeout_s=2))
    with pytest.raises(QueryTimedOut):
        queries.sql(MemoryTables(), MemorySystemTables(), ENDLESS, {})
    queries.close()
