"""Issue 6: no body, however odd, gives an error of the server's own, or a traceback."""

import gzip
import json
import random
import re
from collections.abc import Iterator

import pytest

from engine.server.app import ROUTES
from engine.server.routes import plugin_requests
from tests.support.web import Web, bearer, web

FEW, MANY = 25, 1000
PLUGIN = (
    "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
    "    return {'bytes': len(request_body), 'parameters': query_parameters}\n"
)
BELOW = [(method, f"{plugin_requests.PREFIX}odd") for method in plugin_requests.ROUTES_BELOW]
ENDPOINTS = sorted((*ROUTES, *BELOW))
NOT_THERE = {
    ("GET", "/debug/pprof/heap"),
    ("POST", "/debug/pprof/heap"),
    ("GET", "/api/v3/query_influxql"),
    ("POST", "/api/v3/query_influxql"),
    ("GET", "/query"),
    ("POST", "/query"),
    ("GET", "/api/v3/test/telemetry_snapshot"),
}
"""Endpoints of the product that answer 404 here."""

CONFIGURE = "/api/v3/configure"
TRIGGER = f"{CONFIGURE}/processing_engine_trigger"
CATALOGUE = {
    "/health": "GET",
    "/api/v1/health": "GET",
    "/ping": "GET POST",
    "/metrics": "GET",
    "/debug/pprof/heap": "GET POST",
    "/api/v3/write_lp": "POST",
    "/api/v2/write": "POST",
    "/write": "POST",
    "/api/v3/query_sql": "GET POST",
    "/api/v3/query_influxql": "GET POST",
    "/query": "GET POST",
    f"{CONFIGURE}/database": "GET POST PUT DELETE",
    f"{CONFIGURE}/database/retention_period": "POST DELETE",
    f"{CONFIGURE}/table": "POST DELETE",
    f"{CONFIGURE}/distinct_cache": "POST DELETE",
    f"{CONFIGURE}/last_cache": "POST DELETE",
    TRIGGER: "POST DELETE",
    f"{TRIGGER}/enable": "POST",
    f"{TRIGGER}/disable": "POST",
    f"{CONFIGURE}/plugin_environment/install_packages": "POST",
    f"{CONFIGURE}/plugin_environment/install_requirements": "POST",
    "/api/v3/plugin_test/wal": "POST",
    "/api/v3/plugin_test/schedule": "POST",
    "/api/v3/plugins/files": "POST PUT",
    "/api/v3/plugins/directory": "PUT",
    f"{plugin_requests.PREFIX}odd": "GET POST",
    f"{CONFIGURE}/token/admin": "POST",
    f"{CONFIGURE}/token/admin/regenerate": "POST",
    f"{CONFIGURE}/token/named_admin": "POST",
    f"{CONFIGURE}/token": "DELETE",
    "/api/v3/test/telemetry_snapshot": "GET",
}
"""Server API §1.6: the methods of each path."""

WORDS = [
    *("db", "q", "format", "params", "bucket", "precision", "accept_partial", "no_sync", "show_deleted"),
    *("table", "name", "tags", "fields", "columns", "key_columns", "value_columns", "count", "ttl", "max_cardinality"),
    *("retention_period", "duration", "hard_delete_at", "token_name", "expiry_secs", "cache_name", "key", "ids"),
    *("trigger_name", "plugin_filename", "trigger_specification", "trigger_settings", "trigger_arguments", "disabled"),
    *("filename", "database", "schedule", "input_lp", "input_arguments", "path", "body", "headers", "method"),
    *("plugin_name", "file_name", "content", "files", "force", "from", "to", "trigger", "begin", "end"),
]
"""Names of parameters; what would install packages is not among them."""

VALUES: list[object] = [
    None,
    True,
    -1,
    1.5,
    10**30,
    2**63,
    "",
    "\x00",
    "\ud800",
    "ä" * 300,
    [],
    [[]],
    ["cpu", 1, None],
    {},
    {"a": {"b": []}},
    {"run_async": "x", "error_behavior": "log"},
    [{"name": "x", "type": "y"}],
    "cpu",
    "foo",
    "odd",
    "odd.py",
    "table:cpu",
    "every:0s",
    "cron:* * * * * * *",
    "request:../x",
    "../..",
    "/etc/passwd",
    "'",
    "1d",
    "-1d",
    "9" * 40 + "y",
    "SELECT 1; DROP TABLE x",
    "SELECT * FROM cpu",
    "2262-04-11T23:47:16.854775808Z",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"content-type": "application/json"},
    {"content-type": "application/json"},
    {"content-type": "application/json"},
    {"content-type": "text/plain; charset=\xff"},
    {"content-type": "application/json", "content-encoding": "gzip"},
    {"content-encoding": "br"},
    {"accept": "\xff/\xff, */*;q=x"},
    {"accept-encoding": "gzip, \xff"},
]


OF_PLUGINS = re.compile(r"Plugin error: |Processing engine error: ")
"""Errors of plugins, and plugins that are not there, are 500 as in the product."""


def odd_body(rng: random.Random) -> bytes:
    """Return bytes of one of the kinds that break servers."""
    kind = rng.randrange(7)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    told = json.dumps({rng.choice(WORDS): rng.choice(VALUES) for _ in range(rng.randrange(12))}).encode()
    if kind == 1:
        return told[: rng.randrange(len(told))]
    if kind == 2:
        at = rng.randrange(len(told))
        return told[:at] + rng.randbytes(2) + told[at:]
    if kind == 3:
        return rng.choice([b"[" * 50_000, b'{"a":' * 20_000, b"1" * 10_000, b'"' + b"\\u0000" * 1_000])
    packed = gzip.compress(told, mtime=0)
    return packed[: rng.randrange(1, len(packed) + 1)] if kind == 4 else told


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("garbage"), without_auth=False) as served:
        token = served.engine.tokens.create_admin().token
        served.client.headers.update(bearer(token))
        served.write("cpu,host=a v=1")
        assert served.trigger("odd", "request:odd", "odd.py", PLUGIN).status_code == 200
        yield served


def hold(server: Web, method: str, path: str, count: int) -> None:
    rng = random.Random(f"{method} {path}")
    for number in range(count):
        target = path
        if rng.random() < 0.3:
            target += "?" + "&".join(
                f"{rng.choice(WORDS)}={rng.choice(['', '%', '%00', '%ff', 'x', '1', 'foo', 'odd'])}" for _ in range(3)
            )
        headers = {name: value.encode("latin-1") for name, value in rng.choice(HEADERS).items()}
        answer = server.send(method, target, content=odd_body(rng), headers=headers)
        if path.endswith("/regenerate") and answer.status_code == 201:
            server.client.headers.update(bearer(answer.json()["token"]))
        assert answer.status_code < 500 or OF_PLUGINS.match(answer.text), (number, target, answer.text[:300])
        assert "Traceback" not in answer.text, (number, target, answer.text[:300])
    assert server.get("/health").status_code == 200


def test_every_endpoint_of_the_catalogue_is_there_or_known_not_to_be() -> None:
    wanted = {(method, path) for path, methods in CATALOGUE.items() for method in methods.split()}
    assert wanted - set(ENDPOINTS) == NOT_THERE


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_odd_bodies_are_answered(server: Web, method: str, path: str) -> None:
    hold(server, method, path, FEW)


@pytest.mark.long
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_thousand_odd_bodies_are_answered(server: Web, method: str, path: str) -> None:
    hold(server, method, path, MANY)


def test_a_gzip_bomb_stays_within_the_limit(server: Web) -> None:
    bomb = gzip.compress(bytes(1_000_000)) * 20
    for path in ("/api/v3/write_lp?db=d", "/api/v3/query_sql"):
        answer = server.post(path, content=bomb, headers={"content-encoding": "gzip"})
        assert answer.status_code == 413, answer.text
