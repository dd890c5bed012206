import pytest

from engine.caches.rules import check_cache, default_name
from engine.errors import InvalidRequest
from engine.model.caches import CacheDefinition, DistinctCache, LastCache
from engine.model.schema import Column, ColumnType, TableSchema

TABLE = TableSchema(1, 2, "cpu", tuple(Column(t.short, t) for t in ColumnType))
INVALID = "invalid configuration provided: "
LAST_TYPES = "only uint64, int64, bool, tag, and string columns are supported in the last cache"
DISTINCT_TYPES = "only tag and string columns are supported in the distinct cache"


def last(keys: tuple[str, ...], values: tuple[str, ...] | None = None, name: str = "c") -> LastCache:
    return LastCache(0, "cpu", name, keys, values)


def distinct(*columns: str) -> DistinctCache:
    return DistinctCache(0, "cpu", "c", columns)


@pytest.mark.parametrize(
    "cache",
    [
        last(("tag", "string", "integer", "uinteger", "boolean")),
        last((), ("time", "float")),
        last(("tag",), ()),
        distinct("tag", "string"),
    ],
)
def test_allowed_caches(cache: CacheDefinition) -> None:
    check_cache(cache, TABLE)


@pytest.mark.parametrize(
    ("cache", "text"),
    [
        (last(("float",)), LAST_TYPES),
        (last(("time",)), LAST_TYPES),
        (last(("x",)), f"{INVALID}invalid key column provided: x"),
        (last(("tag", "tag")), f"{INVALID}column tag is named twice"),
        (last(("tag",), ("x",)), f"{INVALID}invalid value column provided: x"),
        (last(("tag",), ("tag",)), f"{INVALID}column tag is a key column, so it cannot be a value column too"),
        (last((), ("float", "float")), f"{INVALID}column float is named twice"),
        (last((), None, ""), f"{INVALID}the name of a cache cannot be empty"),
        (distinct(), f"{INVALID}no columns provided when creating distinct cache"),
        (distinct("x"), f"{INVALID}invalid column provided: x"),
        (distinct("integer"), DISTINCT_TYPES),
        (distinct("time"), DISTINCT_TYPES),
    ],
)
def test_refused_caches_say_why(cache: CacheDefinition, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_cache(cache, TABLE)
    assert str(refusal.value) == text


def test_names_are_made_of_table_and_columns() -> None:
    assert default_name("cpu", ("region", "host"), "last") == "cpu_region_host_last_cache"
    assert default_name("cpu", ("host",), "distinct") == "cpu_host_distinct_cache"
