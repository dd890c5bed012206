"""Definitions of last-value and distinct-value caches, as values."""

from dataclasses import dataclass

DEFAULT_TTL_S = 4 * 3600
DEFAULT_MAX_AGE_S = 24 * 3600
DEFAULT_MAX_CARDINALITY = 100_000
MOST_COUNT = 10_000
"""So many rows of a key a last-value cache may be asked to hold."""

MOST_NUMBER = 2**62
"""A larger cardinality, or number of seconds, is taken as this one."""


@dataclass(frozen=True, slots=True)
class LastCache:
    """A cache of the newest rows of each key.

    Attributes:
        cache_id: never used again; 0 = it has none yet.
        table: the table that feeds it; names of caches of one kind are unique within their table.
        key_columns: rows with equal values in these columns are of one key.
        value_columns: what it holds besides keys and time; ``None`` = all other columns, future ones too.
        count: so many rows of each key are held.
        ttl_s: so many seconds after a row came it goes.
    """

    cache_id: int
    table: str
    name: str
    key_columns: tuple[str, ...]
    value_columns: tuple[str, ...] | None = None
    count: int = 1
    ttl_s: int = DEFAULT_TTL_S

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """Return what decides about the content's form: caches that differ in it share no content."""
        return self.key_columns, self.value_columns


@dataclass(frozen=True, slots=True)
class DistinctCache:
    """A cache of the combinations of values that occur in some columns.

    Attributes:
        cache_id: never used again; 0 = it has none yet.
        table: the table that feeds it; names of caches of one kind are unique within their table.
        key_columns: the columns.
        max_cardinality: above this number those combinations go that were seen in the oldest rows only.
        max_age_s: combinations go that no row of the last so many seconds has, by the rows' time.
    """

    cache_id: int
    table: str
    name: str
    key_columns: tuple[str, ...]
    max_cardinality: int = DEFAULT_MAX_CARDINALITY
    max_age_s: int = DEFAULT_MAX_AGE_S

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """Return what decides about the content's form: caches that differ in it share no content."""
        return self.key_columns, ()


CacheDefinition = LastCache | DistinctCache
CacheKind = type[LastCache] | type[DistinctCache]
