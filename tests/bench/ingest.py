"""Lines per second of large batches, each acknowledged after its sync."""

import time

from tests.bench.report import Figure, median_of
from tests.bench.server import bench_server

LINES = 5_000
BATCHES = 20


def measure(rounds: int) -> list[Figure]:
    """Return lines per second of one client that writes batch after batch."""
    return [
        median_of(f"ingest {LINES}-line batches, 10 tags 10 fields", [_lines_per_s() for _ in range(rounds)], "lines/s")
    ]


def _lines_per_s() -> float:
    bodies = [_body(i) for i in range(BATCHES)]
    with bench_server() as bench:
        bench.write(bodies[0])
        began = time.perf_counter()
        for body in bodies:
            bench.write(body, precision="nanosecond")
        return BATCHES * LINES / (time.perf_counter() - began)


def _body(batch: int) -> str:
    tags = ",".join(f"tag{i}=value{i}" for i in range(9))
    fields = ",".join(f"usage{i}={i}.5" for i in range(10))
    start = 1_700_000_000_000_000_000 + batch * LINES * 1000
    return "\n".join(f"cpu,host=host{i % 100},{tags} {fields} {start + i * 1000}" for i in range(LINES))
