"""What rows take up: the server's memory while they come, and their bytes on the disk when it has settled."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.bench.ingest_client import save_bodies
from tests.bench.ingest_load import put_load
from tests.bench.ingest_servers import Target, influxd, ours
from tests.bench.ingest_shapes import CPU, MIXED, SHAPES, IngestShape
from tests.bench.report import Figure, median_of

CPU_LINES = 600_000
MIXED_LINES = 400_000
CLIENTS = 2


def measure(rounds: int, *, with_influxd: bool) -> list[Figure]:
    """Return peak memory after 600,000 lines of *cpu* and 400,000 of *mixed*, and bytes per row of each shape."""
    servers: list[Callable[[], AbstractContextManager[Target]]] = [ours]
    if with_influxd:
        servers.append(partial(influxd, settles_soon=True))
    figures = []
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-bodies-") as name:
        folder = Path(name)
        both = [_files(folder, CPU, CPU_LINES), _files(folder, MIXED, MIXED_LINES)]
        each = {shape.name: _files(folder, shape, shape.lines) for shape in SHAPES}
        for server in servers:
            peaks, held = [], []
            for _ in range(rounds):
                with server() as target:
                    for files in both:
                        put_load(target, files)
                    peaks.append(target.peak_mb() or 0.0)
                    held.append(target.pss_mb() or 0.0)
                    suffix = "" if target.name == "influxdb3" else f", {target.name}"
            goal = "" if suffix else "≤ 500"
            what = f"{CPU_LINES} cpu and {MIXED_LINES} mixed lines{suffix}"
            figures.append(median_of(f"peak memory (RSS), {what}", peaks, "MB", goal))
            figures.append(median_of(f"memory (PSS) after {what}", held, "MB", goal))
            for shape in SHAPES:
                size = [_bytes_on_disk(server, each[shape.name]) / shape.lines for _ in range(rounds)]
                figures.append(median_of(f"on disk, {shape.name}{suffix}", size, "bytes per row"))
    return figures


def _files(folder: Path, shape: IngestShape, lines: int) -> list[Path]:
    bodies = list(shape.bodies(lines))
    files = [folder / f"{shape.name}-{lines}-{client}" for client in range(CLIENTS)]
    for client, file in enumerate(files):
        save_bodies(file, bodies[client::CLIENTS])
    return files


def _bytes_on_disk(server: Callable[[], AbstractContextManager[Target]], files: list[Path]) -> int:
    with server() as target:
        put_load(target, files)
        return target.settled_bytes()
