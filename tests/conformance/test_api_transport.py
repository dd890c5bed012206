"""Server API §12.1 and §12.7: health, routing, headers of every answer, bodies of JSON endpoints, switching triggers."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.conformance.checklist import row
from tests.support.web import TRIGGERS, Web, told, web

DATABASES = "/api/v3/configure/database"
IDLE = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"
TEXT = "text/plain; charset=utf-8"
PING_KEYS = ["product_name", "version", "revision", "process_id"]
PREFLIGHT = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "*",
    "access-control-allow-headers": "*",
    "access-control-max-age": "86400",
}
UUID_HEADER = "cluster-uuid"
ORIGIN = "access-control-allow-origin"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("transport")) as served:
        yield served


@pytest.mark.parametrize("path", [pytest.param("/health", id="S1"), pytest.param("/api/v1/health", id="S2")])
def test_health(shared: Web, path: str) -> None:
    answer = shared.get(path)
    assert told(answer) == (200, "OK")
    assert answer.headers["content-type"] == TEXT


@pytest.mark.parametrize("method", [pytest.param("GET", id="S3"), pytest.param("POST", id="S4")])
def test_ping(shared: Web, method: str) -> None:
    answer = shared.send(method, "/ping")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == PING_KEYS
    assert answer.json()["product_name"] == "InfluxDB 3 Core"
    assert answer.headers["x-influxdb-version"] == answer.json()["version"]
    assert answer.headers["x-influxdb-build"] == "Core"
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers[UUID_HEADER]
    assert shared.send(method, "/ping").headers["request-id"] != answer.headers["request-id"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("HEAD", "/ping", id="S5"),
        pytest.param("GET", "/nope", id="S7"),
        pytest.param("PUT", "/api/v3/write_lp?db=foo", id="S8"),
        pytest.param("GET", "/health/", id="S9"),
        pytest.param("GET", "/ready", id="S10"),
        pytest.param("GET", "/Health", id="S9 another case"),
    ],
)
def test_what_has_no_route(shared: Web, method: str, target: str) -> None:
    answer = shared.send(method, target)
    assert answer.status_code == 404
    assert method == "HEAD" or answer.text == "Not found"
    assert answer.headers[UUID_HEADER]
    assert ORIGIN not in answer.headers
    assert "content-type" not in answer.headers


@row("S6")
def test_metrics(shared: Web) -> None:
    answer = shared.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n# EOF\n")


@pytest.mark.parametrize(
    "path", [pytest.param("/anything", id="S11"), pytest.param("/api/v3/write_lp", id="S11 known")]
)
def test_preflight(shared: Web, path: str) -> None:
    answer = shared.send("OPTIONS", path)
    assert told(answer) == (204, "")
    assert {name: answer.headers[name] for name in PREFLIGHT} == PREFLIGHT
    assert answer.headers[UUID_HEADER]


@row("S12")
def test_one_uuid_for_all_answers_and_over_a_restart(tmp_path: Path) -> None:
    seen: set[str] = set()
    for _ in range(2):
        with web(tmp_path) as served:
            answers = [served.get("/health"), served.get("/nope"), served.write("cpu v=1"), served.write("cpu")]
            assert [a.status_code for a in answers] == [200, 404, 204, 400]
            seen |= {a.headers[UUID_HEADER] for a in answers}
    (only,) = seen
    assert str(UUID(only)) == only


@pytest.mark.parametrize(
    ("content_type", "body", "status", "text"),
    [
        pytest.param(
            "application/x-www-form-urlencoded",
            "db=x1",
            415,
            "unacceptable content-type, expected: application/json",
            id="S13",
        ),
        pytest.param(
            None, '{"db":"x1"}', 415, "unacceptable content-type, expected: application/json", id="S13 without"
        ),
        pytest.param("application/json; charset=utf-8", '{"db":"x1"}', 200, "", id="S14"),
        pytest.param("application/vnd.influx+json", '{"db":"x2"}', 200, "", id="S14 a kind of JSON"),
        pytest.param(
            "application/json",
            "{",
            400,
            "serde json error: EOF while parsing an object at line 1 column 1",
            id="S15",
        ),
        pytest.param(
            "application/json",
            "{}",
            400,
            "serde json error: missing field `db` at line 1 column 2",
            id="S15 without database",
        ),
    ],
)
def test_json_endpoints(shared: Web, content_type: str | None, body: str, status: int, text: str) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert told(shared.post(DATABASES, content=body, headers=headers)) == (status, text)


@row("S134")
def test_enabling_what_is_enabled(shared: Web) -> None:
    shared.write("cpu v=1")
    assert shared.trigger("on", "table:cpu", "idle.py", IDLE).status_code == 200
    assert told(shared.post(f"{TRIGGERS}/enable?db=foo&trigger_name=on")) == (200, "")


@row("S135")
def test_an_enabled_trigger_goes_by_force_only(shared: Web) -> None:
    # 409 where the product has 500: docs/differences.md.
    shared.write("cpu v=1")
    assert shared.trigger("t", "table:cpu", "idle.py", IDLE).status_code == 200
    text = "Cannot delete running plugin t. Disable it first or use --force."
    assert told(shared.delete(f"{TRIGGERS}?db=foo&trigger_name=t")) == (409, text)
    assert told(shared.delete(f"{TRIGGERS}?db=foo&trigger_name=t&force=true")) == (200, "")


@row("S136")
def test_a_path_without_trigger(shared: Web) -> None:
    answer: httpx.Response = shared.get("/api/v3/engine/nope")
    assert told(answer) == (404, '{error: "not found"}')
    assert answer.headers[ORIGIN] == "*"
