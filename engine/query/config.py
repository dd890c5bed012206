"""What queries may use, and how they run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model.sizes import format_size


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """How the queries of one server run.

    Attributes:
        memory_bytes: what all queries together may hold in sorts, joins and groups.
        memory_per_query_bytes: what one of them may hold; ``None`` = all of it.
        threads: into how many parts a query is divided, and how many threads all queries share; ``None`` = one for each
            processor.
        timeout_s: so long a query may take until its last row was taken; ``None`` = without limit.
        most_at_once: so many queries run at a time; ``None`` = all.
        most_files: so many Parquet files a query may read; ``None`` = all.
        options: of DataFusion, by name.
        is_part: the queries run in one of several processes, which share the memory.
    """

    memory_bytes: int
    memory_per_query_bytes: int | None = None
    threads: int | None = None
    timeout_s: float | None = None
    most_at_once: int | None = None
    most_files: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    is_part: bool = False

    @property
    def is_shared(self) -> bool:
        """Return whether one query may hold what is meant for all."""
        return self.memory_per_query_bytes is None or self.memory_per_query_bytes >= self.memory_bytes

    @property
    def most_holding(self) -> int | None:
        """Return how many queries may hold memory at a time; ``None`` = all, for they share it."""
        return None if self.is_shared else self.memory_bytes // (self.memory_per_query_bytes or 1)

    @property
    def memory_told(self) -> str:
        """Return for a person how much memory a query has, and what sets that."""
        limit = self.memory_per_query_bytes
        if limit is not None and limit <= self.memory_bytes:
            return f"One query may use {format_size(limit)}, the limit that --query-memory-limit sets."
        size = format_size(self.memory_bytes)
        if self.is_part:
            return f"A query in a process of its own may use {size}, a part of what --exec-mem-pool-size sets."
        return f"All queries together may use {size}, the limit that --exec-mem-pool-size sets."
