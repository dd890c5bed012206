"""Line protocol under load: every shape, ours and other servers in turn, each write acknowledged when it is durable.

``make bench`` compares with Debian's ``influxd`` if it is installed; ``python -m tests.bench ingest --against URL`` with any
server that takes line protocol. See docs/benchmark.md.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import ingest_footprint, ingest_growth, ingest_single
from tests.bench.ingest_client import save_bodies
from tests.bench.ingest_load import Load, put_load
from tests.bench.ingest_servers import Opened, elsewhere, has_influxd, influxd, ours
from tests.bench.ingest_shapes import BATCH_LINES, SHAPES, IngestShape
from tests.bench.report import Figure, median_of, percentile

CLIENTS = 2
WARM_UP_BODIES = 40


@dataclass(frozen=True, slots=True)
class Rate:
    """What one server did with one shape in one round."""

    lines_per_s: float
    mb_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_million: float | None


def measure(rounds: int) -> list[Figure]:
    """Return what ``make bench`` tells of ingest."""
    others: list[Opened] = [influxd] if has_influxd() else []
    return [
        *measure_shapes(rounds, others, SHAPES),
        *ingest_single.measure(rounds),
        *ingest_growth.measure(rounds),
        *ingest_footprint.measure(1, with_influxd=has_influxd()),
    ]


def main(arguments: Sequence[str]) -> list[Figure]:
    """Measure as ``python -m tests.bench ingest …`` asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench ingest")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is measured; the median counts")
    parser.add_argument("--against", action="append", default=[], metavar="URL", help="a server to compare with")
    parser.add_argument("--token", default="", help="the token for the servers of --against")
    parser.add_argument("--influxd", action="store_true", help="compare with influxd of Debian's package influxdb, too")
    parser.add_argument("--shape", action="append", choices=[s.name for s in SHAPES], help="only this shape")
    parser.add_argument("--part", choices=["shapes", "single", "growth", "footprint"], help="only this part")
    options = parser.parse_args(arguments)
    others: list[Opened] = [partial(elsewhere, url, options.token) for url in options.against]
    if options.influxd:
        others.append(influxd)
    shapes = [shape for shape in SHAPES if not options.shape or shape.name in options.shape]
    parts: dict[str, Callable[[], list[Figure]]] = {
        "shapes": lambda: measure_shapes(options.rounds, others, shapes),
        "single": lambda: ingest_single.measure(options.rounds, others),
        "growth": lambda: ingest_growth.measure(options.rounds),
        "footprint": lambda: ingest_footprint.measure(1, with_influxd=options.influxd),
    }
    wanted = [options.part] if options.part else ["shapes"] if options.shape or options.against else list(parts)
    return [figure for part in wanted for figure in parts[part]()]


def measure_shapes(rounds: int, others: Sequence[Opened], shapes: Sequence[IngestShape]) -> list[Figure]:
    """Print what each server did with each shape; return our figures, and the ratios to the first of ``others``."""
    servers = [ours, *others]
    rates: dict[tuple[str, str], list[Rate]] = {}
    with tempfile.TemporaryDirectory(prefix="influxdb3-bench-bodies-") as folder:
        files = {shape.name: _make_bodies(Path(folder), shape) for shape in shapes}
        for number in range(rounds):
            for shape in shapes:
                in_turn = servers if number % 2 == 0 else servers[::-1]
                for server in in_turn:
                    name, rate = _measure_once(server, shape, files[shape.name])
                    rates.setdefault((shape.name, name), []).append(rate)
    _print(rates)
    return [figure for shape in shapes for figure in _figures(shape, rates)]


def _make_bodies(folder: Path, shape: IngestShape) -> list[Path]:
    """Write the bodies of ``shape`` to a file per client, each in the order of time; return the files."""
    bodies = list(shape.bodies(WARM_UP_BODIES * BATCH_LINES + shape.lines))
    files = []
    for client in range(CLIENTS):
        files.append(folder / f"{shape.name}-{client}")
        save_bodies(files[-1], bodies[WARM_UP_BODIES + client :: CLIENTS])
        save_bodies(_warm_up(files[-1]), bodies[client:WARM_UP_BODIES:CLIENTS])
    return files


def _warm_up(file: Path) -> Path:
    """Return the file of the bodies that come before the clock starts: a server has begun by then what it begins under load."""
    return file.with_suffix(".warm")


def _measure_once(
    server: Callable[[], AbstractContextManager], shape: IngestShape, files: Sequence[Path]
) -> tuple[str, Rate]:
    with server() as target:
        put_load(target, [_warm_up(file) for file in files])
        return target.name, rate_of(put_load(target, files), shape.lines, sum(f.stat().st_size for f in files))


def rate_of(load: Load, lines: int, size: int) -> Rate:
    """Return what ``load``, of so many lines and bytes, comes to."""
    return Rate(
        lines / load.wall_s,
        size / 1e6 / load.wall_s,
        percentile(load.took_s, 0.5) * 1000,
        percentile(load.took_s, 0.99) * 1000,
        None if load.server_cpu_s is None else load.server_cpu_s / lines * 1e6,
    )


def _ratios(rates: dict[tuple[str, str], list[Rate]], shape: str, server: str, base: str) -> float:
    """Return the median of the rounds' ratios, for what disturbs a round disturbs both."""
    pairs = zip(rates[shape, server], rates[shape, base], strict=True)
    return statistics.median(own.lines_per_s / other.lines_per_s for own, other in pairs)


def _print(rates: dict[tuple[str, str], list[Rate]]) -> None:
    table = Table("shape", "server", "lines/s", "MB/s", "ratio", "p50 ms", "p99 ms", "CPU s per million lines")
    for (shape, server), measured in rates.items():
        base = [name for of, name in rates if of == shape][-1]
        cpu = [r.cpu_s_per_million for r in measured if r.cpu_s_per_million is not None]
        table.add_row(
            shape,
            server,
            f"{statistics.median(r.lines_per_s for r in measured):,.0f}",
            f"{statistics.median(r.mb_per_s for r in measured):,.0f}",
            f"{_ratios(rates, shape, server, base):.2f}" if server != base else "1",
            f"{statistics.median(r.p50_ms for r in measured):.1f}",
            f"{statistics.median(r.p99_ms for r in measured):.1f}",
            f"{statistics.median(cpu):.2f}" if cpu else "",
        )
    Console(soft_wrap=True).print(table)


def _figures(shape: IngestShape, rates: dict[tuple[str, str], list[Rate]]) -> list[Figure]:
    own = rates[shape.name, "influxdb3"]
    figures = [
        median_of(f"ingest {shape.name}", [r.lines_per_s for r in own], "lines/s"),
        median_of(f"ingest {shape.name}, CPU", [r.cpu_s_per_million or 0.0 for r in own], "s per million lines"),
        median_of(f"ingest {shape.name}, acknowledged p99", [r.p99_ms for r in own], "ms"),
    ]
    for of, server in rates:
        if of == shape.name and server != "influxdb3":
            ratio = _ratios(rates, shape.name, "influxdb3", server)
            figures.append(Figure(f"ingest {shape.name} ÷ {server}", ratio, "×", f"≥ {shape.goal}"))
    return figures
