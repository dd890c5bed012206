"""The settings of how rows are kept: log, snapshots, retention, caches; rows of the table of settings."""

from engine.model.durations import NS_PER_SECOND, format_duration, parse_duration
from engine.model.sizes import MEGABYTE
from engine.setting import (
    Setting,
    flag,
    memory_size,
    positive_count,
    positive_seconds,
    seconds,
    size_of_at_least,
    small_count,
)


def _chunk_duration(text: str) -> int:
    allowed_ns = [minutes * 60 * NS_PER_SECOND for minutes in (1, 5, 10)]
    duration_ns = parse_duration(text)
    if duration_ns not in allowed_ns:
        words = ", ".join(format_duration(ns) for ns in allowed_ns)
        raise ValueError(f"invalid gen1 duration {text}. Must be one of {words}")
    return duration_ns


DATA_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "last-cache-eviction-interval",
        positive_seconds,
        "10s",
        "How often last-value caches let go of the memory of what has expired; it is not shown any more at once.",
        unit="s",
    ),
    Setting(
        "last-cache-max-rows",
        positive_count,
        "1000000",
        "Rows that a last-value cache holds at most; above that those go that came first.",
    ),
    Setting(
        "distinct-cache-eviction-interval",
        positive_seconds,
        "10s",
        "How often distinct-value caches let go of the memory of what is too old; it is not shown any more at once.",
        unit="s",
    ),
    Setting(
        "wal-flush-interval",
        seconds,
        "100ms",
        "Longest time that what nobody waits for, such as log lines of plugins, gathers before it goes to the disk. "
        "Writes never wait for it: they go at once, together with all that came while the disk was busy.",
        unit="s",
    ),
    Setting(
        "wal-segment-size",
        size_of_at_least(64 * 1024),
        "8mb",
        "Size at which a file of the log is closed and the next one begun. Large files are removed at once, and some disks "
        "keep every write waiting meanwhile.",
        unit="bytes",
    ),
    Setting(
        "wal-max-buffered-writes",
        positive_count,
        "100000",
        "Most writes that wait for their answer at the same time; further ones are refused, and told to try again.",
        other_names=("wal-max-write-buffer-size",),
    ),
    Setting(
        "wal-max-buffered-size",
        size_of_at_least(MEGABYTE),
        "256mb",
        "Size of the bodies of writes that wait for their answer at the same time; further ones are refused, and told "
        "to try again.",
        unit="bytes",
    ),
    Setting(
        "parser-processes",
        small_count,
        None,
        "Processes that parse large bodies beside the server while they keep coming; they end half a minute after the "
        "last one. 0: the server parses all itself.",
        unset="as many as processors, at most 4",
    ),
    Setting(
        "compact-in-server",
        flag,
        "false",
        "Compact files, and write those of large snapshots, in the server itself, not in a process of the lowest priority "
        "beside it, which takes 60 to 170 MB while it has something to do.",
        is_flag=True,
    ),
    Setting(
        "min-free-space",
        size_of_at_least(0),
        "256mb",
        "Space that stays free on the disk of the data directory. With less than that writes are refused, with less "
        "than twice that the log does not wait for triggers that fell behind, below four times there is a warning.",
        unit="bytes",
    ),
    Setting(
        "wal-retention-size",
        size_of_at_least(MEGABYTE),
        "10gb",
        "Size of the log up to which it waits for triggers that fell behind.",
        unit="bytes",
    ),
    Setting(
        "wal-retention-age",
        positive_seconds,
        "7days",
        "Age up to which the log waits for triggers that fell behind.",
        unit="s",
    ),
    Setting(
        "internal-retention-age",
        positive_seconds,
        "7days",
        "How long it is kept what plugins logged and how their runs went.",
        unit="s",
    ),
    Setting(
        "internal-retention-size",
        size_of_at_least(MEGABYTE),
        "1gb",
        "How much of that is kept; the oldest goes first.",
        unit="bytes",
    ),
    Setting(
        "dead-letter-retention-age",
        positive_seconds,
        "30days",
        "How long dead letters are kept.",
        unit="s",
    ),
    Setting(
        "dead-letter-retention-size",
        size_of_at_least(MEGABYTE),
        "1gb",
        "How much of them is kept; the oldest go first.",
        unit="bytes",
    ),
    Setting(
        "retention-check-interval",
        positive_seconds,
        "30m",
        "How often files are removed all of whose rows are older than their retention period; such rows are not shown any "
        "more at once.",
        unit="s",
    ),
    Setting(
        "hard-delete-default-duration",
        seconds,
        "72h",
        "How long after its deletion the data of a database or table goes, unless the deletion says otherwise.",
        unit="s",
    ),
    Setting(
        "delete-grace-period",
        seconds,
        "24h",
        "How long after its data the name of a deleted database or table goes.",
        unit="s",
    ),
    Setting(
        "force-snapshot-mem-size",
        size_of_at_least(MEGABYTE, memory_size),
        "128mb",
        "Size of the rows in memory at which they are written to Parquet files: megabytes, a size with its unit, "
        "or a percentage of the memory.",
        unit="bytes",
        other_names=("force-snapshot-mem-threshold",),
    ),
    Setting(
        "gen1-duration",
        _chunk_duration,
        "10m",
        "Span of time whose rows of a table stand in one chunk: 1m, 5m or 10m.",
        unit="ns",
    ),
)
