"""The bare disk, to which every durable write owes one sync."""

import os
import tempfile
import time
from pathlib import Path

from tests.bench.report import Figure, median_of, percentile

SYNCS = 100


def measure(rounds: int) -> list[Figure]:
    """Return how long one ``fdatasync`` of a preallocated file takes."""
    halves, tails = [], []
    for _ in range(rounds):
        took = syncs_ms(SYNCS)
        halves.append(percentile(took, 0.5))
        tails.append(percentile(took, 0.99))
    return [median_of("disk sync p50", halves, "ms"), median_of("disk sync p99", tails, "ms")]


def syncs_ms(count: int) -> list[float]:
    """Return how long each of ``count`` syncs takes, one after another."""
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as folder:
        descriptor = os.open(Path(folder) / "file", os.O_RDWR | os.O_CREAT)
        try:
            os.posix_fallocate(descriptor, 0, count * 512)
            os.fsync(descriptor)
            took = []
            for i in range(count):
                began = time.perf_counter()
                os.pwrite(descriptor, b"x" * 200, i * 512)
                os.fdatasync(descriptor)
                took.append((time.perf_counter() - began) * 1000)
            return took
        finally:
            os.close(descriptor)
