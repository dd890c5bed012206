"""How long SQL takes over what was just written, over Parquet files, and while writes come."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.bench.report import Figure, median_of
from tests.bench.server import DATABASE, Bench, bench_server

HOSTS = 200
LINES = 5_000
BATCHES = 86
STEP_NS = 10_000_000_000
START_NS = 1_700_000_400_000_000_000
REPEATS = 9
BUFFER_MB = 40
PATIENCE_S = 60.0
PAUSE_S = 0.1
"""Between two batches that come while queries are measured."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, and what the issue allows it right after ingest, in ms."""

    name: str
    sql: str
    goal_ms: float


QUERIES = (
    Query("count", "SELECT count(*) FROM cpu", 10),
    Query(
        "5 min of a host",
        "SELECT * FROM cpu WHERE host = 'host17' AND time >= '2023-11-15T01:00:00Z' AND time < '2023-11-15T01:05:00Z'",
        6,
    ),
    Query("last value of a host", "SELECT * FROM cpu WHERE host = 'host17' ORDER BY time DESC LIMIT 1", 18),
    Query("mean by host", "SELECT host, avg(f0) AS mean FROM cpu GROUP BY host", 50),
    Query("50,000 rows", "SELECT * FROM cpu LIMIT 50000", 60),
)


class Connection:
    """Asks a server over one connection of the standard library, which adds little; notes time and CPU."""

    def __init__(self, bench: Bench) -> None:
        self._http = http.client.HTTPConnection(bench.serving.url.removeprefix("http://"))
        self._process = psutil.Process(bench.serving.process.pid)

    def ask(self, sql: str) -> tuple[float, float]:
        """Return how long the answer took, and the server's CPU time meanwhile, both in ms."""
        body = json.dumps({"db": DATABASE, "q": sql, "format": "json"})
        before, began = self._cpu_s(), time.perf_counter()
        self._http.request("POST", "/api/v3/query_sql", body=body)
        reply = self._http.getresponse()
        data = reply.read()
        took = time.perf_counter() - began
        if reply.status != 200 or len(data) < 3:
            raise SystemExit(f"{sql} was answered with {reply.status}: {data[:200]!r}")
        return took * 1000, (self._cpu_s() - before) * 1000

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


def measure(rounds: int) -> list[Figure]:
    """Return milliseconds to the whole answer as JSON, and CPU milliseconds of the server.

    Three times: on what was just written (live), while more is written, when all is in Parquet files (stored).
    """
    per_round = [_round() for _ in range(rounds)]
    goals = {f"{q.name}, live": f"≤ {q.goal_ms:g}" for q in QUERIES}
    goals |= {f"{q.name}, stored, first ÷ the next": "≤ 2" for q in QUERIES}
    units = {name: "×" if "÷" in name else "ms" for name in per_round[0]}
    return [median_of(name, [r[name] for r in per_round], unit, goals.get(name, "")) for name, unit in units.items()]


def _round() -> dict[str, float]:
    figures: dict[str, float] = {}
    with bench_server("--force-snapshot-mem-size", f"{BUFFER_MB}mb") as bench:
        connection = Connection(bench)
        bench.query("SELECT 1 AS one")  # what the first query of all loads is not what is measured
        for i in range(BATCHES):
            bench.write(body("cpu", i), precision="nanosecond")
        figures["count, live, first"] = connection.ask(QUERIES[0].sql)[0]
        _note_all(figures, connection, "live", with_first=False)
        with _writing(bench):
            _note_all(figures, connection, "while written", with_first=False)
        _fill_until_snapshot(bench)
        _note_all(figures, connection, "stored", with_first=True)
    return figures


def _note_all(figures: dict[str, float], connection: Connection, when: str, *, with_first: bool) -> None:
    for query in QUERIES:
        first = connection.ask(query.sql)[0] if with_first else 0.0
        took = [connection.ask(query.sql) for _ in range(REPEATS)]
        figures[f"{query.name}, {when}"] = usual = sorted(wall for wall, _ in took)[REPEATS // 2]
        if with_first:
            figures[f"{query.name}, {when}, first"] = first
            figures[f"{query.name}, {when}, first ÷ the next"] = first / usual
        figures[f"{query.name}, {when}, CPU"] = sum(cpu for _, cpu in took) / REPEATS


@contextmanager
def _writing(bench: Bench) -> Iterator[None]:
    """Write small batches of the newest times meanwhile."""
    ending = threading.Event()

    def write() -> None:
        number = BATCHES
        while not ending.wait(PAUSE_S):
            bench.write(body("cpu", number), precision="nanosecond")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ending.set()
        writer.join()


def _fill_until_snapshot(bench: Bench) -> None:
    """Write into another table until the buffer has reached its limit."""
    deadline = time.monotonic() + PATIENCE_S
    number = 0
    while b"snapshot: files=" not in bench.serving.log.read_bytes():
        bench.write(body("other", number), precision="nanosecond")
        number += 1
        if time.monotonic() > deadline:
            raise SystemExit(f"no snapshot within {PATIENCE_S:g} s")
        time.sleep(0.02)


def body(table: str, batch: int) -> str:
    """Return lines in the order of time: two floats with two digits, one with all, one that repeats, and a counter."""
    first, chance = batch * LINES, random.Random(batch)
    return "\n".join(
        f"{table},host=host{row % HOSTS},region=r{row % 4} f0={chance.random() * 100:.2f},f1={chance.random() * 100:.2f},"
        f"f2={chance.random()},f3={row}i,f4={row % 7}.125 {START_NS + row // HOSTS * STEP_NS}"
        for row in range(first, first + LINES)
    )
