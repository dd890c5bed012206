"""How late a schedule's plugin is called after its due time, on an idle server; never before it."""

import time

from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import bench_server

RUNS = 60
WARM_UP = 5  # the first run waits for its host, and those after it for the first

PLUGIN = """
import time
LATE = open({path!r}, "a", buffering=1)

def process_scheduled_call(influxdb3_local, call_time, args=None):
    LATE.write(f"{{time.time_ns()}}\\n")
"""
PERIOD_NS = 100_000_000


def measure(rounds: int) -> list[Figure]:
    """Return the delays of runs ten times a second, in ms."""
    per_round = [_round() for _ in range(rounds)]
    return [median_of(name, [r[name] for r in per_round], "ms") for name in per_round[0]]


def _round() -> dict[str, float]:
    with bench_server() as bench:
        file = bench.plugins.parent / "late"
        file.touch()
        (bench.plugins / "late.py").write_text(PLUGIN.format(path=str(file)))
        bench.trigger("late", "every:100ms", "late.py")
        deadline = time.monotonic() + 30
        while len(entered := file.read_text().split()) <= WARM_UP + RUNS and time.monotonic() < deadline:
            time.sleep(0.1)
    late = [int(at) % PERIOD_NS for at in entered[WARM_UP:]]
    return {f"due → plugin {name}": percentile(late, share) / 1e6 for name, share in (("p50", 0.5), ("p99", 0.99))}
