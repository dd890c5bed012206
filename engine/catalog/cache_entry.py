"""A cache's entry in the catalog's file: its values to a definition, a definition to values."""

from collections.abc import Iterator

from engine.catalog.state import Database
from engine.catalog.trigger_entry import DATABASES
from engine.model.caches import (
    DEFAULT_MAX_AGE_S,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_S,
    MOST_COUNT,
    MOST_NUMBER,
    CacheDefinition,
    CacheKind,
    DistinctCache,
    LastCache,
)
from engine.model.durations import NS_PER_SECOND, format_duration, parse_duration
from engine.model.toml_layout import TablePath, quote
from engine.model.toml_reader import Source, TableReader
from engine.model.trigger_keys import Fields

KINDS: dict[str, CacheKind] = {"last_caches": LastCache, "distinct_caches": DistinctCache}
_WORDS = {kind: word for word, kind in KINDS.items()}

_LAST_KEYS = ("id", "key_columns", "value_columns", "count", "ttl")
_DISTINCT_KEYS = ("id", "columns", "max_cardinality", "max_age")


def cache_path(database: Database, cache: CacheDefinition) -> TablePath:
    """Return the header of ``cache``."""
    return (DATABASES, database.name, _WORDS[type(cache)], cache.table, cache.name)


def read_caches(source: Source, database: Database, values: object) -> Iterator[CacheDefinition]:
    """Yield the caches below a database whose values are ``values``.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    entry = values if isinstance(values, dict) else {}
    for word, kind in KINDS.items():
        path = (DATABASES, database.name, word)
        for table, caches in _tables(source, path, (*path, "TABLE", "NAME"), entry.get(word, {})):
            for name, cache in _tables(source, (*path, table), (*path, table, "NAME"), caches):
                what = f"{word[:-1]} {name!r} of table {table!r} in database {database.name!r}"
                reader = TableReader(source, (*path, table, name), what, cache)
                yield _read(reader, database, kind, table, name)


def cache_fields(cache: CacheDefinition) -> Fields:
    """Return the values of ``cache`` as the file has them, by key; ``None`` = the key is left out."""
    if isinstance(cache, LastCache):
        return {
            "id": str(cache.cache_id),
            "key_columns": _list_text(cache.key_columns),
            "value_columns": None if cache.value_columns is None else _list_text(cache.value_columns),
            "count": str(cache.count),
            "ttl": _seconds_text(cache.ttl_s),
        }
    return {
        "id": str(cache.cache_id),
        "columns": _list_text(cache.key_columns),
        "max_cardinality": str(cache.max_cardinality),
        "max_age": _seconds_text(cache.max_age_s),
    }


def _tables(source: Source, path: TablePath, shown: TablePath, values: object) -> Iterator[tuple[str, object]]:
    if not isinstance(values, dict):
        raise source.refusal(f"{path[-1]} must be tables with headers such as [{'.'.join(shown)}]", path)
    yield from values.items()


def _read(reader: TableReader, database: Database, kind: CacheKind, table: str, name: str) -> CacheDefinition:
    if database.is_internal:
        raise reader.refusal("cannot modify internal db")
    if kind is LastCache:
        reader.allow(_LAST_KEYS)
        return LastCache(
            reader.id_or_zero(),
            table,
            name,
            reader.text_list("key_columns"),
            reader.text_list("value_columns") if reader.has("value_columns") else None,
            reader.integer_or("count", 1, least=1, most=MOST_COUNT),
            _seconds_or(reader, "ttl", DEFAULT_TTL_S),
        )
    reader.allow(_DISTINCT_KEYS)
    columns = reader.text_list("columns")
    if not columns:
        raise reader.refusal(f"columns of {reader.what} must name at least one column", "columns")
    return DistinctCache(
        reader.id_or_zero(),
        table,
        name,
        columns,
        reader.integer_or("max_cardinality", DEFAULT_MAX_CARDINALITY, least=1, most=MOST_NUMBER),
        _seconds_or(reader, "max_age", DEFAULT_MAX_AGE_S),
    )


def _seconds_or(reader: TableReader, key: str, default: int) -> int:
    if not reader.has(key):
        return default
    text = reader.text(key)
    try:
        return parse_duration(text) // NS_PER_SECOND
    except ValueError as error:
        raise reader.refusal(f"{key} {text!r} of {reader.what} is not a duration such as 4h: {error}", key) from error


def _seconds_text(seconds: int) -> str:
    return quote(format_duration(seconds * NS_PER_SECOND))


def _list_text(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(quote, texts))}]"
