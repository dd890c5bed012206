"""How soon a row has passed three chained triggers: a write, the output of the first, the output of the second."""

from tests.bench.delays import PLUGIN, entered, write_all
from tests.bench.machine import syncs_ms
from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import bench_server

WRITES = 300
PAUSE_S = 0.02

SYNCS = 3
"""The write itself, what the first plugin writes, what the second plugin writes."""

PASSES_ON = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.write(LineBuilder({table!r}).float64_field("number", row["number"]))
"""


def measure(rounds: int) -> list[Figure]:
    """Return the delays of single-line writes on an idle server, and of as many bare disk syncs, in ms."""
    per_round = [_round() for _ in range(rounds)]
    goals = {"sent → third plugin p99": f"≤ 30 + {SYNCS} syncs"}
    return [median_of(name, [r[name] for r in per_round], "ms", goals.get(name, "")) for name in per_round[0]]


def _round() -> dict[str, float]:
    with bench_server() as bench:
        file = bench.plugins.parent / "entered"
        codes = {"a": PASSES_ON.format(table="b"), "b": PASSES_ON.format(table="c"), "c": PLUGIN.format(path=str(file))}
        for table, code in codes.items():
            (bench.plugins / f"{table}.py").write_text(code)
            bench.trigger(table, f"table:{table}", f"{table}.py")
        sent, acknowledged = write_all(bench, "a", file, WRITES, PAUSE_S)
        seen = entered(file, WRITES)
        bare = syncs_ms(SYNCS * WRITES)
    delays = {
        "sent → third plugin": [(seen[i] - sent[i]) / 1e6 for i in range(WRITES)],
        "acknowledged → third plugin": [(seen[i] - acknowledged[i]) / 1e6 for i in range(WRITES)],
        f"{SYNCS} bare syncs": [sum(bare[i * SYNCS : (i + 1) * SYNCS]) for i in range(WRITES)],
    }
    return {f"{n} {p}": percentile(v, s) for n, v in delays.items() for p, s in (("p50", 0.5), ("p99", 0.99))}
