"""How soon a plugin sees a row: from the request, from the sync, from the acknowledgement."""

import time

from tests.bench.delays import PLUGIN, entered, write_all
from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import Bench, bench_server

WRITES = 300
PAUSE_S = 0.01


def measure(rounds: int) -> list[Figure]:
    """Return the delays of single-line writes on an idle server, in ms."""
    per_round = [_round() for _ in range(rounds)]
    goals = {
        "acknowledged → plugin p50": "≤ 0.5",
        "acknowledged → plugin p99": "≤ 3",
        "sent → plugin p50": "≤ 2.5 + one sync",
    }
    return [median_of(name, [r[name] for r in per_round], "ms", goals.get(name, "")) for name in per_round[0]]


def _round() -> dict[str, float]:
    with bench_server() as bench:
        entered_file = bench.plugins.parent / "entered"
        (bench.plugins / "entered.py").write_text(PLUGIN.format(path=str(entered_file)))
        bench.trigger("entered", "table:m", "entered.py")
        sent, acknowledged = write_all(bench, "m", entered_file, WRITES, PAUSE_S)
        seen = entered(entered_file, WRITES)
        synced = _synced(bench)
    delays = {
        "sent → acknowledged": [acknowledged[i] - sent[i] for i in range(WRITES)],
        "sent → plugin": [seen[i] - sent[i] for i in range(WRITES)],
        "acknowledged → plugin": [seen[i] - acknowledged[i] for i in range(WRITES)],
    }
    if synced:
        delays["last sync → plugin"] = synced
    return {f"{n} {p}": percentile(v, s) / 1e6 for n, v in delays.items() for p, s in (("p50", 0.5), ("p99", 0.99))}


def _synced(bench: Bench) -> list[float]:
    """Return the queue delays of the runs: from the moment after the sync to the call of the plugin, in ns."""
    deadline = time.monotonic() + 10
    rows: list[dict[str, object]] = []
    while len(rows) < WRITES and time.monotonic() < deadline:
        rows = bench.query("SELECT arrow_cast(queue_delay, 'Int64') AS ns FROM system.processing_engine_runs")
        time.sleep(0.1)
    return [float(str(row["ns"])) for row in rows[1:]]
