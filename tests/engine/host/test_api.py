import enum
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import QueryError as EngineQueryError
from engine.host import api
from engine.host.api import UNLISTED, PluginCache, PyPluginCallApi, QueryError, RunState
from engine.host.cache import SWEEP_INTERVAL_NS, CacheStore
from engine.host.errors import RunTimedOut
from engine.host.protocol import ArrowRows, CacheRules
from tests.support.clock import ManualClock
from tests.support.plugins import FakeDatabase

NINE = ["cache", "error", "info", "query", "warn", "write", "write_sync", "write_sync_to_db", "write_to_db"]


class Line:
    def __init__(self, text: Any = "t f=1") -> None:
        self.text = text

    def build(self) -> Any:
        return self.text


class Text(str):
    pass


class Colour(enum.IntEnum):
    RED = 3


class Plugin:
    """One run's ``influxdb3_local`` (``local``), and what stands behind it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.database = FakeDatabase()
        store = CacheStore(self.clock)
        cache = store.open("r", {"n": CacheRules(), "global": CacheRules()}, None, self.database.log)
        self.state = RunState(self.database, store, cache)
        self.local = PyPluginCallApi(self.state)


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


def test_there_are_exactly_nine_attributes(plugin: Plugin) -> None:
    """B6.1."""
    assert [name for name in dir(plugin.local) if not (name.startswith("__") and name.endswith("__"))] == NINE
    assert [name for name in dir(plugin.local.cache) if not name.startswith("__")] == ["delete", "get", "put"]
    assert type(plugin.local).__name__ == "PyPluginCallApi"
    with pytest.raises(AttributeError):
        plugin.local.other = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        plugin.local.cache = PluginCache  # type: ignore[misc,assignment]


def test_what_is_new_here_works_without_being_listed(plugin: Plugin) -> None:
    """Code made for InfluxDB 3 may count on the nine: B6.1."""
    for name in UNLISTED:
        assert hasattr(plugin.local, name)
        assert callable(getattr(plugin.local, name))
        assert name not in dir(plugin.local)
    assert dir(plugin.local) == sorted(dir(plugin.local))


def test_query_as_columns_gives_the_table(plugin: Plugin) -> None:
    table = pa.table({"host": pa.array(["a", "b"]).dictionary_encode(), "v": [1, 2]})
    plugin.database.answers["SELECT 1"] = table
    assert plugin.local.query_arrow("SELECT 1", {"n": Colour.RED}, "other") == table
    assert plugin.database.asked == [("other", "SELECT 1", {"n": 3})]
    with pytest.raises(QueryError, match="no plan executing query on foo: bad"):
        plugin.local.query_arrow("bad")
    with pytest.raises(TypeError, match="'query': 'bytes' object is not an instance of 'str'"):
        plugin.local.query_arrow(b"SELECT 1")  # type: ignore[arg-type]


def test_columns_are_kept_in_call_order(plugin: Plugin) -> None:
    table = pa.table({"v": [1.5], "time": [1]})
    plugin.local.write(Line("a f=1"))
    plugin.local.write_arrow("m", table)
    plugin.local.write_arrow("m", table, database="other")
    plugin.local.write_arrow("m", table.slice(0, 0))
    kept = [(database, w if isinstance(w, str) else (w.table, w.row_count)) for database, w in plugin.state.writes]
    assert kept == [(None, "a f=1"), (None, ("m", 1)), ("other", ("m", 1))]


def test_columns_of_a_run_have_a_limit(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    """They travel in one message."""
    table = pa.table({"v": [1.5], "time": [1]})
    plugin.local.write_arrow("m", table)
    (written,) = (written for _, written in plugin.state.writes if isinstance(written, ArrowRows))
    monkeypatch.setattr(api, "MOST_ARROW_BYTES", 2 * len(written.stream) - 1)
    with pytest.raises(
        ValueError, match=rf"a run can write \d+ bytes of columns; there are {len(written.stream)} already"
    ):
        plugin.local.write_arrow("m", table)
    assert len(plugin.state.writes) == 1


def test_log_joins_texts_at_its_level(plugin: Plugin) -> None:
    """B6.2."""
    plugin.local.info("i", [{"host": "s2"}], "s2")
    plugin.local.warn()
    plugin.local.error(None, 1.5)
    assert plugin.database.logs == ["INFO: i [{'host': 's2'}] s2", "WARN: ", "ERROR: None 1.5"]


def test_failing_text_of_an_argument_is_raised(plugin: Plugin) -> None:
    with pytest.raises(ZeroDivisionError):
        plugin.local.info(type("Bad", (), {"__str__": lambda self: 1 / 0})())
    with pytest.raises(TypeError):
        plugin.local.info(text="x")  # type: ignore[call-arg]


def test_writes_are_kept_in_call_order(plugin: Plugin) -> None:
    """B6.15; processing-engine §4.2."""
    plugin.local.write(Line("a f=1\nb f=2"))
    plugin.local.write_to_db("other", Line(Text("c f=3")))
    plugin.local.write(Line(""))
    assert plugin.state.writes == [(None, "a f=1\nb f=2"), ("other", "c f=3"), (None, "")]
    assert all(type(text) is str for _, text in plugin.state.writes)


def test_immediate_writes_go_out_at_once(plugin: Plugin) -> None:
    plugin.local.write_sync(Line("a f=1"), False)
    plugin.local.write_sync(Line("b f=1"), no_sync=True)
    plugin.local.write_sync_to_db("other", Line("c f=1"), no_sync=False)
    assert plugin.database.written == [(None, "a f=1", False), (None, "b f=1", True), ("other", "c f=1", False)]


def test_query_binds_scalars_of_every_type(plugin: Plugin) -> None:
    """B6.3, B6.5, B6.8."""
    plugin.database.answers["q"] = pa.table({"time": pa.array([5], pa.timestamp("us")), "n": pa.nulls(1)})
    args = {"s": Text("x"), "i": Colour.RED, "f": np.float64(1.5), "b": True, "n": None}
    assert plugin.local.query("q", args) == [{"time": 5000, "n": None}]  # type: ignore[arg-type]
    assert plugin.local.query("q", args=None, database="other") == [{"time": 5000, "n": None}]
    database, sql, params = plugin.database.asked[0]
    assert (database, sql, params) == (None, "q", {"s": "x", "i": 3, "f": 1.5, "b": True, "n": None})
    assert [type(value) for value in params.values()] == [str, int, float, bool, type(None)]
    assert plugin.database.asked[1] == ("other", "q", {})


def test_query_without_rows_gives_an_empty_list(plugin: Plugin) -> None:
    """B6.8."""
    plugin.database.answers["q"] = pa.table({"a": pa.array([], pa.int64())})
    assert plugin.local.query("q") == []


def test_refused_query_raises_query_error(plugin: Plugin) -> None:
    """B6.7."""
    with pytest.raises(QueryError, match=r"^error: no plan executing query on foo: SELECT$") as raised:
        plugin.local.query("SELECT")
    assert type(raised.value).__mro__[1] is Exception
    assert raised.value.__cause__ is None


def test_refused_write_raises_a_plain_exception(plugin: Plugin) -> None:
    """B6.14."""
    plugin.database.refused = EngineQueryError("error writing line protocol to foo: Cannot write: no")
    with pytest.raises(Exception, match=r"^error writing line protocol to foo: Cannot write: no$") as raised:
        plugin.local.write_sync(Line(), False)
    assert type(raised.value) is Exception


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda p: p.write(5), "'int' object has no attribute 'build'"),
        (lambda p: p.write(Line(5)), "'int' object is not an instance of 'str'"),
        (lambda p: p.write_to_db(5, Line()), "argument 'db_name': 'int' object is not an instance of 'str'"),
        (lambda p: p.write_sync(Line()), "missing 1 required positional argument: 'no_sync'"),
        (lambda p: p.write_sync(Line(), 1), "argument 'no_sync': 'int' object is not an instance of 'bool'"),
        (lambda p: p.write_sync(Line(), None), "argument 'no_sync': 'NoneType' object is not an instance of 'bool'"),
        (lambda p: p.write_sync_to_db(None, Line(), True), "argument 'db_name': 'NoneType' object is not"),
        (lambda p: p.query(5), "argument 'query': 'int' object is not an instance of 'str'"),
        (lambda p: p.query("q", [1]), "argument 'args': 'list' object is not an instance of 'dict'"),
        (lambda p: p.query("q", {1: "x"}), "argument 'args': 'int' object is not an instance of 'str'"),
        (lambda p: p.query("q", {"x": [1]}), "argument 'args': 'list' object is not an instance of 'str'"),
        (lambda p: p.query("q", {}, 5), "argument 'database': 'int' object is not an instance of 'str'"),
        (lambda p: p.cache.put(5, 1), "argument 'key': 'int' object is not an instance of 'str'"),
        (lambda p: p.cache.get(None), "argument 'key': 'NoneType' object is not an instance of 'str'"),
        (lambda p: p.cache.delete(b"k"), "argument 'key': 'bytes' object is not an instance of 'str'"),
        (lambda p: p.cache.put("k", 1, [1]), "argument must be a string or a real number, not 'list'"),
        (lambda p: p.cache.put("k", 1, None, 1), "argument 'use_global': 'int' object is not an instance of 'bool'"),
    ],
)
def test_wrong_argument_is_refused(plugin: Plugin, call: Callable[[Any], object], text: str) -> None:
    """B6.13; processing-engine §4.2 to §4.5."""
    with pytest.raises((TypeError, AttributeError)) as raised:
        call(plugin.local)
    assert text in str(raised.value)
    assert plugin.state.writes == []
    assert plugin.database.written == []


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.info("\udcff"),
        lambda p: p.write(Line("\udcff")),
        lambda p: p.query("\udcff"),
        lambda p: p.query("q", {"a": "\udcff"}),
        lambda p: p.cache.put("\udcff", 1),
    ],
)
def test_text_that_is_not_unicode_is_refused_where_the_plugin_sees_it(
    plugin: Plugin, call: Callable[[Any], object]
) -> None:
    with pytest.raises(UnicodeEncodeError):
        call(plugin.local)


def test_cache_takes_its_arguments_by_position_and_by_name(plugin: Plugin) -> None:
    """Processing-engine §4.5."""
    cache = plugin.local.cache
    cache.put("k", 1, 60, False)
    cache.put(key="k", value=2, ttl=60.0, use_global=True)
    assert (cache.get("k"), cache.get("k", None, True), cache.get("x", default=7, use_global=None)) == (1, 2, 7)
    assert cache.delete("k", use_global=True)
    assert (cache.get("k"), cache.get("k", use_global=True)) == (1, None)


def test_access_to_the_cache_sweeps_it_now_and_then(plugin: Plugin) -> None:
    plugin.local.cache.put("k", 1, 1)
    plugin.clock.advance(SWEEP_INTERVAL_NS)
    assert not plugin.local.cache.delete("k")


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.info(1),
        lambda p: p.write(Line()),
        lambda p: p.write_to_db("d", Line()),
        lambda p: p.write_sync(Line(), True),
        lambda p: p.query("q"),
        lambda p: p.query_arrow("q"),
        lambda p: p.write_arrow("m", pa.table({"v": [1], "time": [1]})),
    ],
)
def test_every_call_of_an_interrupted_run_ends_it(plugin: Plugin, call: Callable[[Any], object]) -> None:
    plugin.state.interruption = RunTimedOut("too long")
    with pytest.raises(RunTimedOut, match="too long"):
        call(plugin.local)
    plugin.local.cache.put("k", 1)
    assert plugin.local.cache.get("k") == 1
