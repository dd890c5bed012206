"""How soon a server answers, and how much memory server and host hold before and after the first query."""

import http.client
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.report import Figure, median_of
from tests.bench.server import bench_server
from tests.support.big_log import Shape, make_log
from tests.support.serving import PROGRAM, clean_environment

LOG_BYTES = int(os.environ.get("BENCH_LOG_MB", "256")) << 20
"""How much log there is; ``BENCH_LOG_MB=1024`` is what the goal is meant for."""

PLUGIN = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"


def measure(rounds: int) -> list[Figure]:
    """Return seconds to ``/health``, seconds of ``--help``, and memory in MB."""
    starts = [_start_s() for _ in range(rounds)]
    helps = [_help_s() for _ in range(rounds)]
    memory = [_memory() for _ in range(rounds)]
    return [
        *_logs(rounds),
        median_of("start → /health", starts, "s", "≤ 0.6"),
        median_of("influxdb3 --help", helps, "s", "≤ 0.25"),
        median_of("memory before the first query, server + host", [m[0] for m in memory], "MB", "≤ 160"),
        median_of("memory after the first query, server + host", [m[1] for m in memory], "MB", "≤ 280"),
    ]


def _logs(rounds: int) -> list[Figure]:
    """Return how long a start takes whose log holds ``LOG_BYTES`` that no file holds."""
    figures = []
    shapes: dict[str, Shape] = {"rows written one by one": "lines", "batches of 5,000 rows": "batches"}
    for text, shape in shapes.items():
        with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as name:
            made = make_log(Path(name) / "made", "node0", LOG_BYTES, shape)
            starts = [_start_with(Path(name), number) for number in range(rounds)]
        said = f"start → /health, {made.size_bytes >> 20} MiB of log, {made.rows:,} {text}"
        figures.append(median_of(said, starts, "s", "≤ 10 for 1 GiB"))
    return figures


def _start_with(folder: Path, number: int) -> float:
    """Return how long a start on a copy of ``made`` takes; the copy has the same files, which a start does not change."""
    copy = folder / str(number)
    shutil.copytree(folder / "made", copy / "data", copy_function=os.link)
    return _start_in(copy)


def _start_s() -> float:
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-") as name:
        return _start_in(Path(name))


def _start_in(folder: Path) -> float:
    address = folder / "address"
    command = [PROGRAM, "serve", "--data-dir", str(folder / "data"), "--http-bind", "127.0.0.1:0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--tcp-listener-file-path", str(address)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(folder),
    )
    try:
        while time.perf_counter() - began < 30:
            if address.exists() and (bound := address.read_text().strip()) and _is_healthy(bound):
                return time.perf_counter() - began
            time.sleep(0.005)
        raise SystemExit("the server did not answer within 30 s")
    finally:
        process.kill()  # nothing is measured of its end, which may write all that it found to files
        process.wait()


def _is_healthy(address: str) -> bool:
    connection = http.client.HTTPConnection(address)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _help_s() -> float:
    began = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _memory() -> tuple[float, float]:
    with bench_server() as bench:
        (bench.plugins / "p.py").write_text(PLUGIN)
        bench.trigger("p", "table:m", "p.py")
        for i in range(20):
            bench.write(f"m v={i}")
        time.sleep(1.0)
        before = sum(bench.pss_mb())
        bench.query("SELECT 1 AS one")
        time.sleep(0.2)
        return before, sum(bench.pss_mb())
