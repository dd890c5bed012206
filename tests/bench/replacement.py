"""How soon plugins run again after their host was killed."""

import http.client
import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.bench.report import Figure, median_of, percentile
from tests.bench.server import DATABASE, Bench, bench_server

KILLS = 10
WAIT_S = 20.0
REST_S = 0.7
"""What a server gets to start a new spare host."""

PLUGIN = """
import os
import time
ENTERED = open({path!r}, "a", buffering=1)

def process_writes(influxdb3_local, table_batches, args=None):
    ENTERED.write(f"{{time.time_ns()}} {{os.getpid()}}\\n")
"""


def measure(rounds: int) -> list[Figure]:
    """Return the times from a kill, with a row written at once, to the call of the next run, in ms."""
    kinds: dict[str, dict[str, Any]] = {"shared": {}, "own": {"max_memory_bytes": 1 << 30}}
    figures = []
    for kind, settings in kinds.items():
        per_round = [_round(settings) for _ in range(rounds)]
        for name, share in (("p50", 0.5), ("worst", 1.0)):
            values = [percentile(times, share) / 1e6 for times in per_round]
            figures.append(median_of(f"{kind} host killed → next run {name}", values, "ms", "≤ 200"))
    return figures


def _round(settings: dict[str, Any]) -> list[float]:
    with bench_server() as bench:
        entered = bench.plugins.parent / "entered"
        (bench.plugins / "entered.py").write_text(PLUGIN.format(path=str(entered)))
        bench.trigger("entered", "table:m", "entered.py", **settings)
        connection = http.client.HTTPConnection(bench.serving.url.removeprefix("http://"))
        times = []
        for number in range(KILLS):
            # A row before: the run that follows a kill may be repeated in a host that is only there for it.
            _, pid = _call_after(_write(bench, connection, 2 * number), entered)
            time.sleep(REST_S)
            os.kill(pid, signal.SIGKILL)
            killed_ns = _write(bench, connection, 2 * number + 1)
            times.append(float(_call_after(killed_ns, entered)[0] - killed_ns))
        connection.close()
    return times


def _write(bench: Bench, connection: http.client.HTTPConnection, number: int) -> int:
    """Write a row; return when that began."""
    now_ns = time.time_ns()
    connection.request("POST", f"/api/v3/write_lp?db={DATABASE}", body=f"m number={number} {number + 1}")
    reply = connection.getresponse()
    reply.read()
    if reply.status != 204:
        raise SystemExit(f"a write was answered with {reply.status} by {bench.serving.url}")
    return now_ns


def _call_after(since_ns: int, path: Path) -> tuple[int, int]:
    """Return when the plugin was called first after ``since_ns``, and in which process."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        calls = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        later = [(int(call[0]), int(call[1])) for call in calls if len(call) == 2 and int(call[0]) > since_ns]
        if later:
            return later[0]
        time.sleep(0.002)
    raise SystemExit("the plugin was not called")
