"""Whether writers notice snapshots and compaction: acknowledgements of paced writes, quiet and meanwhile, in one run."""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.runtime import Engine
from engine.server.main import SWITCH_INTERVAL_S
from engine.settings import Settings
from engine.write.service import WriteParams
from tests.bench.report import Figure, median_of, percentile

DATABASE = "bench"
EVERY_S = 0.004
QUIET_S = 1.0
SETTLED_S = 1.0
"""So long after a load what came is sorted in, and the disk does what was left to do."""

SNAPSHOTS = 5
ROWS = 300_000
BODY_LINES = 5_000
HOSTS = 200
TAGS = ",".join(f"tag{i}=value{i}" for i in range(9))
FIELDS = ",".join(f"usage{i}={i}.5" for i in range(10))
START_NS = 1_700_000_000_000_000_000


def measure(rounds: int) -> list[Figure]:
    """Return the 99th percentile of acknowledgements, quiet, during snapshots and during compaction, and their ratios.

    A snapshot lasts for some 60 acknowledgements, so a round puts those of several together: of the few of one, the 99th
    percentile is the slowest, which says more about the disk than about snapshots.
    """
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as in the server
    try:
        with (
            tempfile.TemporaryDirectory(prefix="influxdb3-pauses-") as folder,
            Engine.open(_settings(Path(folder))) as engine,
        ):
            engine.tables.create_database(DATABASE)
            engine._maintenance.compact = lambda: False  # type: ignore[method-assign]  # this module says when
            return _figures([_round(engine, number) for number in range(rounds)])
    finally:
        sys.setswitchinterval(interval_s)


def _settings(folder: Path) -> Settings:
    """Return those of a server, but for snapshots, which come when this module says."""
    of_server = Settings.resolve({}, {})
    return Settings.for_tests(
        folder,
        force_snapshot_mem_size_bytes=1 << 40,
        compact_in_server=of_server.compact_in_server,
        wal_segment_size_bytes=of_server.wal_segment_size_bytes,
    )


@dataclass(slots=True)
class _Round:
    """How many ms each acknowledgement took, and how many seconds each snapshot."""

    quiet: list[float] = field(default_factory=list)
    snapshots: list[float] = field(default_factory=list)
    compactions: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


def _round(engine: Engine, number: int) -> _Round:
    found = _Round()
    for repeat in range(SNAPSHOTS):
        _fill(engine, number * SNAPSHOTS + repeat)
        time.sleep(SETTLED_S)
        found.quiet += _acknowledgements_ms(engine, lambda: time.sleep(QUIET_S))
        began = time.perf_counter()
        found.snapshots += _acknowledgements_ms(engine, lambda: _snapshot(engine))
        found.took_s.append(time.perf_counter() - began)
        found.compactions += _acknowledgements_ms(engine, lambda: _rewrite(engine))
    return found


def _figures(rounds: list[_Round]) -> list[Figure]:
    quiet, snapshots, compactions = (
        [percentile(of(one), 0.99) for one in rounds]
        for of in (lambda r: r.quiet, lambda r: r.snapshots, lambda r: r.compactions)
    )
    name = "acknowledgement p99"
    return [
        median_of(f"{name}, quiet", quiet, "ms"),
        median_of(f"{name}, snapshot of {ROWS} rows", snapshots, "ms"),
        median_of(f"{name}, compaction of {ROWS} rows", compactions, "ms"),
        median_of(f"{name}, snapshot to quiet", _ratios(snapshots, quiet), "ratio", "≤ 2"),
        median_of(f"{name}, compaction to quiet", _ratios(compactions, quiet), "ratio", "≤ 2"),
        median_of(f"snapshot of {ROWS} rows beside writers", [s for one in rounds for s in one.took_s], "s"),
    ]


def _ratios(many: list[float], quiet: list[float]) -> list[float]:
    return [one / other for one, other in zip(many, quiet, strict=True)]


def _fill(engine: Engine, number: int) -> None:
    for first in range(0, ROWS, BODY_LINES):
        start = START_NS + (number * ROWS + first) * 1_000_000
        lines = (f"cpu,host=host{i % HOSTS},{TAGS} {FIELDS} {start + i * 1_000_000}" for i in range(BODY_LINES))
        engine.write(WriteParams(DATABASE), "\n".join(lines).encode()).result()


def _snapshot(engine: Engine) -> None:
    """Do what is done when the buffer is full."""
    engine._maintenance.snapshot(seals_log=False)


def _rewrite(engine: Engine) -> None:
    """Do what a step of compaction does, with the largest files."""
    table_id, files = max(engine.store.files_by_table().items(), key=lambda item: sum(f.row_count for f in item[1]))
    changes = engine.store.rewrite(table_id, files[-1:])
    assert changes is not None
    engine.store.exchange(changes)


def _acknowledgements_ms(engine: Engine, meanwhile: Callable[[], object]) -> list[float]:
    """Return how long the acknowledgement of each write took that came while ``meanwhile`` ran."""
    thread = threading.Thread(target=meanwhile)
    took_ms = []
    thread.start()
    due = time.perf_counter()
    while thread.is_alive():
        began = time.perf_counter()
        engine.write(WriteParams(DATABASE), b"paced v=1").result()
        took_ms.append((time.perf_counter() - began) * 1000)
        due = max(due + EVERY_S, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    thread.join()
    return took_ms
