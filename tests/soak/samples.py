"""What a server and its plugin hosts hold at one moment, and whether that grows."""

import itertools
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

WARM_UP_SHARE = 0.4
"""So much of the time nothing is judged: caches fill, libraries load, the first snapshots come."""

MOST_GROWTH_SHARE = 0.10
MOST_GROWTH = {"server MB": 25.0, "hosts MB": 15.0, "open files": 15.0, "threads": 5.0}
"""What a line may rise over the rest of the time without being called a leak: this, or a tenth of its height."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: ``at_s`` since the start, and the figures by their names."""

    at_s: float
    figures: dict[str, float]


def look(pid: int, data: Path, at_s: float) -> Sample:
    """Return how it is with the server ``pid`` and its data folder."""
    server = psutil.Process(pid)
    sizes = [size for path in _files(data) if (size := _size(path)) is not None]
    return Sample(
        at_s,
        {
            "server MB": server.memory_full_info().pss / 1e6,
            "hosts MB": sum(_pss(child) for child in server.children(recursive=True)) / 1e6,
            "open files": server.num_fds(),
            "threads": server.num_threads(),
            "disk MB": sum(sizes) / 1e6,
            "files": len(sizes),
        },
    )


def growth(samples: Sequence[Sample], name: str) -> float:
    """Return by how much a figure rises from the end of the warm-up to the end: the median of all slopes, times the time.

    Peaks – snapshots, a host that is replaced – do not count in it (Theil 1950, Sen 1968).
    """
    last_s = samples[-1].at_s
    judged = [s for s in samples if s.at_s >= WARM_UP_SHARE * last_s]
    slopes = [
        (b.figures[name] - a.figures[name]) / (b.at_s - a.at_s)
        for a, b in itertools.combinations(judged, 2)
        if b.at_s > a.at_s
    ]
    return statistics.median(slopes) * (last_s - judged[0].at_s) if slopes else 0.0


def leaks(samples: Sequence[Sample]) -> list[str]:
    """Return a line for each figure that grows after the warm-up."""
    found = []
    for name, most in MOST_GROWTH.items():
        rise = growth(samples, name)
        height = statistics.median([s.figures[name] for s in samples])
        if rise > max(most, MOST_GROWTH_SHARE * height):
            found.append(f"{name} grow: by {rise:.1f} after the warm-up, at {height:.1f}")
    return found


def _pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0.0


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:  # it went just now
        return None


def _files(folder: Path) -> list[Path]:
    """Return the files below ``folder``, without the second names that queries use; folders may go meanwhile."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("file-sets", "backups")]
        found += [Path(root) / name for name in names]
    return found
