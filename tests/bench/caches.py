"""What last-value and distinct-value caches cost a write, and how soon they answer."""

import time

import psutil

from tests.bench.report import Figure, median_of
from tests.bench.server import DATABASE, Bench, bench_server
from tests.bench.sql import Connection

SERIES = (10_000, 100_000)
BATCH = 10_000
BATCHES = 12
REPEATS = 15
GOALS = {"last_cache, one key, 10,000 series": "≤ 5"}
REST_S = 0.4
"""In which what a batch leaves to be done in the background is done."""


def measure(rounds: int) -> list[Figure]:
    """Return CPU milliseconds of the server per batch with and without caches, and milliseconds to answers of caches."""
    figures = []
    for series in SERIES:
        per_round = [_round(series) for _ in range(rounds)]
        figures += [median_of(name, [r[name] for r in per_round], "ms", GOALS.get(name, "")) for name in per_round[0]]
    return figures


def _round(series: int) -> dict[str, float]:
    kind = f"{series:,} series"
    with bench_server() as bench:
        _create(bench, "last_cache", "cached", key_columns=["host"])
        _create(bench, "distinct_cache", "cached", columns=["region", "host"])
        connection = Connection(bench)
        bench.query("SELECT * FROM last_cache('cached')")
        for table in ("plain", "cached"):  # all series are known
            for first in range(0, series, BATCH):
                bench.write(_body(table, 0, first, series), precision="nanosecond")
        figures = _writes(bench, kind, series)
        queries = {
            "last_cache, one key": "SELECT * FROM last_cache('cached') WHERE host = 'host17'",
            "last_cache, count": "SELECT count(*) FROM last_cache('cached')",
            "distinct_cache, one region": "SELECT count(*) FROM distinct_cache('cached') WHERE region = 'r1'",
        }
        for name, sql in queries.items():
            bench.write(_body("cached", 2 * BATCHES, 0, series), precision="nanosecond")
            time.sleep(REST_S)
            figures[f"{name}, {kind}, first after a batch"] = connection.ask(sql)[0]
            figures[f"{name}, {kind}"] = sorted(connection.ask(sql)[0] for _ in range(REPEATS))[REPEATS // 2]
    return figures


def _writes(bench: Bench, kind: str, series: int) -> dict[str, float]:
    """Write batches with and without caches in turns, so that a busy machine is the same for both."""
    process = psutil.Process(bench.serving.process.pid)
    cpu_ms, took_ms = {"plain": 0.0, "cached": 0.0}, {"plain": 0.0, "cached": 0.0}
    for number in range(1, BATCHES + 1):
        for table in ("plain", "cached"):
            body = _body(table, number, number * BATCH, series)
            time.sleep(REST_S)
            before, began = process.cpu_times(), time.perf_counter()
            bench.write(body, precision="nanosecond")
            took_ms[table] += (time.perf_counter() - began) * 1000 / BATCHES
            time.sleep(REST_S)
            after = process.cpu_times()
            cpu_ms[table] += (after.user + after.system - before.user - before.system) * 1000 / BATCHES
    return {
        f"batch of {BATCH:,} lines, {kind}, CPU": cpu_ms["plain"],
        f"… with two caches, {kind}, CPU": cpu_ms["cached"],
        f"… acknowledged, {kind}": took_ms["plain"],
        f"… acknowledged with two caches, {kind}": took_ms["cached"],
    }


def _create(bench: Bench, kind: str, table: str, **columns: list[str]) -> None:
    bench.write(_body(table, 0, 0, 1), precision="nanosecond")
    body = {"db": DATABASE, "table": table, **columns}
    bench.client.post(f"/api/v3/configure/{kind}", json=body).raise_for_status()


def _body(table: str, moment: int, first: int, series: int) -> str:
    """Return a batch of the ``series`` from the one numbered ``first`` on."""
    now = time.time_ns() + moment
    return "\n".join(
        f"{table},host=host{number % series},region=r{number % 4} f0={number % 97}.5,f1={number % 31}.25,f2={number}i {now}"
        for number in range(first, first + min(BATCH, series))
    )
