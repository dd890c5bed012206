"""Whether writers notice snapshots and compaction: acknowledgements of paced writes, quiet and meanwhile, in one run."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.runtime import Engine
from engine.settings import Settings
from engine.write.service import WriteParams
from tests.bench.report import Figure, median_of, percentile

DATABASE = "bench"
EVERY_S = 0.004
ROWS = 300_000
BODY_LINES = 5_000
HOSTS = 200
TAGS = ",".join(f"tag{i}=value{i}" for i in range(9))
FIELDS = ",".join(f"usage{i}={i}.5" for i in range(10))
START_NS = 1_700_000_000_000_000_000


def measure(rounds: int) -> list[Figure]:
    """Return the 99th percentile of acknowledgements, quiet, during snapshots and during compaction, and their ratios."""
    with tempfile.TemporaryDirectory(prefix="influxdb3-pauses-") as folder:
        settings = Settings.for_tests(Path(folder), force_snapshot_mem_size_bytes=1 << 40)
        with Engine.open(settings) as engine:
            engine.tables.create_database(DATABASE)
            engine._maintenance.stop()  # this module says when there is a snapshot
            return _figures(engine, rounds)


def _figures(engine: Engine, rounds: int) -> list[Figure]:
    quiet, snapshots, compactions, took = [], [], [], []
    for number in range(rounds):
        _fill(engine, number)
        quiet.append(_p99_ms(engine, lambda: time.sleep(2)))
        began = time.perf_counter()
        snapshots.append(_p99_ms(engine, engine.snapshot))
        took.append(time.perf_counter() - began)
        compactions.append(_p99_ms(engine, lambda: _rewrite(engine)))
    name = "acknowledgement p99"
    pairs = list(zip(quiet, snapshots, compactions, strict=True))
    return [
        median_of(f"{name}, quiet", quiet, "ms"),
        median_of(f"{name}, snapshot of {ROWS} rows", snapshots, "ms"),
        median_of(f"{name}, compaction of {ROWS} rows", compactions, "ms"),
        median_of(f"{name}, snapshot to quiet", [s / q for q, s, _ in pairs], "ratio", "≤ 2"),
        median_of(f"{name}, compaction to quiet", [c / q for q, _, c in pairs], "ratio", "≤ 2"),
        median_of(f"snapshot of {ROWS} rows beside writers", took, "s"),
    ]


def _fill(engine: Engine, number: int) -> None:
    for first in range(0, ROWS, BODY_LINES):
        start = START_NS + (number * ROWS + first) * 1_000_000
        lines = (f"cpu,host=host{i % HOSTS},{TAGS} {FIELDS} {start + i * 1_000_000}" for i in range(BODY_LINES))
        engine.write(WriteParams(DATABASE), "\n".join(lines).encode()).result()


def _rewrite(engine: Engine) -> None:
    """Do what a step of compaction does, with the largest files."""
    table_id, files = max(engine.store.files_by_table().items(), key=lambda item: sum(f.row_count for f in item[1]))
    changes = engine.store.rewrite(table_id, files[-1:])
    assert changes is not None
    engine.store.exchange(changes)


def _p99_ms(engine: Engine, meanwhile: Callable[[], object]) -> float:
    """Return how long one in a hundred acknowledgements took, or longer, while ``meanwhile`` ran."""
    thread = threading.Thread(target=meanwhile)
    took_ms = []
    thread.start()
    due = time.perf_counter()
    while thread.is_alive():
        began = time.perf_counter()
        engine.write(WriteParams(DATABASE), b"paced v=1").result()
        took_ms.append((time.perf_counter() - began) * 1000)
        due = max(due + EVERY_S, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    thread.join()
    return percentile(took_ms, 0.99)
