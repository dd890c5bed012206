"""How soon a plugin sees a row: from the request, from the sync, from the acknowledgement."""

import http.client
import json
import time
from pathlib import Path

from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import DATABASE, Bench, bench_server

WRITES = 300

PLUGIN = """
import time
ENTERED = open({path!r}, "a", buffering=1)

def process_writes(influxdb3_local, table_batches, args=None):
    now = time.time_ns()
    for batch in table_batches:
        for row in batch["rows"]:
            ENTERED.write(f"{{int(row['number'])}} {{now}}\\n")
"""


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
        sent, acknowledged = _write_all(bench)
        entered = _entered(entered_file)
        synced = _synced(bench)
    delays = {
        "sent → acknowledged": [acknowledged[i] - sent[i] for i in range(WRITES)],
        "sent → plugin": [entered[i] - sent[i] for i in range(WRITES)],
        "acknowledged → plugin": [entered[i] - acknowledged[i] for i in range(WRITES)],
    }
    if synced:
        delays["last sync → plugin"] = synced
    return {f"{n} {p}": percentile(v, s) / 1e6 for n, v in delays.items() for p, s in (("p50", 0.5), ("p99", 0.99))}


def _write_all(bench: Bench) -> tuple[list[int], list[int]]:
    """Write one line after another; return when each was sent and acknowledged, in ns."""
    bench.write("m number=-1 1")
    time.sleep(0.5)  # the plugin is loaded by then: the first run is not what is measured
    sent, acknowledged = [], []
    # A connection of the standard library: a larger client would be a part of what is measured.
    connection = http.client.HTTPConnection(bench.serving.url.removeprefix("http://"))
    for i in range(WRITES):
        sent.append(time.time_ns())
        connection.request("POST", f"/api/v3/write_lp?db={DATABASE}", body=f"m number={i} {i + 2}")
        reply = connection.getresponse()
        reply.read()
        acknowledged.append(time.time_ns())
        if reply.status != 204:
            raise SystemExit(f"a write was answered with {reply.status}")
        time.sleep(0.01)  # an idle server: the run before is over
    connection.close()
    return sent, acknowledged


def _entered(path: Path) -> dict[int, int]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = {int(n): int(t) for n, t in (line.split() for line in path.read_text().splitlines())}
        if len(found) > WRITES:
            return found
        time.sleep(0.05)
    raise SystemExit(f"not every row reached the plugin: {json.dumps(sorted(found)[:5])} … {len(found)} rows")


def _synced(bench: Bench) -> list[float]:
    """Return the queue delays of the runs: from the moment after the sync to the call of the plugin, in ns."""
    deadline = time.monotonic() + 10
    rows: list[dict[str, object]] = []
    while len(rows) < WRITES and time.monotonic() < deadline:
        rows = bench.query("SELECT arrow_cast(queue_delay, 'Int64') AS ns FROM system.processing_engine_runs")
        time.sleep(0.1)
    return [float(str(row["ns"])) for row in rows[1:]]
