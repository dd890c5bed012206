"""Writes of a single line: how long one waits for its acknowledgement, and how many there are in a second."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.ingest_client import save_bodies
from tests.bench.ingest_load import put_load
from tests.bench.ingest_servers import Opened, Target, ours
from tests.bench.ingest_shapes import single_line
from tests.bench.machine import syncs_ms
from tests.bench.report import Figure, median_of, percentile

ALONE_WRITES = 1_000
TOGETHER_WRITES = 20_000
CONNECTIONS = 64


def measure(rounds: int, others: Sequence[Opened] = ()) -> list[Figure]:
    """Return the figures of one connection and of 64, with and without waiting for the disk."""
    found: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-bodies-") as folder:
        alone, together = Path(folder) / "alone", Path(folder) / "together"
        save_bodies(alone, [single_line(n) for n in range(ALONE_WRITES)])
        save_bodies(together, [single_line(n) for n in range(TOGETHER_WRITES)])
        for _ in range(rounds):
            sync_ms = percentile(syncs_ms(100), 0.5)
            for server in [ours, *others]:
                with server() as target:
                    for what, value in _measure_once(target, alone, together, sync_ms).items():
                        found.setdefault((target.name, *what), []).append(value)
    return [
        median_of(name if server == "influxdb3" else f"{name}, {server}", values, unit, _GOALS.get(name, ""))
        for (server, name, unit), values in found.items()
    ]


_ALONE = "single-line write, 1 connection, p50"
_ABOVE_SYNC = "single-line write, 1 connection, p50 above one sync"
_NO_SYNC = "single-line write, 1 connection, no_sync, p50"
_TOGETHER = f"single-line writes, {CONNECTIONS} connections"
_TOGETHER_P99 = f"single-line writes, {CONNECTIONS} connections, p99"
_GOALS = {_ABOVE_SYNC: "≤ 1.5", _NO_SYNC: "≤ 0.6", _TOGETHER: "≥ 5000"}


def _measure_once(target: Target, alone: Path, together: Path, sync_ms: float) -> dict[tuple[str, str], float]:
    put_load(target, [alone])  # the table is there, what is imported late is loaded
    p50_ms = statistics.median(put_load(target, [alone]).took_s) * 1000
    many = put_load(target, [together], connections=CONNECTIONS)
    found = {
        (_ALONE, "ms"): p50_ms,
        (_ABOVE_SYNC, "ms"): p50_ms - sync_ms,
        (_TOGETHER, "writes/s"): TOGETHER_WRITES / many.wall_s,
        (_TOGETHER_P99, "ms"): percentile(many.took_s, 0.99) * 1000,
    }
    if target.name == "influxdb3":
        found[_NO_SYNC, "ms"] = statistics.median(put_load(target, [alone], no_sync=True).took_s) * 1000
    return found
