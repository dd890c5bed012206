"""Queries of stored rows beside plain DataFusion on copies of the same Parquet files, in one process, in turns."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from datafusion import SessionContext

from engine.runtime import Engine
from tests.bench.report import Figure, median_of
from tests.bench.server import DATABASE
from tests.bench.sql import BATCHES, QUERIES, body
from tests.support.engines import open_engine, write

REPEATS = 21
WARM_UPS = 3
EMPTY = "SELECT 1 AS one"
HOUR = "time >= '2023-11-15T00:00:00Z' AND time < '2023-11-15T01:00:00Z'"
STATEMENTS = {query.name: query.sql for query in QUERIES} | {
    "newest ten rows": "SELECT * FROM cpu ORDER BY time DESC LIMIT 10",
    "an hour by minute": f"SELECT date_bin(INTERVAL '1 minute', time) AS m, max(f1) FROM cpu WHERE {HOUR} GROUP BY m",
    "hosts of a region": "SELECT DISTINCT host FROM cpu WHERE region = 'r1'",
    "rows above a value": "SELECT host, time, f2 FROM cpu WHERE f2 > 0.999",
}

Ask = Callable[[str], int]


def measure(rounds: int) -> list[Figure]:
    """Return milliseconds to the last Arrow batch, and what ours takes as a multiple of plain DataFusion.

    What a query of nothing takes more is the same for each query, stands in figures of its own, and is left out of the
    multiples. First answers of ours are those after a snapshot.
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
            ours("SELECT count(*) FROM cpu")  # what nobody reads is not looked at before its first query
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
    _, nothing_ours, nothing_plain = _in_turns(ours, plain, EMPTY)
    more = nothing_ours - nothing_plain
    figures = {"a query of nothing, plain DataFusion": nothing_plain, "a query of nothing, more than that": more}
    for name, sql in STATEMENTS.items():
        first, usual, known = _in_turns(ours, plain, sql)
        figures[f"{name}, plain DataFusion"] = known
        figures[f"{name}, ours, first"] = first
        figures[f"{name}, ours"] = usual
        figures[f"{name}, ours ÷ plain"] = (usual - more) / known
    return figures


def _in_turns(ours: Ask, plain: Ask, sql: str) -> tuple[float, float, float]:
    """Return how many ms our first answer takes, ours usually, and that of plain DataFusion usually."""
    first, rows = _timed(ours, sql)
    if rows != plain(sql):
        raise SystemExit(f"{sql} has another number of rows than with plain DataFusion")
    took = [(_timed(ours, sql)[0], _timed(plain, sql)[0]) for _ in range(WARM_UPS + REPEATS)][WARM_UPS:]
    return first, statistics.median(o for o, _ in took), statistics.median(p for _, p in took)


def _timed(ask: Ask, sql: str) -> tuple[float, int]:
    began = time.perf_counter()
    rows = ask(sql)
    return (time.perf_counter() - began) * 1000, rows
