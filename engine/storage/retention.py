"""Decides which Parquet files of the engine's own tables are too old, or too much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.storage.manifest import FileEntry

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much is kept of one database.

    Attributes:
        most_age_ns: a file all of whose rows are older goes.
        longer: tables (by name) of which another age holds.
        most_bytes: when all files together are larger, the oldest go.
    """

    most_age_ns: int
    most_bytes: int
    longer: Mapping[str, int] = field(default_factory=dict)


INTERNAL = Retention(7 * DAY_NS, 1 << 30, {"processing_engine_dead_letters": 30 * DAY_NS})
"""What is kept of log lines, runs and dead letters (architecture §3)."""


def expired_files(files: Mapping[str, Sequence[FileEntry]], retention: Retention, now_ns: int) -> list[FileEntry]:
    """Return those of ``files`` (by table) that are not to be kept, the oldest first."""
    gone: list[FileEntry] = []
    kept: list[FileEntry] = []
    for table, entries in files.items():
        age_ns = retention.longer.get(table, retention.most_age_ns)
        for entry in entries:
            (gone if entry.max_time < now_ns - age_ns else kept).append(entry)
    kept.sort(key=lambda entry: entry.max_time)
    size = sum(entry.size_bytes for entry in kept)
    while size > retention.most_bytes:
        gone.append(kept.pop(0))
        size -= gone[-1].size_bytes
    return sorted(gone, key=lambda entry: entry.max_time)
