"""Server API §12.4: last-value and distinct-value caches, each row a story of requests and what is answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.web import Web, web

LAST = "/api/v3/configure/last_cache"
DISTINCT = "/api/v3/configure/distinct_cache"
EXISTS = "attempted to create a resource that already exists"
HOST_LAST = {"db": "foo", "table": "cpu", "key_columns": ["host"]}
BY_PLACE = {"db": "foo", "table": "cpu", "columns": ["region", "host"]}
THE_CACHE = f"{LAST}?db=foo&table=cpu&name=cpu_host_last_cache"

Step = tuple[tuple[Any, ...], int, Any]
"""A request (path and JSON, ``DELETE`` and a path, lines, or a query), the status, and the body: the beginning of a text, or
the members that JSON has among others."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        served.write("cpu,region=us,host=a usage=1 1000")
        yield served


STORIES = [
    pytest.param(
        [
            ((LAST, HOST_LAST), 201, {"catalog_batch", "sequence_number"}),
            (
                ("SELECT * FROM system.last_caches",),
                200,
                [
                    {
                        "table": "cpu",
                        "name": "cpu_host_last_cache",
                        "key_column_ids": [1],
                        "key_column_names": ["host"],
                        "count": 1,
                        "ttl": 14400,
                    }
                ],
            ),
        ],
        id="S124",
    ),
    pytest.param([((LAST, HOST_LAST), 201, {}), ((LAST, HOST_LAST), 409, EXISTS)], id="S125"),
    pytest.param(
        [((LAST, HOST_LAST | {"count": 0}), 400, "serde json error: last cache size must be greater than 0")],
        id="S126",
    ),
    pytest.param(
        [
            ((LAST, HOST_LAST), 201, {}),
            (("SELECT * FROM last_cache('cpu')",), 200, []),
            (("write", "cpu,region=us,host=a usage=2 2000\ncpu,region=us,host=a usage=3 3000"), 204, ""),
            (
                ("SELECT * FROM last_cache('cpu')",),
                200,
                [{"host": "a", "region": "us", "time": "1970-01-01T00:50:00", "usage": 3.0}],
            ),
        ],
        id="S127",
    ),
    pytest.param(
        [(("SELECT * FROM last_cache('nope')",), 400, "Error during planning: provided table name is invalid")],
        id="S128",
    ),
    pytest.param(
        [((LAST, HOST_LAST), 201, {}), (("DELETE", THE_CACHE), 200, ""), (("DELETE", THE_CACHE), 404, "")], id="S129"
    ),
    pytest.param(
        [
            ((DISTINCT, BY_PLACE), 201, {"catalog_batch"}),
            (
                ("SELECT name, max_cardinality, max_age_seconds FROM system.distinct_caches",),
                200,
                [{"name": "cpu_region_host_distinct_cache", "max_cardinality": 100000, "max_age_seconds": 86400}],
            ),
        ],
        id="S130",
    ),
    pytest.param(
        [
            ((DISTINCT, BY_PLACE), 201, {}),
            (("write", "cpu,region=us,host=b usage=1"), 204, ""),
            (("write", "cpu,region=eu,host=b usage=1"), 204, ""),
            (("write", "cpu,region=us,host=a usage=1\ncpu,host=c usage=1"), 204, ""),
            (
                ("SELECT * FROM distinct_cache('cpu')",),
                200,
                [
                    {"host": "c"},
                    {"region": "eu", "host": "b"},
                    {"region": "us", "host": "a"},
                    {"region": "us", "host": "b"},
                ],
            ),
        ],
        id="S131",
    ),
    pytest.param(
        [
            ((DISTINCT, BY_PLACE), 201, {}),
            ((DISTINCT, BY_PLACE | {"columns": ["host"]}), 201, {}),
            (
                ("SELECT * FROM distinct_cache('cpu')",),
                400,
                "Error during planning: could not find distinct value cache for the given arguments",
            ),
            (("SELECT * FROM distinct_cache('cpu', 'cpu_host_distinct_cache')",), 200, []),
        ],
        id="S132",
    ),
    pytest.param(
        [((DISTINCT, BY_PLACE | {"columns": []}), 400, "invalid configuration provided: no columns provided")],
        id="S133 no columns",
    ),
    pytest.param(
        [
            (
                (DISTINCT, BY_PLACE | {"columns": ["usage"]}),
                400,
                "only tag and string columns are supported in the distinct cache",
            )
        ],
        id="S133 a float field",
    ),
]


@pytest.mark.parametrize("steps", STORIES)
def test_caches(server: Web, steps: list[Step]) -> None:
    for request, status, body in steps:
        answer = sent(server, *request)
        assert answer.status_code == status, answer.text
        if isinstance(body, str):
            assert answer.text.startswith(body)
        elif isinstance(body, list):
            assert json.loads(answer.text) == body
        else:
            assert answer.headers["content-type"] == "application/json"
            assert set(body) <= json.loads(answer.text).keys()


def sent(server: Web, what: str, more: Any = None) -> httpx.Response:
    """Send one request, see ``Step``."""
    if what == "write":
        return server.write(more)
    if what == "DELETE":
        return server.delete(more)
    return server.sql(what) if more is None else server.post(what, json=more)
