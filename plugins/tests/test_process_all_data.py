import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import Engine
from tests.support.engines import (
    create_trigger,
    eventually,
    logged_when,
    open_engine,
    query,
    rows_when,
    runs_when,
    write,
)

COUNTS = "SELECT source_table, rows, total_rows, columns FROM ingest_statistics ORDER BY time, source_table"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as engine:
        yield engine


def test_every_table_is_counted_over_writes(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "all_tables", "process_all_data.py")
    write(engine, "db", "cpu,host=a usage=1,idle=2 1\ncpu,host=b usage=1,idle=2 1\nmy\\ table,x=y v=1i 1")
    assert rows_when(engine, "db", COUNTS, 2) == [
        {"source_table": "cpu", "rows": 2, "total_rows": 2, "columns": 4},
        {"source_table": "my table", "rows": 1, "total_rows": 1, "columns": 3},
    ]
    write(engine, "db", "cpu,host=a usage=3 2")
    assert rows_when(engine, "db", COUNTS, 3)[2] == {"source_table": "cpu", "rows": 1, "total_rows": 3, "columns": 4}
    told = logged_when(engine, "db", 3)  # the third line is the engine's: the trigger sees its own rows
    assert sorted(told)[:2] == [
        "INFO first rows of table cpu: columns host, usage, idle, time",
        "INFO first rows of table my table: columns x, v, time",
    ]


def test_its_own_rows_do_not_start_a_loop(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "all_tables", "process_all_data.py")
    write(engine, "db", "cpu v=1 1")
    first, second = runs_when(engine, "db", 2)
    assert (first["lines_out"], second["lines_out"]) == (1, 0)
    write(engine, "db", "cpu v=1 2")
    assert [run["lines_out"] for run in runs_when(engine, "db", 4)] == [1, 0, 1, 0]


def test_late_rows_are_told_by_their_age(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "all_tables", "process_all_data.py")
    now_ns = time.time_ns()
    write(engine, "db", f"cpu v=1 {now_ns - 10 * 10**9}\ncpu v=2 {now_ns - 3600 * 10**9}")
    (row,) = rows_when(engine, "db", "SELECT newest_age_s, oldest_age_s FROM ingest_statistics")
    assert 10 <= row["newest_age_s"] < 40
    assert 3600 <= row["oldest_age_s"] < 3630


def test_tables_can_be_left_out(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "all_tables", "process_all_data.py", arguments={"ignore": "debug trace"})
    write(engine, "db", "debug v=1 1\ntrace v=1 1\ncpu v=1 1")
    eventually(lambda: query(engine, "db", "SELECT outcome FROM system.processing_engine_runs"))
    assert [row["source_table"] for row in rows_when(engine, "db", COUNTS)] == ["cpu"]
