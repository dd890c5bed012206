"""Single writes to an idle server: when each was sent and acknowledged, and when a plugin saw it."""

import http.client
import json
import time
from pathlib import Path

from tests.bench.server import DATABASE, Bench

PATIENCE_S = 10.0

PLUGIN = """
import time
ENTERED = open({path!r}, "a", buffering=1)

def process_writes(influxdb3_local, table_batches, args=None):
    now = time.time_ns()
    for batch in table_batches:
        for row in batch["rows"]:
            ENTERED.write(f"{{int(row['number'])}} {{now}}\\n")
"""
"""Notes in a file when it was given each row."""


def write_all(bench: Bench, table: str, file: Path, writes: int, pause_s: float) -> tuple[list[int], list[int]]:
    """Write one line after another when ``PLUGIN`` has seen a first one; return when each was sent and acknowledged, in ns."""
    file.touch()
    bench.write(f"{table} number=-1 1")
    entered(file, 0)
    time.sleep(0.5)  # what the first runs needed is loaded: they are not what is measured
    sent, acknowledged = [], []
    # A connection of the standard library: a larger client would be a part of what is measured.
    connection = http.client.HTTPConnection(bench.serving.url.removeprefix("http://"))
    for i in range(writes):
        sent.append(time.time_ns())
        connection.request("POST", f"/api/v3/write_lp?db={DATABASE}", body=f"{table} number={i} {i + 2}")
        reply = connection.getresponse()
        reply.read()
        acknowledged.append(time.time_ns())
        if reply.status != 204:
            raise SystemExit(f"a write was answered with {reply.status}")
        time.sleep(pause_s)  # an idle server: the runs before are over
    connection.close()
    return sent, acknowledged


def entered(path: Path, writes: int) -> dict[int, int]:
    """Return when the plugin was given each row, in ns."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = {int(n): int(t) for n, t in (line.split() for line in path.read_text().splitlines())}
        if len(found) > writes:
            return found
        time.sleep(0.05)
    raise SystemExit(f"not every row reached the plugin: {json.dumps(sorted(found)[:5])} … {len(found)} rows")
