"""Issue 6: no body, however odd, gives an error of the server's own, or a traceback."""

import gzip
import json
import random
from collections.abc import Iterator

import pytest

from engine.server.app import ROUTES
from tests.support.web import Web, web

FEW, MANY = 25, 1000
ENDPOINTS = sorted(key for key in ROUTES if key[0] != "GET" or "query" in key[1] or "configure" in key[1])
WORDS = [
    "db",
    "q",
    "table",
    "name",
    "trigger_name",
    "params",
    "format",
    "tags",
    "fields",
    "cache_name",
    "retention_period",
]
VALUES: list[object] = [
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "\x00",
    "ä" * 300,
    [],
    [[]],
    {},
    {"a": {"b": []}},
    "cpu",
    "../..",
    "'",
    "1d",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"content-type": "application/json"},
    {"content-type": "text/plain; charset=\xff"},
    {"content-encoding": "gzip"},
    {"content-encoding": "br"},
    {"accept": "\xff/\xff, */*;q=x"},
    {"accept-encoding": "gzip, \xff"},
]


def odd_body(rng: random.Random) -> bytes:
    """Return bytes of one of the kinds that break servers."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    told = json.dumps({rng.choice(WORDS): rng.choice(VALUES) for _ in range(rng.randrange(8))}).encode()
    if kind == 1:
        return told[: rng.randrange(len(told))]
    if kind == 2:
        at = rng.randrange(len(told))
        return told[:at] + rng.randbytes(2) + told[at:]
    if kind == 3:
        return rng.choice([b"[" * 50_000, b'{"a":' * 20_000, b"1" * 10_000, b'"' + b"\\u0000" * 1_000])
    packed = gzip.compress(told, mtime=0)
    return told if kind == 4 else packed[: rng.randrange(1, len(packed) + 1)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("garbage")) as served:
        yield served


def hold(server: Web, method: str, path: str, count: int) -> None:
    rng = random.Random(f"{method} {path}")
    for number in range(count):
        target = path
        if rng.random() < 0.3:
            target += "?" + "&".join(
                f"{rng.choice(WORDS)}={rng.choice(['', '%', '%00', '%ff', 'x', '1'])}" for _ in range(3)
            )
        headers = {name: value.encode("latin-1") for name, value in rng.choice(HEADERS).items()}
        answer = server.send(method, target, content=odd_body(rng), headers=headers)
        assert answer.status_code < 500, (number, target, answer.text[:300])
        assert "Traceback" not in answer.text, (number, target, answer.text[:300])
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_odd_bodies_are_answered(server: Web, method: str, path: str) -> None:
    hold(server, method, path, FEW)


@pytest.mark.long
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_thousand_odd_bodies_are_answered(server: Web, method: str, path: str) -> None:
    hold(server, method, path, MANY)


def test_a_gzip_bomb_stays_within_the_limit(server: Web) -> None:
    bomb = gzip.compress(bytes(200_000_000))
    for path in ("/api/v3/write_lp?db=d", "/api/v3/query_sql"):
        answer = server.post(path, content=bomb, headers={"content-encoding": "gzip"})
        assert answer.status_code == 413, answer.text
