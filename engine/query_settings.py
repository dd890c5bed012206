"""The settings of queries, what they may use and how they run: rows of the table of settings."""

import re

from engine.model.sizes import MEGABYTE
from engine.setting import (
    Setting,
    count_or_off,
    memory_size,
    positive_count,
    seconds_or_off,
    size_of_at_least,
)

_MOST_QUERIES = 2**61 - 1
_FREE_PREFIXES = ("datafusion.execution.", "datafusion.optimizer.", "datafusion.explain.")
_FIXED = "datafusion.execution.parquet.schema_force_view_types"


def _permits(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= _MOST_QUERIES:
        raise ValueError(f"must be a positive integer, got {text}")
    return int(text)


def _query_memory(text: str) -> int | None:
    return None if text == "off" else int(size_of_at_least(MEGABYTE, memory_size)(text))


def _datafusion_options(text: str) -> dict[str, str]:
    """Return the options of ``key:value,key:value``."""
    options: dict[str, str] = {}
    for part in text.split(","):
        key, colon, value = (piece.strip() for piece in part.partition(":"))
        if not (key and colon and value):
            raise ValueError(f"Invalid key value pair - expected 'KEY:VALUE' got '{text}'")
        if key in options:
            raise ValueError(f"key '{key}' passed multiple times")
        if not key.startswith(_FREE_PREFIXES) or key == _FIXED:
            free = ", ".join(f"{prefix}…" for prefix in _FREE_PREFIXES)
            raise ValueError(f"'{key}' may not be set: expected {free} except {_FIXED}")
        options[key] = value
    return options


QUERY_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "exec-mem-pool-size",
        size_of_at_least(MEGABYTE, memory_size),
        "20%",
        "Memory that queries may use: megabytes, a size with its unit, or a percentage of the memory.",
        unit="bytes",
        other_names=("exec-mem-pool-bytes",),
    ),
    Setting(
        "query-memory-limit",
        _query_memory,
        "off",
        "Memory that one query may use, as for --exec-mem-pool-size; as many queries with sorts, groups or windows run "
        "at a time as fit into that, further ones wait. 'off' lets one query use all of it.",
        unit="bytes",
    ),
    Setting(
        "max-concurrent-queries",
        _permits,
        None,
        "Most queries that run at a time; further ones wait for their turn.",
        unset="no limit",
    ),
    Setting(
        "query-file-limit",
        count_or_off,
        None,
        "Most Parquet files that a query may read, after those of other times than its WHERE asks for were left out; "
        "a query of more fails. `off` sets no limit.",
        unset="no limit",
    ),
    Setting(
        "num-datafusion-threads",
        positive_count,
        None,
        "Threads that all queries share, and into how many parts each is divided.",
        unset="one for each processor",
        variables=("INFLUXDB3_NUM_DATAFUSION_THREADS", "INFLUXDB3_DATAFUSION_NUM_THREADS"),
        other_names=("datafusion-num-threads",),
    ),
    Setting(
        "datafusion-config",
        _datafusion_options,
        None,
        "Options of DataFusion as KEY:VALUE,KEY:VALUE; those of execution, optimizer and explain may be set, such as "
        "datafusion.execution.batch_size:4096.",
        unset="what DataFusion and this server decide",
    ),
    Setting(
        "query-log-size",
        positive_count,
        "1000",
        "So many queries, the last ones, are kept in memory for system.queries.",
        other_names=("query-log-max-entries",),
    ),
    Setting(
        "query-timeout",
        seconds_or_off,
        "off",
        "Longest time that a query may take, until its last row has gone out, such as 30s; 'off' is no limit.",
        unit="s",
    ),
)
