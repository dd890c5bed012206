"""Decides which rows are too old, and which Parquet files of the engine's own tables are too old or too much."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.catalog.state import CatalogState
from engine.model.durations import NS_PER_SECOND
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much is kept of one database.

    Attributes:
        most_age_ns: a file all of whose rows are older goes.
        most_bytes: when all files together are larger, the oldest go.
        apart: tables (by name) that have bounds of their own, and do not count here.
    """

    most_age_ns: int
    most_bytes: int
    apart: Mapping[str, "Retention"] = field(default_factory=dict)


FOR_EVER = Retention(2**63 - 1, 2**63 - 1)

DEAD_LETTERS = "processing_engine_dead_letters"


def oldest_kept(state: CatalogState, schema: TableSchema, now_ns: int) -> int | None:
    """Return the time, in ns since the epoch, before which rows of a table are not shown any more, and go.

    ``None`` = they are kept for ever.
    """
    database = state.database_by_id(schema.database_id)
    seconds = database.retention_of(schema.name) if database else None
    return None if seconds is None else max(now_ns - seconds * NS_PER_SECOND, -(2**63))


def internal_retention(happened: Retention, letters: Retention) -> Retention:
    """Return what is kept of log lines, runs and dead letters; no flood of log lines drives dead letters out."""
    return replace(happened, apart={DEAD_LETTERS: letters})


def expired_files(files: Mapping[str, Sequence[FileEntry]], retention: Retention, now_ns: int) -> list[FileEntry]:
    """Return those of ``files`` (by table) that are not to be kept, the oldest first."""
    together = [entry for table, entries in files.items() if table not in retention.apart for entry in entries]
    gone = _beyond(together, retention, now_ns)
    for table, own in retention.apart.items():
        gone += _beyond(files.get(table, ()), own, now_ns)
    return sorted(gone, key=lambda entry: entry.max_time)


def _beyond(entries: Iterable[FileEntry], retention: Retention, now_ns: int) -> list[FileEntry]:
    gone: list[FileEntry] = []
    kept: list[FileEntry] = []
    for entry in entries:
        (gone if entry.max_time < now_ns - retention.most_age_ns else kept).append(entry)
    kept.sort(key=lambda entry: entry.max_time)
    size = sum(entry.size_bytes for entry in kept)
    while size > retention.most_bytes:
        gone.append(kept.pop(0))
        size -= gone[-1].size_bytes
    return gone
