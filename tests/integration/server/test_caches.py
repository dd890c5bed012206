"""Server API §4.6–4.8 and §12.4: last-value and distinct-value caches."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.web import Web, told, web

LAST = "/api/v3/configure/last_cache"
DISTINCT = "/api/v3/configure/distinct_cache"
EXISTS = "attempted to create a resource that already exists"
LINE = 'cpu,region=us,host=a usage=1,n=2i,u=3u,on=true,text="x" 1000'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        assert served.write(LINE).status_code == 204
        yield served


def create(server: Web, path: str, **body: Any) -> httpx.Response:
    return server.post(path, json={"db": "foo", "table": "cpu", **body})


def system(server: Web, table: str) -> list[dict[str, Any]]:
    return server.rows(f"SELECT * FROM system.{table}")


def test_a_last_cache_is_created_and_listed(server: Web) -> None:  # fact 124
    answer = create(server, LAST, key_columns=["host"])
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    record = answer.json()
    batch = record["catalog_batch"]["Database"]
    assert batch["database_name"] == "foo"
    assert abs(batch["time_ns"] - time.time_ns()) < 60 * 10**9
    assert isinstance(record["sequence_number"], int)
    (operation,) = batch["ops"]
    assert set(operation["CreateLastCache"]) == {
        *("table_id", "table", "id", "node_spec", "name", "key_columns", "value_columns", "count", "ttl")
    }
    expected = {"table": "cpu", "node_spec": "all", "name": "cpu_host_last_cache", "count": 1, "ttl": 14400}
    expected |= {"key_columns": [{"tag": 1}], "value_columns": "all_non_key_columns"}
    assert expected.items() <= operation["CreateLastCache"].items()
    assert system(server, "last_caches") == [
        {
            "table": "cpu",
            "name": "cpu_host_last_cache",
            "key_column_ids": [1],
            "key_column_names": ["host"],
            "count": 1,
            "ttl": 14400,
        }
    ]


def test_everything_about_a_last_cache_can_be_chosen(server: Web) -> None:
    answer = create(
        server, LAST, name="mine", key_columns=["n", "on"], value_columns=["usage", "host"], count=5, ttl=60
    )
    described = answer.json()["catalog_batch"]["Database"]["ops"][0]["CreateLastCache"]
    assert described["key_columns"] == [{"field": [0, 1]}, {"field": [0, 3]}]
    assert described["value_columns"] == {"explicit": {"columns": [{"field": [0, 0]}, {"tag": 1}]}}
    (row,) = system(server, "last_caches")
    assert (row["value_column_names"], row["value_column_ids"], row["count"], row["ttl"]) == (
        ["usage", "host"],
        [2, 1],
        5,
        60,
    )


def test_keys_are_all_tags_by_default(server: Web) -> None:
    create(server, LAST)
    assert system(server, "last_caches")[0]["name"] == "cpu_region_host_last_cache"


def test_the_same_name_again_is_refused(server: Web) -> None:  # fact 125
    create(server, LAST, key_columns=["host"])
    assert told(create(server, LAST, key_columns=["host"])) == (409, EXISTS)
    create(server, DISTINCT, columns=["host"], name="cpu_host_last_cache")
    assert told(create(server, DISTINCT, columns=["region"], name="cpu_host_last_cache")) == (409, EXISTS)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        (LAST, {"count": 0}, 400, "serde json error: last cache size must be greater than 0"),  # fact 126
        (LAST, {"count": 10**9}, 400, "invalid configuration provided: count 1000000000 is not in 1 to 10000"),
        (LAST, {"ttl": -1}, 400, "serde json error: invalid type: "),
        (LAST, {"key_columns": ["nope"]}, 400, "invalid configuration provided: invalid key column provided: nope"),
        (
            LAST,
            {"key_columns": ["usage"]},
            400,
            "only uint64, int64, bool, tag, and string columns are supported in the",
        ),
        (LAST, {"db": "nope"}, 404, "Database not found nope"),
        (LAST, {"table": "nope"}, 404, "Table nope not in DB schema for foo"),
        (LAST, {"db": "_internal"}, 500, "cannot modify internal db"),
        (LAST, {"db": 7}, 400, "serde json error: "),
        (
            DISTINCT,
            {"columns": []},
            400,
            "invalid configuration provided: no columns provided when creating distinct cache",
        ),
        (DISTINCT, {"columns": ["usage"]}, 400, "only tag and string columns are supported in the distinct cache"),
        (DISTINCT, {"columns": ["nope"]}, 400, "invalid configuration provided: invalid column provided: nope"),
        (DISTINCT, {}, 400, "serde json error: missing field `columns`"),
        (DISTINCT, {"columns": ["host"], "max_cardinality": 0}, 400, "serde json error: invalid value: integer `0`"),
        (DISTINCT, {"columns": ["host"], "db": "nope"}, 404, "Database not found nope"),
        (DISTINCT, {"columns": ["host"], "table": "nope"}, 404, "Table nope not in DB schema for foo"),
    ],
)
def test_what_cannot_be_created(
    server: Web, path: str, body: dict[str, Any], status: int, text: str
) -> None:  # 126, 133
    answer = create(server, path, **body)
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert system(server, "last_caches") == system(server, "distinct_caches") == []


def test_a_deleted_database_takes_no_caches(server: Web) -> None:
    server.delete("/api/v3/configure/database?db=foo")
    name = server.engine.tables.databases(show_deleted=True)[-1][0]
    answer = create(server, LAST, db=name)
    assert told(answer) == (409, f"attempted to modify resource that was already deleted: {name}")


def test_the_newest_row_of_each_key_is_told(server: Web) -> None:  # fact 127
    create(server, LAST, key_columns=["host"])
    assert server.rows("SELECT * FROM last_cache('cpu')") == []
    server.write("cpu,region=us,host=a usage=2 3000\ncpu,region=us,host=a usage=1 2000")
    assert server.rows("SELECT * FROM last_cache('cpu')") == [
        {"host": "a", "region": "us", "time": "1970-01-01T00:50:00", "usage": 2.0}
    ]


def test_filters_and_projections(server: Web) -> None:
    create(server, LAST)
    server.write("\n".join(f"cpu,region=us,host=h{n} usage={n} {5000 + n}" for n in range(10)))
    assert server.rows("SELECT usage FROM last_cache('cpu') WHERE host IN ('h2', 'h7') ORDER BY usage") == [
        {"usage": 2.0},
        {"usage": 7.0},
    ]
    assert server.rows(
        "SELECT count(*) AS n FROM last_cache('cpu', 'cpu_region_host_last_cache') c WHERE c.usage > 3"
    ) == [{"n": 6}]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("last_cache('nope')", "provided table name is invalid"),  # fact 128
        ("last_cache('cpu', 'nope')", "could not find cache for the given arguments"),
        ("last_cache('cpu')", "could not find cache for the given arguments"),
        ("last_cache()", "first argument must be the table name as a string"),
        ("last_cache(cpu)", "first argument must be the table name as a string"),
        ("last_cache('cpu', 7)", "second argument, if passed, must be the cache name as a string"),
        ("last_cache('cpu', 'a', 'b')", "last_cache takes a table name and a cache name, not 3 arguments"),
        ("distinct_cache('nope')", "provided table name (nope) is invalid"),
        ("distinct_cache('cpu', 'nope')", "could not find distinct value cache for the given arguments"),
        ("distinct_cache('cpu')", "could not find distinct value cache for the given arguments"),  # fact 132
    ],
)
def test_caches_that_cannot_be_read(server: Web, call: str, text: str) -> None:
    for kind in (LAST, DISTINCT):
        for name in ("one", "two"):
            create(server, kind, name=name, columns=["host"], key_columns=["host"])
    assert told(server.sql(f"SELECT * FROM {call}")) == (400, f"Error during planning: {text}")


def test_deletion_takes_its_parameters_from_either_side(server: Web) -> None:  # fact 129
    create(server, LAST, key_columns=["host"])
    create(server, DISTINCT, columns=["host"])
    target = f"{LAST}?db=foo&table=cpu&name=cpu_host_last_cache"
    assert told(server.delete(target)) == (200, "")
    assert told(server.delete(target)) == (404, "the requested resource was not found: cpu_host_last_cache")
    body = {"db": "foo", "table": "cpu", "name": "cpu_host_distinct_cache"}
    assert told(server.send("DELETE", DISTINCT, json=body)) == (200, "")
    assert server.send("DELETE", DISTINCT, json=body).status_code == 404
    assert server.send("DELETE", DISTINCT, json=body | {"table": "x"}).status_code == 404
    assert server.send("DELETE", DISTINCT, json=body | {"db": "x"}).status_code == 404
    assert server.sql("SELECT * FROM last_cache('cpu')").status_code == 400


def test_a_distinct_cache_is_created_and_listed(server: Web) -> None:  # fact 130
    answer = create(server, DISTINCT, columns=["region", "host"])
    assert answer.status_code == 201
    (operation,) = answer.json()["catalog_batch"]["Database"]["ops"]
    expected = {
        "table_name": "cpu",
        "node_spec": "all",
        "cache_name": "cpu_region_host_distinct_cache",
        "column_ids": [{"tag": 0}, {"tag": 1}],
        "max_cardinality": 100000,
        "max_age_seconds": 86400,
        "source": {"type": "User"},
    }
    described = operation["CreateDistinctCache"]
    assert {key: described[key] for key in expected} == expected
    assert system(server, "distinct_caches") == [
        {
            "table": "cpu",
            "name": "cpu_region_host_distinct_cache",
            "column_ids": [0, 1],
            "column_names": ["region", "host"],
            "max_cardinality": 100000,
            "max_age_seconds": 86400,
        }
    ]


def test_distinct_combinations_are_sorted(server: Web) -> None:  # fact 131
    create(server, DISTINCT, columns=["region", "host"])
    for tags in ("region=us,host=b", "region=eu,host=a", "host=c", "region=us,host=a", "region=eu,host=a"):
        server.write(f"cpu,{tags} usage=1")
    assert server.rows("SELECT * FROM distinct_cache('cpu')") == [
        {"host": "c"},
        {"region": "eu", "host": "a"},
        {"region": "us", "host": "a"},
        {"region": "us", "host": "b"},
    ]


def test_a_plugin_asks_caches_as_everybody_does(server: Web) -> None:
    create(server, LAST, key_columns=["host"])
    server.write("cpu,region=us,host=a usage=2 3000")
    code = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
    code += "    return influxdb3_local.query(\"SELECT host, usage FROM last_cache('cpu')\")\n"
    (server.plugins / "asks.py").write_text(code)
    assert server.trigger("t", "request:asks", "asks.py").status_code == 200
    assert server.get("/api/v3/engine/asks").json() == [{"host": "a", "usage": 2.0}]


def test_sizes_are_told(server: Web) -> None:
    create(server, LAST, key_columns=["host"])
    server.write("cpu,region=us,host=a usage=2 3000")
    server.rows("SELECT * FROM last_cache('cpu')")
    labels = '{cache="cpu_host_last_cache",db="foo",kind="last",table="cpu"}'
    text = server.get("/metrics").text
    assert f"influxdb3_cache_rows{labels} 1.0" in text
    assert f"influxdb3_cache_size_bytes{labels} " in text
    tables = server.rows("SELECT * FROM system.tables WHERE table_name = 'cpu'", "_internal")
    assert (tables[0]["last_cache_count"], tables[0]["distinct_cache_count"]) == (1, 0)
    (shown,) = [d for d in server.get("/api/v3/configure/catalog").json()["databases"] if d["name"] == "foo"]
    assert shown["caches"] == [
        {"kind": "last_cache", "table": "cpu", "name": "cpu_host_last_cache", "key_columns": ["host"]}
    ]
