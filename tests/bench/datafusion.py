"""Queries of stored rows beside plain DataFusion on copies of the same Parquet files, in one process, in turns."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datafusion import SessionContext

from engine.runtime import Engine
from tests.bench.report import Figure, median_of
from tests.bench.server import DATABASE
from tests.bench.sql import BATCHES, QUERIES, body
from tests.support.engines import open_engine, write

REPEATS = 21
WARM_UPS = 3
COUNT = QUERIES[0].sql
"""Both answer it from the footers of files: what ours takes more, each query takes more."""

HOUR = "time >= '2023-11-15T00:00:00Z' AND time < '2023-11-15T01:00:00Z'"
STATEMENTS = {query.name: query.sql for query in QUERIES[1:]} | {
    "newest ten rows": "SELECT * FROM cpu ORDER BY time DESC LIMIT 10",
    "an hour by minute": f"SELECT date_bin(INTERVAL '1 minute', time) AS m, max(f1) FROM cpu WHERE {HOUR} GROUP BY m",
    "hosts of a region": "SELECT DISTINCT host FROM cpu WHERE region = 'r1'",
    "rows above a value": "SELECT host, time, f2 FROM cpu WHERE f2 > 0.999",
}

Ask = Callable[[str], int]


def measure(rounds: int) -> list[Figure]:
    """Return milliseconds to the last Arrow batch, and what ours takes as a multiple of plain DataFusion.

    What a count takes more is the same for each query, stands in a figure of its own, and is left out of the multiples.
    First answers of ours are those after a snapshot.
    """
    per_round = [_round() for _ in range(rounds)]
    return [
        median_of(name, [r[name] for r in per_round], "×" if " ÷ " in name else "ms", "≤ 1.2" if " ÷ " in name else "")
        for name in per_round[0]
    ]


def _round() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as name:
        folder = Path(name)
        with open_engine(folder / "node") as engine:
            engine.tables.create_database(DATABASE)
            for number in range(BATCHES):
                write(engine, DATABASE, body("cpu", number))
            ours = _ours(engine)
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
    count = _in_turns(ours, plain, COUNT)
    more, more_cpu = count.ours - count.plain, count.ours_cpu - count.plain_cpu
    figures = {"count, plain DataFusion": count.plain, "count, ours, more than that": more}
    for name, sql in STATEMENTS.items():
        took = _in_turns(ours, plain, sql)
        figures[f"{name}, plain DataFusion"] = took.plain
        figures[f"{name}, ours, first"] = took.first
        figures[f"{name}, ours"] = took.ours
        figures[f"{name}, ours ÷ plain"] = (took.ours - more) / took.plain
        figures[f"{name}, ours ÷ plain, CPU"] = (took.ours_cpu - more_cpu) / took.plain_cpu
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
