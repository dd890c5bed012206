"""Whether cost grows in proportion: larger bodies, more of them, more tables in one body."""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.ingest_client import save_bodies
from tests.bench.ingest_load import Load, put_load
from tests.bench.ingest_servers import ours
from tests.bench.ingest_shapes import BATCH_LINES, CPU
from tests.bench.report import Figure, median_of

BODY_LINES = (500, 5_000, 50_000)
SIZE_LINES = 200_000
FEW_LINES = 60_000
MANY_LINES = 600_000
TABLES = 100
TABLE_BODIES = 20
MOST_BODY_BYTES = 100_000_000


def measure(rounds: int) -> list[Figure]:
    """Return how much more CPU ten times the rows take, and how much more time a hundred tables."""
    sizes, totals, tables = [], [], []
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-bodies-") as name:
        folder = Path(name)
        for lines in BODY_LINES:
            save_bodies(folder / f"of-{lines}", list(CPU.bodies(SIZE_LINES, lines)))
        many = list(CPU.bodies(MANY_LINES))
        save_bodies(folder / "many", many)
        save_bodies(folder / "few", many[: FEW_LINES // BATCH_LINES])
        save_bodies(folder / "one-table", many[:TABLE_BODIES])
        save_bodies(folder / "tables", [_spread(body) for body in many[:TABLE_BODIES]])
        for _ in range(rounds):
            small, medium, large = [_cpu_s(_load(folder / f"of-{lines}")) for lines in BODY_LINES]
            sizes.append((10 * medium / small, 10 * large / medium))
            totals.append(_cpu_s(_load(folder / "many")) / _cpu_s(_load(folder / "few")))
            tables.append(_median_s(_load(folder / "tables")) / _median_s(_load(folder / "one-table")))
    small, medium, large = BODY_LINES
    return [
        median_of(f"CPU of a {medium}-line body ÷ {small}-line", [s[0] for s in sizes], "×", "≤ 11"),
        median_of(f"CPU of a {large}-line body ÷ {medium}-line", [s[1] for s in sizes], "×", "≤ 11"),
        median_of(f"CPU of {MANY_LINES} lines ÷ {FEW_LINES}", totals, "×", "≤ 11"),
        median_of(f"acknowledged, {TABLES} tables in a body ÷ 1 table", tables, "×", "≤ 2"),
    ]


def _spread(body: bytes) -> bytes:
    """Return ``body`` with its lines spread over many tables in turn."""

    def spread() -> Iterator[bytes]:
        for number, line in enumerate(body.splitlines(keepends=True)):
            yield b"cpu%02d" % (number % TABLES) + line.removeprefix(b"cpu")

    return b"".join(spread())


def _load(file: Path) -> Load:
    """Return what one client's bodies cost a new server that has loaded by then whatever it loads late."""
    with ours("--max-http-request-size", str(MOST_BODY_BYTES)) as target:
        put_load(target, [file.parent / "few"])
        return put_load(target, [file])


def _cpu_s(load: Load) -> float:
    assert load.server_cpu_s is not None
    return load.server_cpu_s


def _median_s(load: Load) -> float:
    return statistics.median(load.took_s)
