"""Server API §12.4 and §12.7: databases, tables, retention and deletion, each row a story of requests and answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.checklist import row
from tests.support.clock import ManualClock
from tests.support.web import Web, web

DATABASE = "/api/v3/configure/database"
PERIOD = f"{DATABASE}/retention_period"
TABLE = "/api/v3/configure/table"
EXISTS = "attempted to create a resource that already exists"
FOO = "foo-20261121T120000"
GONE = f"attempted to modify resource that was already deleted: {FOO}"
OF_R = "SELECT retention_period_ns FROM system.databases WHERE database_name='r'"
DAY_NS = 86_400 * 10**9
BAR = {
    "db": "foo",
    "table": "bar",
    "tags": ["one", "two"],
    "fields": [
        {"name": "f1", "type": "utf8"},
        {"name": "f2", "type": "int64"},
        {"name": "f3", "type": "uint64"},
        {"name": "f4", "type": "float64"},
        {"name": "f5", "type": "bool"},
    ],
}

Step = tuple[str, str, dict[str, Any] | None, int, Any]
"""Method, target, JSON body, the status, and what is answered: JSON, or the beginning of a text that ends in ``…``.

``SQL`` as method asks the database that is the target; the statement then is the body's ``q``."""


def sql(database: str, statement: str, rows: list[Any]) -> Step:
    return ("SQL", database, {"q": statement}, 200, rows)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(tmp_path: Path, clock: ManualClock) -> Iterator[Web]:
    with web(tmp_path, clock=clock) as served:
        yield served


def created(name: str, **more: Any) -> Step:
    return ("POST", DATABASE, {"db": name, **more}, 200, "")


def deleted(name: str, when: str = "", status: int = 200, text: str = "") -> Step:
    return ("DELETE", f"{DATABASE}?db={name}" + (f"&hard_delete_at={when}" if when else ""), None, status, text)


def listed(*names: str) -> list[dict[str, str]]:
    return [{"iox::database": name} for name in names]


STORIES = [
    pytest.param([("GET", DATABASE, None, 400, "serde error: missing field `format`")], id="S107"),
    pytest.param(
        [
            created("foo"),
            created("bar"),
            ("GET", f"{DATABASE}?format=json", None, 200, listed("_internal", "bar", "foo")),
        ],
        id="S108",
    ),
    pytest.param([created("foo"), ("POST", DATABASE, {"db": "foo"}, 409, EXISTS)], id="S109"),
    pytest.param(
        [created("r", retention_period="30d"), sql("_internal", OF_R, [{"retention_period_ns": 30 * DAY_NS}])],
        id="S110",
    ),
    pytest.param(
        [
            created("r", retention_period="30d"),
            ("PUT", DATABASE, {"db": "r", "retention_period": "60d"}, 200, ""),
            sql("_internal", OF_R, [{"retention_period_ns": 60 * DAY_NS}]),
            ("PUT", DATABASE, {"db": "r"}, 200, ""),
            sql("_internal", OF_R, [{}]),
            ("PUT", DATABASE, {"db": "nope"}, 404, "the requested resource was not found: nope"),
        ],
        id="S111",
    ),
    pytest.param(
        [
            created("r"),
            ("POST", f"{PERIOD}?db=r&duration=7d", None, 204, ""),
            sql("_internal", OF_R, [{"retention_period_ns": 7 * DAY_NS}]),
            ("DELETE", f"{PERIOD}?db=r", None, 204, ""),
            sql("_internal", OF_R, [{}]),
            ("DELETE", f"{PERIOD}?db=nope", None, 404, "the requested resource was not found: nope"),
            ("POST", f"{PERIOD}?db=_internal&duration=7d", None, 500, "cannot modify internal db"),
            ("POST", f"{PERIOD}?db=r", None, 400, "serde error: missing field `duration`"),
        ],
        id="S112",
    ),
    pytest.param(
        [
            created("r"),
            (
                "POST",
                f"{PERIOD}?db=r&duration=zz",
                None,
                400,
                "Cannot parse the given human time: expected number at 0",
            ),
            (
                "POST",
                f"{PERIOD}?db=r&duration=1ms",
                None,
                400,
                "Cannot parse the given human time: '1ms' is too short…",
            ),
            ("POST", DATABASE, {"db": "s", "retention_period": "zz"}, 400, "serde json error: invalid value: …"),
            ("PUT", DATABASE, {"db": "r", "retention_period": "1mo"}, 400, "serde json error: invalid value: …"),
            ("GET", f"{DATABASE}?format=json", None, 200, listed("_internal", "r")),
        ],
        id="S113",
    ),
    pytest.param(
        [
            created("foo"),
            deleted("foo"),
            ("GET", f"{DATABASE}?format=json", None, 200, listed("_internal")),
            (
                "GET",
                f"{DATABASE}?format=json&show_deleted=true",
                None,
                200,
                [{"iox::database": "_internal", "deleted": False}, {"iox::database": FOO, "deleted": True}],
            ),
            ("PUT", DATABASE, {"db": FOO, "retention_period": "3h"}, 409, GONE),
        ],
        id="S114",
    ),
    pytest.param([deleted("nope", "", 404, "the requested resource was not found: nope")], id="S115"),
    pytest.param([deleted("_internal", "", 500, "cannot delete internal db")], id="S116"),
    pytest.param(
        [
            created("foo"),
            deleted("foo", "zz", 400, "Cannot parse the timestamp: 'zz' is not a time…"),
            ("GET", f"{DATABASE}?format=json", None, 200, listed("_internal", "foo")),
        ],
        id="S117",
    ),
    pytest.param(
        [
            created("foo"),
            deleted("foo", "never"),
            deleted(FOO, "never", 409, GONE),
            deleted(FOO, "", 409, GONE),
            deleted(FOO, "2125-12-31T23:59:59Z"),
            deleted(FOO, "2125-12-31T23:59:59Z", 409, GONE),
            sql(
                "_internal",
                "SELECT hard_deletion_time FROM system.databases WHERE deleted",
                [{"hard_deletion_time": "2125-12-31T23:59:59Z"}],
            ),
        ],
        id="S118",
    ),
    pytest.param([created("foo"), ("POST", TABLE, BAR, 200, ""), sql("foo", "SELECT * FROM bar", [])], id="S119"),
    pytest.param([("POST", TABLE, BAR, 200, ""), ("POST", TABLE, BAR, 409, EXISTS)], id="S120"),
    pytest.param(
        [
            ("POST", TABLE, BAR, 200, ""),
            ("GET", f"{DATABASE}?format=json", None, 200, listed("_internal", "foo")),
        ],
        id="S121",
    ),
    pytest.param(
        [
            created("foo"),
            ("DELETE", f"{TABLE}?db=foo&table=nope", None, 404, "Table nope not in DB schema for foo"),
            ("DELETE", f"{TABLE}?db=nope&table=t", None, 404, "Database not found nope"),
        ],
        id="S122",
    ),
    pytest.param(
        [
            ("POST", TABLE, BAR, 200, ""),
            deleted("foo"),
            ("DELETE", f"{TABLE}?db={FOO}&table=bar", None, 409, GONE),
        ],
        id="S123",
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_catalog(server: Web, story: list[Step]) -> None:
    for method, target, body, status, expected in story:
        if method == "SQL":
            assert body is not None
            answer = server.sql(body["q"], target)
        else:
            answer = server.send(method, target, json=body) if body is not None else server.send(method, target)
        assert answer.status_code == status, (method, target, answer.text)
        if not isinstance(expected, str):
            assert answer.json() == expected
        elif expected.endswith("…"):
            assert answer.text.startswith(expected[:-1])
        else:
            assert answer.text == expected


@row("S169")
def test_a_deleted_database_stays_deleted(tmp_path: Path, clock: ManualClock) -> None:
    with web(tmp_path, clock=clock) as served:
        served.write("cpu v=1 1")
        assert served.delete(f"{DATABASE}?db=foo").status_code == 200
    with web(tmp_path, clock=clock) as again:
        shown = again.get(f"{DATABASE}?format=json&show_deleted=true").json()
        assert shown == [{"iox::database": "_internal", "deleted": False}, {"iox::database": FOO, "deleted": True}]
        assert again.rows("SELECT v FROM cpu", FOO) == [{"v": 1.0}]
        assert again.write("cpu v=1 1", f"db={FOO}").status_code == 400
        assert again.sql("SELECT v FROM cpu").status_code == 404
