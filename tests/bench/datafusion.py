"""Queries of stored rows beside plain DataFusion on copies of the same Parquet files, in one process, in turns."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datafusion import SessionContext

from engine.huge_pages import allow_huge_pages
from engine.runtime import Engine
from tests.bench.report import Figure, median_of
from tests.bench.server import DATABASE
from tests.bench.sql import BATCHES, QUERIES, body
from tests.support.engines import open_engine, write

REPEATS = 21
WARM_UPS = 40
"""After so many of a kind both stand still; the first ones take up to a fifth more of both."""

COUNT = QUERIES[0].sql
HOUR = "time >= '2023-11-15T00:00:00Z' AND time < '2023-11-15T01:00:00Z'"
STATEMENTS = {query.name: query.sql for query in QUERIES} | {
    "newest ten rows": "SELECT * FROM cpu ORDER BY time DESC LIMIT 10",
    "an hour by minute": f"SELECT date_bin(INTERVAL '1 minute', time) AS m, max(f1) FROM cpu WHERE {HOUR} GROUP BY m",
    "hosts of a region": "SELECT DISTINCT host FROM cpu WHERE region = 'r1'",
    "rows above a value": "SELECT host, time, f2 FROM cpu WHERE f2 > 0.999",
}


@dataclass(frozen=True, slots=True)
class _Rows:
    """How many bodies are written, and after how many each a file is made of them."""

    batches: int
    batches_per_file: int


TABLES = {"": _Rows(BATCHES, BATCHES), "4.3 M rows: ": _Rows(7 * 123, 123)}

Ask = Callable[[str], int]


def measure(rounds: int) -> list[Figure]:
    """Return milliseconds to the last Arrow batch, and what ours takes as a multiple of plain DataFusion.

    Once with 430,000 rows in one file, once with ten times the rows in seven. First answers of ours are those after a
    snapshot. Both have small pages, as a server has.
    """
    allow_huge_pages(is_allowed=False)
    try:
        per_round = [_round() for _ in range(rounds)]
    finally:
        allow_huge_pages(is_allowed=True)
    return [
        median_of(name, [r[name] for r in per_round], "×" if " ÷ " in name else "ms", "≤ 1.2" if " ÷ " in name else "")
        for name in per_round[0]
    ]


def _round() -> dict[str, float]:
    return {prefix + name: value for prefix, rows in TABLES.items() for name, value in _compared_with(rows).items()}


def _compared_with(rows: _Rows) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as name:
        folder = Path(name)
        with open_engine(folder / "node") as engine:
            engine.tables.create_database(DATABASE)
            ours = _ours(engine)
            for number in range(rows.batches):
                write(engine, DATABASE, body("cpu", number))
                if (number + 1) % rows.batches_per_file == 0:
                    ours(COUNT)  # what nobody reads is not looked at before its first query
                    engine.snapshot()
            return _compared(ours, _plain(folder / "node", folder / "plain"))


def _ours(engine: Engine) -> Ask:
    def ask(sql: str) -> int:
        with engine.query(DATABASE, sql, {}) as result:
            return sum(batch.num_rows for batch in result.batches)

    return ask


def _plain(node: Path, folder: Path) -> Ask:
    folder.mkdir()
    for number, file in enumerate(sorted(node.glob("data/*/parquet/*/*.parquet"))):
        shutil.copyfile(file, folder / f"{number}.parquet")
    context = SessionContext()
    context.register_parquet("cpu", str(folder))

    def ask(sql: str) -> int:
        return sum(batch.to_pyarrow().num_rows for batch in context.sql(sql).execute_stream())

    return ask


def _compared(ours: Ask, plain: Ask) -> dict[str, float]:
    figures = {}
    for name, sql in STATEMENTS.items():
        took = _in_turns(ours, plain, sql)
        figures[f"{name}, plain DataFusion"] = took.plain
        figures[f"{name}, ours, first"] = took.first
        figures[f"{name}, ours"] = took.ours
        figures[f"{name}, ours ÷ plain"] = took.ours / took.plain
        figures[f"{name}, ours ÷ plain, CPU"] = took.ours_cpu / took.plain_cpu
    return figures


@dataclass(frozen=True, slots=True)
class _Took:
    """How many ms our first answer took; and, as medians, ours and that of plain DataFusion, and the CPU time of both."""

    first: float
    ours: float
    plain: float
    ours_cpu: float
    plain_cpu: float


def _in_turns(ours: Ask, plain: Ask, sql: str) -> _Took:
    first, _, rows = _timed(ours, sql)
    if rows != plain(sql):
        raise SystemExit(f"{sql} has another number of rows than with plain DataFusion")
    took = [(*_timed(ours, sql)[:2], *_timed(plain, sql)[:2]) for _ in range(WARM_UPS + REPEATS)][WARM_UPS:]
    ours_ms, ours_cpu, plain_ms, plain_cpu = (statistics.median(column) for column in zip(*took, strict=True))
    return _Took(first, ours_ms, plain_ms, ours_cpu, plain_cpu)


def _timed(ask: Ask, sql: str) -> tuple[float, float, int]:
    began, began_cpu = time.perf_counter(), time.process_time()
    rows = ask(sql)
    return (time.perf_counter() - began) * 1000, (time.process_time() - began_cpu) * 1000, rows
