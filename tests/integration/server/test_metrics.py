"""What ``/metrics`` tells of requests and writes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from tests.support.web import Web, web, zipped

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        yield served


def samples(server: Web) -> dict[Sample, float]:
    text = server.get("/metrics").text
    return {(s.name, frozenset(s.labels.items())): s.value for family in families(text) for s in family.samples}


def labelled(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def test_requests_are_counted_by_path_method_and_status(server: Web) -> None:
    for _ in range(3):
        server.get("/health")
    server.write("cpu v=1")
    server.write("cpu")
    server.sql("SELECT v FROM cpu")
    found = samples(server)
    health = {"path": "/health", "method": "GET", "method_path": "GET /health", "status": "ok"}
    assert found[labelled("http_requests_total", **health)] == 3
    path = "/api/v3/write_lp"
    write = {"path": path, "method": "POST", "method_path": f"POST {path}"}
    assert found[labelled("http_requests_total", **write, status="ok")] == 1
    assert found[labelled("http_requests_total", **write, status="client_error")] == 1
    path = "/api/v3/query_sql"
    query = {"path": path, "method": "GET", "method_path": f"GET {path}", "status": "ok", "query_variant": "sql"}
    assert found[labelled("http_requests_total", **query)] == 1
    duration, size = "http_request_duration_seconds", "http_response_body_size_bytes"
    for name, bounds in ((duration, ("0.001", "0.0025", "10", "+Inf")), (size, ("100", "1000", "10000000", "+Inf"))):
        assert all(labelled(f"{name}_bucket", **health, le=bound) in found for bound in bounds)
        assert found[labelled(f"{name}_bucket", **health, le="+Inf")] == 3
        assert found[labelled(f"{name}_count", **health)] == 3
    assert found[labelled(f"{size}_sum", **health)] == 6
    assert found[labelled(f"{size}_bucket", **health, le="100")] == 3


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        pytest.param("GET", "/nope", {"method": "GET", "status": "client_error"}, id="no route"),
        pytest.param("OPTIONS", "/anything", {"method": "OPTIONS", "status": "ok"}, id="preflight"),
        pytest.param("GET", "/api/v3/engine/nope", {"method": "GET", "status": "client_error"}, id="no trigger"),
    ],
)
def test_paths_that_anybody_may_think_up_make_no_series(
    server: Web, method: str, path: str, labels: dict[str, str]
) -> None:
    server.send(method, path)
    found = samples(server)
    assert found[labelled("http_requests_total", **labels)] == 1
    assert not [key for key in found if path in str(key)]


def test_paths_of_plugins_are_told_where_they_answer(tmp_path: Path) -> None:
    with web(tmp_path, without_auth=False) as server:
        server.get("/api/v3/engine/guessed")
        token = server.post("/api/v3/configure/token/admin").json()["token"]
        text = server.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
    assert 'path="/api/v3/engine/"' in text
    assert "guessed" not in text


def test_lines_and_bytes_are_counted_by_database(server: Web) -> None:
    server.write("cpu v=1\ncpu v=2", "db=foo")
    server.write("cpu v=1\ncpu v=", "db=foo")
    server.write("cpu v=", "db=foo")
    body = b"cpu v=1\n" * 1000
    server.write(zipped(body), "db=bar", **{"Content-Encoding": "gzip"})
    found = samples(server)
    figures = {
        db: [found[labelled(f"influxdb3_write_{name}_total", db=db)] for name in ("lines", "lines_rejected", "bytes")]
        for db in ("foo", "bar")
    }
    assert figures == {"foo": [3, 2, 15 + 14], "bar": [1000, 0, len(body)]}


def test_the_process_and_the_memory_of_queries(server: Web) -> None:
    answer: httpx.Response = server.get("/ping")
    found = samples(server)
    ping = answer.json()
    (start,) = [dict(labels) for name, labels in found if name == "process_start_time_seconds"]
    assert start == {
        "product_name": ping["product_name"],
        "version": ping["version"],
        "git_hash": ping["revision"],
        "uuid": ping["process_id"],
    }
    limit = server.engine.settings.exec_mem_pool_size_bytes
    assert found[labelled("datafusion_mem_pool_bytes", state="limit")] == limit


def test_queries_are_counted_by_phase_with_their_durations(server: Web) -> None:
    server.write("cpu v=1")
    server.sql("SELECT v FROM cpu")
    server.sql("SELEC")
    found = samples(server)
    prefix = "influxdb_iox_query_log"
    entered = dict.fromkeys(("success", "fail", "physically_planned"), 1.0) | {"received": 2.0}
    for phase, count in entered.items():
        assert found[labelled(f"{prefix}_phase_entered_total", phase=phase)] == count
    for phase in ("received", "physically_planned"):
        assert found[labelled(f"{prefix}_phase_current", phase=phase)] == 0
    for name, count in (("plan", 1), ("execute", 1), ("end2end", 2)):
        assert found[labelled(f"{prefix}_{name}_duration_seconds_count")] == count
        assert found[labelled(f"{prefix}_{name}_duration_seconds_bucket", le="+Inf")] == count
