"""Server API §12.4: databases, tables, triggers; and the catalog as a whole."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.model.trigger import TriggerDefinition
from tests.support.web import TRIGGERS, Web, told, web

DATABASE = "/api/v3/configure/database"
TABLE = "/api/v3/configure/table"
EXISTS = "attempted to create a resource that already exists"
WRITES = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"
FIELDS = [{"name": f"f_{kind}", "type": kind} for kind in ("utf8", "int64", "uint64", "float64", "bool")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        served.engine.tables.create_database("foo")
        yield served


def test_the_format_of_a_listing_must_be_given(server: Web) -> None:  # fact 107
    assert told(server.get(DATABASE)) == (400, "serde error: missing field `format`")
    assert server.get(f"{DATABASE}?format=xx").text.startswith("serde error: unknown variant `xx`, expected one of ")


def test_databases_are_listed_by_name(server: Web) -> None:  # facts 108, 109
    assert told(server.post(DATABASE, json={"db": "bar"})) == (200, "")
    assert told(server.post(DATABASE, json={"db": "bar", "retention_period": None})) == (409, EXISTS)
    answer = server.get(f"{DATABASE}?format=json")
    assert answer.text == '[{"iox::database":"_internal"},{"iox::database":"bar"},{"iox::database":"foo"}]'
    assert answer.headers["content-type"] == "application/json"
    assert server.get(f"{DATABASE}?format=csv").text == "iox::database\n_internal\nbar\nfoo\n"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"db": "a b"}, 400, '{"error":"invalid character in database or rp name'),
        ({"db": ""}, 400, '{"error":"db name cannot be empty"}'),
        ({"db": "r", "retention_period": 30}, 400, "serde json error: invalid type: "),
        ({"db": 7}, 400, "serde json error: "),
    ],
)
def test_a_database_that_cannot_be_created(server: Web, body: dict[str, Any], status: int, text: str) -> None:
    answer = server.post(DATABASE, json=body)
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_a_deleted_database_is_only_shown_when_asked_for(server: Web) -> None:  # fact 114
    assert told(server.delete(f"{DATABASE}?db=foo")) == (200, "")
    assert server.get(f"{DATABASE}?format=csv").text == "iox::database\n_internal\n"
    shown = server.get(f"{DATABASE}?format=json&show_deleted=true").json()
    assert shown[0] == {"iox::database": "_internal", "deleted": False}
    assert shown[1]["deleted"] is True
    assert shown[1]["iox::database"].startswith("foo-20")


@pytest.mark.parametrize(
    ("parameters", "status", "text"),
    [
        pytest.param("db=nope", 404, "the requested resource was not found: nope", id="115"),
        pytest.param("db=_internal", 500, "cannot delete internal db", id="116"),
        pytest.param("db=foo&hard_delete_at=zz", 400, "Cannot parse the timestamp: 'zz' is not", id="117"),
        pytest.param("db=foo&hard_delete_at=default", 200, "", id="default"),
        pytest.param("", 400, "serde error: missing field `db`", id="none"),
    ],
)
def test_databases_that_are_deleted_or_not(server: Web, parameters: str, status: int, text: str) -> None:
    answer = server.delete(f"{DATABASE}?{parameters}")
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_a_created_table_is_empty_and_can_be_queried(server: Web) -> None:  # facts 119, 120
    body = {"db": "foo", "table": "t", "tags": ["a"], "fields": FIELDS}
    assert told(server.post(TABLE, json=body)) == (200, "")
    assert server.rows("SELECT * FROM t") == []
    assert told(server.post(TABLE, json=body)) == (409, EXISTS)
    assert server.write('t,a=x f_utf8="s",f_int64=1i,f_uint64=1u,f_float64=1,f_bool=t').status_code == 204


def test_a_table_may_bring_its_database(server: Web) -> None:  # fact 121
    assert server.post(TABLE, json={"db": "new", "table": "t", "tags": [], "fields": []}).status_code == 200
    assert server.rows("SELECT * FROM t", "new") == []


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"tags": ["time"]}, 400, "'time' is a reserved column"),
        ({"tags": ["a", "a"]}, 400, "cannot add column a because it already exists with type iox::column_type::tag"),
        ({"fields": [{"name": "f", "type": "text"}]}, 400, "text is not a valid data type"),
        ({"db": "_internal"}, 400, '{"error":"db name did not start with a number or letter"}'),
        ({"tags": None}, 400, "serde json error: "),
    ],
)
def test_a_table_that_cannot_be_created(server: Web, changes: dict[str, Any], status: int, text: str) -> None:
    answer = server.post(TABLE, json={"db": "foo", "table": "t", "tags": [], "fields": []} | changes)
    assert answer.status_code == status
    assert answer.text.startswith(text)


@pytest.mark.parametrize(
    ("parameters", "status", "text"),
    [
        pytest.param("db=foo&table=nope", 404, "Table nope not in DB schema for foo", id="122"),
        pytest.param("db=nope&table=t", 404, "Database not found nope", id="3.4"),
        pytest.param("db=foo", 400, "serde error: missing field `table`", id="none"),
        pytest.param("db=foo&table=t&hard_delete_at=zz", 400, "Cannot parse the timestamp: 'zz' is not", id="time"),
        pytest.param("db=foo&table=t", 200, "", id="there"),
    ],
)
def test_tables_that_are_deleted_or_not(server: Web, parameters: str, status: int, text: str) -> None:
    server.write("t v=1")
    answer = server.delete(f"{TABLE}?{parameters}")
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_a_deleted_table_is_gone(server: Web) -> None:
    server.write("t v=1")
    server.delete(f"{TABLE}?db=foo&table=t")
    assert told(server.sql("SELECT * FROM t")) == (400, "Error during planning: table 'public.iox.t' not found")


def test_a_trigger_is_enabled_and_disabled_also_twice(server: Web) -> None:  # fact 134
    assert told(server.trigger("t", "all_tables", "w.py", WRITES)) == (200, "")
    for verb in ("enable", "disable", "disable", "enable"):
        assert told(server.post(f"{TRIGGERS}/{verb}?db=foo&trigger_name=t")) == (200, "")
        (found,) = server.rows("SELECT disabled FROM system.processing_engine_triggers")
        assert found["disabled"] is (verb == "disable")


def test_an_enabled_trigger_is_only_deleted_by_force(server: Web) -> None:  # fact 135, with 409 (architecture 8.6)
    server.trigger("t", "all_tables", "w.py", WRITES)
    text = "Cannot delete running plugin t. Disable it first or use --force."
    assert told(server.delete(f"{TRIGGERS}?db=foo&trigger_name=t")) == (409, text)
    body = {"db": "foo", "trigger_name": "t", "force": True}
    assert told(server.send("DELETE", TRIGGERS, json=body)) == (200, "")
    text = "the requested resource was not found: t"
    assert told(server.delete(f"{TRIGGERS}?db=foo&trigger_name=t&force=true")) == (404, text)


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({"trigger_specification": "foo:bar"}, 400, "failed to parse trigger from foo:bar: ", id="B1.15"),
        pytest.param({"plugin_filename": "no.py"}, 500, "Plugin error: reading plugin file: ", id="no file"),
        pytest.param({"plugin_filename": "../x.py"}, 500, "Plugin error: Path traversal detected", id="outside"),
        pytest.param({"db": "nope"}, 404, "Database not found nope", id="no database"),
        pytest.param({"db": "_internal"}, 500, "cannot modify internal db", id="own database"),
        pytest.param({"trigger_name": "there"}, 409, EXISTS, id="taken"),
        pytest.param(
            {"trigger_settings": {"run_async": False, "error_behavior": "Log"}},
            400,
            "serde json error: unknown variant `Log`, expected one of `log`, `retry`, `disable`",
            id="B10.18",
        ),
        pytest.param(
            {"trigger_settings": {}}, 400, "serde json error: missing field `run_async`", id="10: both are required"
        ),
        pytest.param({"disabled": None}, 400, "serde json error: ", id="B10.18 disabled"),
        pytest.param(
            {"trigger_settings": {"run_async": False, "error_behavior": "log", "timeout": 5}},
            400,
            "serde json error: unknown field `timeout`, expected one of `run_async`, `error_behavior`, `timeout_s`, ",
            id="no such option",
        ),
        pytest.param({"trigger_arguments": {"a": 1}}, 400, "serde json error: ", id="arguments are text"),
        pytest.param(
            {"trigger_settings": {"run_async": False, "error_behavior": "log", "timeout_s": 0}},
            400,
            "invalid configuration provided: timeout_s 0.0: not a number of seconds above 0 and at most a year",
            id="timeout",
        ),
        pytest.param(
            {"trigger_settings": {"run_async": False, "error_behavior": "log", "max_memory_bytes": "1gb"}},
            400,
            "serde json error: invalid type: expected `int | null`, got `str` - at `$.trigger_settings.max_memory_bytes`",
            id="memory is a number",
        ),
        pytest.param(
            {"trigger_settings": {"run_async": False, "error_behavior": "log", "timezone": "Europe/Berlin"}},
            400,
            "invalid configuration provided: timezone is for schedule triggers, and 'all_tables' makes a wal trigger",
            id="option of another kind",
        ),
    ],
)
def test_a_trigger_that_cannot_be_created(server: Web, changes: dict[str, Any], status: int, text: str) -> None:
    server.trigger("there", "all_tables", "w.py", WRITES)
    answer = server.trigger("t", "all_tables", "w.py", **changes)
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert [t.name for t in server.engine.catalog.state.database("foo").triggers] == ["there"]  # type: ignore[union-attr]


def test_a_trigger_cannot_be_described_in_a_query_string(server: Web) -> None:
    answer = server.post(f"{TRIGGERS}?db=foo&trigger_name=t", json={})
    assert told(answer) == (400, "serde error: missing field `plugin_filename`")


def test_what_an_author_may_not_have_meant_comes_in_headers(server: Web) -> None:
    answer = server.trigger("t", "cron:0 8 * * *", "w.py", WRITES)
    assert answer.status_code == 200
    warnings = answer.headers.get_list("x-influxdb3-warning")
    assert any("process_scheduled_call" in text for text in warnings)
    assert any("minute" in text for text in warnings)


def test_kinds_of_triggers_can_be_refused(tmp_path: Path) -> None:  # B1.17
    with web(tmp_path, restrict_plugin_triggers_to=frozenset({"schedule"})) as server:
        server.engine.tables.create_database("foo")
        for spec, name in (("all_tables", "WalRows"), ("request:a", "Request")):
            text = f"invalid request: server is configured to reject {name} plugin triggers"
            assert told(server.trigger("t", spec, "w.py", WRITES)) == (400, text)
        assert server.trigger("t", "every:1h", "w.py").status_code == 200


def test_the_catalog_is_shown_with_a_refused_edit(server: Web) -> None:
    settings = {"run_async": False, "error_behavior": "log", "timeout_s": 1.5, "isolation": "trigger"}
    server.trigger(
        "t", "every:90s", "w.py", WRITES, trigger_arguments={"a": "b"}, disabled=True, trigger_settings=settings
    )
    path = server.engine.paths.catalog
    path.write_text(path.read_text() + "\nnonsense = 1\n")
    server.engine.catalog.poll_edits()
    shown = server.get("/api/v3/configure/catalog").json()
    assert list(shown) == ["path", "problem", "databases"]
    assert shown["path"] == str(path)
    assert "nonsense" in shown["problem"]
    internal, foo = shown["databases"]
    assert internal == {"name": "_internal", "deleted": False, "tables": [], "triggers": [], "caches": []}
    assert foo["triggers"] == [
        {
            "name": "t",
            "plugin_filename": "w.py",
            "trigger_specification": "every:1m 30s",
            "trigger_arguments": {"a": "b"},
            "run_async": False,
            "error_behavior": "log",
            "enabled": False,
            "timeout_s": 1.5,
            "isolation": "trigger",
        }
    ]


def test_the_catalog_tells_of_periods_and_deleted_tables(server: Web) -> None:
    server.write("cpu v=1")
    server.send("PUT", DATABASE, json={"db": "foo", "retention_period": "30d"})
    server.send("PUT", TABLE, json={"db": "foo", "table": "cpu", "retention_period": "90m"})
    server.delete(f"{TABLE}?db=foo&table=cpu&hard_delete_at=2125-12-31T23:59:59Z")
    _, foo = server.get("/api/v3/configure/catalog").json()["databases"]
    (table,) = foo["tables"]
    assert foo["retention_period"] == "30d"
    assert table.pop("name").startswith("cpu-20")
    assert table == {"deleted": True, "retention_period": "90m", "hard_delete_at": "2125-12-31 23:59:59 UTC"}


def test_a_trigger_is_changed_in_what_the_request_names(server: Web) -> None:
    server.trigger("t", "all_tables", "w.py", WRITES, trigger_arguments={"a": "b"})
    changes = {"trigger_specification": "table:cpu", "trigger_settings": {"timeout_s": 5, "error_behavior": "retry"}}
    assert server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", **changes}).status_code == 200
    changes = {"trigger_arguments": None, "trigger_settings": {"timeout_s": None, "max_cpu_s": 2}}
    assert server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", **changes}).status_code == 200
    _, foo = server.get("/api/v3/configure/catalog").json()["databases"]
    assert foo["triggers"] == [
        {
            "name": "t",
            "plugin_filename": "w.py",
            "trigger_specification": "table:cpu",
            "trigger_arguments": None,
            "run_async": False,
            "error_behavior": "retry",
            "enabled": True,
            "max_cpu_s": 2.0,
        }
    ]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({"trigger_name": "no"}, 404, "the requested resource was not found: no", id="no trigger"),
        pytest.param({"db": "nope"}, 404, "Database not found nope", id="no database"),
        pytest.param({"trigger_specification": "x"}, 400, "failed to parse trigger from x", id="bad spec"),
        pytest.param({"plugin_filename": "no.py"}, 500, "Plugin error: reading plugin file: ", id="no file"),
        pytest.param(
            {"trigger_settings": {"jitter_s": 1}}, 400, "invalid configuration provided: jitter_s is for", id="kind"
        ),
        pytest.param(
            {"trigger_settings": {"error_behavior": "x"}}, 400, "serde json error: unknown variant", id="word"
        ),
        pytest.param(
            {"disabled": True}, 400, "serde json error: unknown field `disabled`, expected one", id="no such key"
        ),
        pytest.param(
            {"trigger_settings": {"max_memory": 1}},
            400,
            "serde json error: unknown field `max_memory`",
            id="no such option",
        ),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    server: Web, changes: dict[str, Any], status: int, text: str
) -> None:
    server.trigger("t", "all_tables", "w.py", WRITES)
    before = server.engine.catalog.state
    answer = server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", **changes})
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert server.engine.catalog.state is before


@pytest.mark.parametrize(
    ("parameters", "status", "text"),
    [
        ("db=foo&trigger_name=t", 200, ""),
        ("db=foo&scope=global", 200, ""),
        ("db=foo&trigger_name=t&key=x", 404, "the cache of trigger t holds nothing under 'x'"),
        ("db=foo&trigger_name=u", 404, "the requested resource was not found: u"),
        ("db=bar&trigger_name=t", 404, "Database not found bar"),
        ("db=foo", 400, "name a trigger by trigger_name, or say scope=global"),
        ("db=foo&trigger_name=t&scope=global", 400, "name a trigger by trigger_name, or say scope=global"),
        ("db=foo&trigger_name=t&scope=all", 400, "scope 'all' must be trigger or global"),
    ],
)
def test_the_cache_of_plugins_is_deleted(server: Web, parameters: str, status: int, text: str) -> None:
    server.trigger("t", "all_tables", "w.py", WRITES)
    answer = server.delete(f"{TRIGGERS}/cache_state?{parameters}")
    assert answer.status_code == status
    assert answer.text.startswith(text)


def test_changes_of_one_trigger_at_the_same_time_are_all_made(server: Web) -> None:
    server.trigger("t", "all_tables", "w.py", WRITES)
    met = threading.Barrier(2, timeout=5)

    def change(name: str, value: str) -> Callable[[TriggerDefinition], TriggerDefinition]:
        tries = itertools.count()

        def edit(before: TriggerDefinition) -> TriggerDefinition:
            if next(tries) == 0:
                met.wait()  # both begin with the same definition
            return replace(before, arguments={**(before.arguments or {}), name: value})

        return edit

    with ThreadPoolExecutor(2) as pool:
        for name in ("a", "b"):
            pool.submit(server.engine.update_trigger, "foo", "t", change(name, "1"))
    (definition,) = server.engine.catalog.state.database("foo").triggers  # type: ignore[union-attr]
    assert definition.arguments == {"a": "1", "b": "1"}
