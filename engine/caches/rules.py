"""Which caches a table can have: pure rules over its columns."""

from collections.abc import Sequence

from engine.errors import InvalidRequest
from engine.model.caches import CacheDefinition, LastCache
from engine.model.schema import ColumnType, TableSchema

_KEYS_OF_LAST = frozenset(
    {ColumnType.TAG, ColumnType.STRING, ColumnType.INTEGER, ColumnType.UINTEGER, ColumnType.BOOLEAN}
)
_OF_DISTINCT = frozenset({ColumnType.TAG, ColumnType.STRING})


def default_name(table: str, key_columns: Sequence[str], kind: str) -> str:
    """Return the name of a cache to which nobody gave one; ``kind`` is ``last`` or ``distinct``."""
    return f"{table}_{'_'.join(key_columns)}_{kind}_cache"


def check_cache(cache: CacheDefinition, schema: TableSchema) -> None:
    """Accept a cache of a table with these columns.

    Raises:
        InvalidRequest: a column is missing, named twice or of a type that such a cache cannot have.
    """
    if not cache.name:
        raise _invalid("the name of a cache cannot be empty")
    _check_once(cache.key_columns)
    if isinstance(cache, LastCache):
        _check_last(cache, schema)
        return
    if not cache.key_columns:
        raise _invalid("no columns provided when creating distinct cache")
    for name in cache.key_columns:
        kind = schema.type_of(name)
        if kind is None:
            raise _invalid(f"invalid column provided: {name}")
        if kind not in _OF_DISTINCT:
            raise InvalidRequest("only tag and string columns are supported in the distinct cache")


def _check_last(cache: LastCache, schema: TableSchema) -> None:
    for name in cache.key_columns:
        kind = schema.type_of(name)
        if kind is None:
            raise _invalid(f"invalid key column provided: {name}")
        if kind not in _KEYS_OF_LAST:
            raise InvalidRequest("only uint64, int64, bool, tag, and string columns are supported in the last cache")
    values = cache.value_columns or ()
    _check_once(values)
    for name in values:
        if schema.type_of(name) is None:
            raise _invalid(f"invalid value column provided: {name}")
        if name in cache.key_columns:
            raise _invalid(f"column {name} is a key column, so it cannot be a value column too")


def _check_once(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"column {name} is named twice")


def _invalid(why: str) -> InvalidRequest:
    return InvalidRequest(f"invalid configuration provided: {why}")
