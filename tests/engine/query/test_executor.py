import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import EngineError, InvalidRequest, QueryError, QueryFailed, QueryTimedOut
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from tests.support.tables import CPU, MemorySystemTables, MemoryTables, QueryBench, rows_batch, sample_database


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> QueryBench:
    return sample_database(tmp_path_factory.mktemp("files"))


def test_plugins_may_name_tables_by_parameter(bench: QueryBench) -> None:
    sql, params = bench.executor.bind_table_names("SELECT host FROM $t WHERE host = $h", {"t": "Temp", "h": "b"})
    assert bench.values(sql, params) == ["b"]
    with pytest.raises(QueryError, match="ParserError"):
        bench.values("SELECT host FROM $t", {"t": "Temp"})


class Held:
    """One table with many rows, to see what a query holds."""

    def __init__(
        self, rows: int = 100_000, memory_limit_bytes: int = 100_000_000, config: QueryConfig | None = None
    ) -> None:
        batch = pa.record_batch(
            [pa.nulls(rows, CPU.types[0]), pa.array(range(rows), CPU.types[1]), pa.array(range(rows), CPU.types[2])],
            schema=CPU,
        )
        self.tables = MemoryTables().add("cpu", CPU, [batch])
        self.bench = QueryBench(self.tables, memory_limit_bytes, config)

    def query(self, sql: str) -> Any:
        return self.bench.executor.sql(self.tables, MemorySystemTables(), sql, {})


def test_rows_are_released_behind_the_last_batch() -> None:
    held = Held()
    result = held.query("SELECT * FROM cpu")
    batches = result.batches
    assert next(batches).num_rows < 100_000
    assert held.tables.released == []
    assert sum(batch.num_rows for batch in batches) > 0
    assert held.tables.released == ["cpu"]
    result.close()
    assert held.tables.released == ["cpu"]


def test_rows_are_released_when_a_result_is_closed_early() -> None:
    held = Held()
    with held.query("SELECT * FROM cpu a JOIN cpu b ON a.time = b.time") as result:
        next(result.batches)
    assert held.tables.opened == held.tables.released == ["cpu"]
    assert list(result.batches) == []


def test_rows_are_released_when_a_result_is_forgotten() -> None:
    held = Held()
    held.query("SELECT * FROM cpu")
    gc.collect()
    assert held.tables.released == ["cpu"]


@pytest.mark.parametrize("sql", ["SELECT nope FROM cpu", "SELECT 1 / 0 FROM cpu", "SELECT * FROM cpu WHERE time > 5"])
def test_rows_are_released_when_a_query_fails_before_its_first_batch(sql: str) -> None:
    held = Held()
    with pytest.raises(EngineError):
        held.query(sql)
    assert held.tables.opened == held.tables.released == ["cpu"]


def test_rows_are_released_when_a_query_fails_later() -> None:
    held = Held()
    result = held.query("SELECT 1 / (usage::bigint - 90000) FROM cpu")
    with pytest.raises(
        QueryFailed, match=r"^query error: error while executing plan: Arrow error: Divide by zero error"
    ):
        list(result.batches)
    assert held.tables.released == ["cpu"]


def test_a_query_past_the_memory_limit_fails_and_others_go_on() -> None:
    held = Held(memory_limit_bytes=2_000_000)
    with pytest.raises(QueryFailed, match="Resources exhausted"):
        list(
            held.query("SELECT a.usage, array_agg(b.time) FROM cpu a JOIN cpu b ON a.time = b.time GROUP BY 1").batches
        )
    assert held.bench.values("SELECT count(*) FROM cpu") == [100_000]


def test_queries_of_several_databases_run_side_by_side() -> None:
    bench = QueryBench(MemoryTables())
    databases = [MemoryTables().add("cpu", CPU, [rows_batch(CPU, [{"time": n, "usage": float(n)}])]) for n in range(8)]
    start = threading.Barrier(len(databases))

    def ask(tables: MemoryTables) -> set[float]:
        start.wait()
        seen = set()
        for _ in range(10):
            with bench.executor.sql(tables, MemorySystemTables(), "SELECT usage FROM cpu", {}) as result:
                seen |= {value for batch in result.batches for value in batch["usage"].to_pylist()}
        return seen

    with ThreadPoolExecutor(len(databases)) as pool:
        assert list(pool.map(ask, databases)) == [{float(n)} for n in range(8)]


def test_only_tables_that_a_query_names_are_opened(bench: QueryBench) -> None:
    bench.tables.opened.clear()
    bench.table('SELECT a.host FROM cpu a JOIN "Temp" b ON a.host = b.host WHERE a.host NOT IN (SELECT t FROM ids)')
    assert sorted(bench.tables.opened) == ["Temp", "cpu", "ids"]


def test_a_text_that_needs_a_deep_stack_is_planned(bench: QueryBench) -> None:
    assert bench.values(f"SELECT {'1 + ' * 900}1") == [901]


def test_datafusion_is_loaded_by_the_first_query_or_on_demand() -> None:
    program = (
        "import sys; from engine.query.config import QueryConfig\n"
        "from engine.query.executor import QueryExecutor; from engine.query import formats\n"
        "executor = QueryExecutor(QueryConfig(10**8)); print('datafusion' in sys.modules, 'pyarrow.parquet' in sys.modules)\n"
        "executor.warm_up(); print('datafusion' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False", "True"]


SORTED = "SELECT time, usage FROM cpu ORDER BY usage DESC, time"
GROUPED = "SELECT usage, array_agg(time) FROM cpu GROUP BY usage"


def test_a_query_past_its_own_limit_names_it() -> None:
    held = Held(config=QueryConfig(100_000_000, 2**20, threads=2))
    with pytest.raises(QueryFailed, match=r"Resources exhausted(.|\n)*One query may use 1 MB.*--query-memory-limit"):
        list(held.query(GROUPED).batches)
    assert held.bench.values("SELECT count(*) FROM cpu") == [100_000]


def test_queries_that_hold_memory_wait_for_their_turn_and_others_do_not() -> None:
    held = Held(config=QueryConfig(100_000_000, 60_000_000, threads=2))
    with ThreadPoolExecutor(1) as pool:
        with held.query(SORTED) as first:
            batches = first.batches  # kept, for who lets go of them ends the query
            next(batches)
            waiting = pool.submit(held.bench.values, "SELECT time FROM cpu ORDER BY usage DESC LIMIT 1")
            assert held.bench.values("SELECT count(*) FROM cpu") == [100_000]
            assert not waiting.done()
        assert waiting.result(20) == [99_999]


def test_queries_wait_until_they_may_run() -> None:
    held = Held(config=QueryConfig(100_000_000, most_at_once=1))
    with ThreadPoolExecutor(1) as pool:
        with held.query("SELECT 1") as first:
            waiting = pool.submit(held.bench.values, "SELECT 2 AS two")
            assert not waiting.done()
            list(first.batches)
        assert waiting.result(20) == [2]


def test_a_query_that_waits_too_long_says_so() -> None:
    held = Held(config=QueryConfig(100_000_000, most_at_once=1, timeout_s=0.2))
    with held.query("SELECT 1"), pytest.raises(QueryTimedOut, match="--query-timeout"):
        held.query("SELECT 2")


@pytest.mark.parametrize(
    ("where", "is_refused"),
    [("", True), ("WHERE time >= '1970-01-01T00:00:00.000000006Z'", False), ("WHERE time = 3", True)],
)
def test_a_query_of_too_many_files_is_refused(where: str, is_refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(config=QueryConfig(100_000_000, most_files=2))
    opened = held.tables.open
    times = [(0, 3), (4, 7), (8, 11)]
    monkeypatch.setattr(held.tables, "open", lambda name: replace(opened(name), file_times=lambda: times))
    if is_refused:
        with pytest.raises(QueryFailed, match=r"^Query would scan 3 Parquet files, exceeding the file limit of 2 that"):
            held.query(f"SELECT * FROM cpu {where}")
    else:
        held.query(f"SELECT * FROM cpu {where}").close()
    assert held.tables.opened == held.tables.released


def test_options_of_datafusion_hold() -> None:
    held = Held(config=QueryConfig(100_000_000, options={"datafusion.execution.batch_size": "1000"}))
    with held.query("SELECT v FROM generate_series(1, 5000) t(v)") as result:
        assert [batch.num_rows for batch in result.batches] == [1000] * 5


@pytest.mark.parametrize(
    ("key", "value"), [("datafusion.execution.nothing", "1"), ("datafusion.execution.batch_size", "many")]
)
def test_options_that_datafusion_does_not_take_are_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match="--datafusion-config: DataFusion does not take this") as refused:
        QueryExecutor(QueryConfig(100_000_000, options={key: value}))
    assert key in str(refused.value)


@pytest.mark.process
def test_the_number_of_threads_is_that_of_the_setting() -> None:
    program = (
        "import os; from engine.query.config import QueryConfig; from engine.query.executor import QueryExecutor\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "QueryExecutor(QueryConfig(10**8, threads=7)).warm_up(); print(threads(), 'TOKIO_WORKER_THREADS' in os.environ)"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    threads, is_left = run.stdout.split()
    assert 8 <= int(threads) <= 14
    assert is_left == "False"
