"""What a thousand enabled triggers cost a write when only one of them has work."""

import time

from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import Bench, bench_server

TRIGGERS = 1_000
WRITES = 200

PLUGIN = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"


def measure(rounds: int) -> list[Figure]:
    """Return the acknowledgement p50 with one and with a thousand triggers, and their ratio."""
    one, many = [], []
    with bench_server() as bench:
        (bench.plugins / "p.py").write_text(PLUGIN)
        bench.trigger("t", "table:m", "p.py")
        one = [_acknowledged_ms(bench) for _ in range(rounds)]
        for i in range(TRIGGERS - 1):
            bench.trigger(f"t{i}", f"table:other{i}", "p.py")
        many = [_acknowledged_ms(bench) for _ in range(rounds)]
    return [
        median_of("acknowledged p50, 1 trigger", one, "ms"),
        median_of(f"acknowledged p50, {TRIGGERS} triggers", many, "ms"),
        Figure("ratio", sorted(many)[len(many) // 2] / sorted(one)[len(one) // 2], "×", "≤ 1.2"),
    ]


def _acknowledged_ms(bench: Bench) -> float:
    took = []
    for i in range(WRITES):
        began = time.perf_counter()
        bench.write(f"m v={i}")
        took.append((time.perf_counter() - began) * 1000)
    return percentile(took, 0.5)
