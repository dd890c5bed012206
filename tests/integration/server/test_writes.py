"""Writes in the spellings of versions 3, 2 and 1, beyond the rows of §12.2 (``tests/conformance/test_api_writes.py``)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.server.routes.write import MOST_SMALL_BYTES
from tests.support.asgi import Wire, scope
from tests.support.web import Web, told, web, zipped

OK = "cpu,host=a usage=0.5"
BAD = "cpu,host=b usage=2 155\ncpu,host=a usage= 123\ncpu,host=b usage=5 199"
OWN = "db name did not start with a number or letter"
V3 = "/api/v3/write_lp?db=foo"
V2 = "/api/v2/write?bucket=foo"
V1 = "/write?db=foo"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web(tmp_path_factory.mktemp("writes")) as served:
        yield served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        yield served


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        pytest.param(
            "/api/v3/write_lp?db=foo&db=foo", 400, "serde error: duplicate field `db`", id="version 3: duplicate"
        ),
        pytest.param("/api/v3/write_lp?db=_internal", 400, f'{{"error":"{OWN}"}}', id="version 3: own"),
        pytest.param(
            "/api/v2/write?bucket=&org=o",
            400,
            '{"code":"invalid","message":"missing bucket value"}',
            id="version 2: empty",
        ),
        pytest.param(
            "/api/v2/write?bucket=foo&precision=auto",
            400,
            '{"code":"invalid","message":"failed to deserialize org/bucket/precision in request: unknown variant '
            "`auto`, expected one of `s`, `second`, `millisecond`, `ms`, `microsecond`, `u`, `us`, `n`, `nanosecond`, "
            '`ns`"}',
            id="version 2: auto",
        ),
        pytest.param(
            "/api/v2/write?bucket=a b",
            400,
            '{"code":"invalid","message":"namespace name \'a b\' contains invalid character, character number 1 is not '
            'allowed"}',
            id="version 2: name",
        ),
        pytest.param(
            "/api/v2/write?bucket=_internal", 400, f'{{"code":"invalid","message":"{OWN}"}}', id="version 2: own"
        ),
        pytest.param("/api/v2/write?bucket=foo&accept_partial=nonsense&no_sync=7", 204, "", id="version 2: others"),
        pytest.param(
            "/write?db=foo&db=foo",
            400,
            '{"error":"failed to deserialize db/rp/precision in request: duplicate field `db`"}',
            id="version 1: duplicate",
        ),
        pytest.param(
            "/write?db=",
            400,
            '{"error":"namespace name  length must be between 1 and 64 characters"}',
            id="version 1: empty",
        ),
        pytest.param(
            f"/write?db={'a' * 60}&rp=abcd",
            400,
            f'{{"error":"namespace name {"a" * 60}/abcd length must be between 1 and 64 characters"}}',
            id="version 1: name and retention policy are too long",
        ),
        pytest.param(
            "/write?db=a!b",
            400,
            '{"error":"namespace name \'a!b\' contains invalid character, character number 1 is not allowed"}',
            id="version 1: name",
        ),
        pytest.param("/write?db=_internal", 400, f'{{"error":"{OWN}"}}', id="version 1: own"),
        pytest.param("/write?db=foo&u=me&org=x&accept_partial=1", 204, "", id="version 1: others"),
    ],
)
def test_parameters(shared: Web, target: str, status: int, body: str) -> None:
    assert told(shared.post(target, content=OK)) == (status, body)


@pytest.mark.parametrize(
    ("rp", "database"),
    [
        ("", "foo"),
        ("autogen", "foo"),
        ("DEFAULT", "foo"),
        ('"autogen"', "foo"),
        ("''", "foo"),
        ("Week", "foo/week"),
        ('"week"', "foo/week"),
        ("'", None),
        ("a/b", None),
    ],
)
def test_a_retention_policy_of_version_1_is_part_of_the_name(server: Web, rp: str, database: str | None) -> None:
    answer = server.send("POST", "/write", params={"db": "foo", "rp": rp}, content=OK)
    assert answer.status_code == (204 if database else 400)
    assert [name for name, _ in server.engine.tables.databases(False) if name != "_internal"] == (
        [database] if database else []
    )


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (
            f"{V3}&accept_partial=false",
            '{"error":"line protocol parsing error","data":{"error_message":"No fields were provided",'
            '"line_number":2,"original_line":"cpu,host=a usage= 12"}}',
        ),
        (
            f"{V1}&accept_partial=true",
            '{"error":"line protocol parsing error","data":{"error_message":"No fields were provided",'
            '"line_number":2,"original_line":"cpu,host=a usage= 12"}}',
        ),
        (
            V2,
            '{"code":"invalid","message":"write buffer error: line protocol parse failed: No fields were provided"}',
        ),
    ],
)
def test_all_lines_or_none(server: Web, target: str, body: str) -> None:
    assert told(server.post(target, content=BAD)) == (400, body)
    assert server.rows("SELECT * FROM information_schema.tables WHERE table_schema = 'iox'") == []


@pytest.mark.parametrize(
    ("target", "content", "headers", "status", "body"),
    [
        (V3, "", {}, 400, "incoming write was empty"),
        (V1, "\n \n# x\n", {}, 400, "incoming write was empty"),
        (V2, "#", {}, 400, '{"code":"invalid","message":"write buffer error: incoming write was empty"}'),
        (V1, "m f=1", {"Content-Encoding": "br"}, 400, "unacceptable content-encoding: br"),
        (
            V2,
            "m f=1",
            {"Content-Encoding": "br"},
            400,
            '{"code":"invalid","message":"unacceptable content-encoding: br"}',
        ),
        (V1, b"m f=\xff", {}, 400, "body content is not valid utf8: invalid utf-8 sequence of 1 bytes from index 4"),
        (V3, b"m,t=\xe2\x82", {}, 400, "body content is not valid utf8: incomplete utf-8 byte sequence from index 4"),
    ],
)
def test_bodies_that_are_refused(
    shared: Web, target: str, content: str | bytes, headers: dict[str, str], status: int, body: str
) -> None:
    assert told(shared.post(target, content=content, headers=headers)) == (status, body)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (V3, "max request size (10 bytes) exceeded"),
        (V1, "max request size (10 bytes) exceeded"),
        (V2, '{"code":"request too large","message":"max request size (10 bytes) exceeded"}'),
    ],
)
def test_the_limit_for_bodies_is_an_option(tmp_path: Path, target: str, body: str) -> None:
    with web(tmp_path, max_http_request_size_bytes=10) as server:
        assert told(server.post(target, content=OK)) == (413, body)
        assert told(server.post(target, content=zipped(OK.encode()), headers={"Content-Encoding": "gzip"}))[0] == 413
        assert server.post(target, content="m f=1 1234").status_code == 204


def test_an_endless_body_ends_at_the_limit(tmp_path: Path) -> None:  # §13, item 12
    async def ask(served: Web) -> Wire:
        wire = Wire([b"m f=1\n" * 1000] * 100, is_complete=False)
        await served.app(scope("POST", V3, {"Transfer-Encoding": "chunked"}), wire.receive, wire.send)
        return wire

    with web(tmp_path, max_http_request_size_bytes=30_000) as served:
        answer = served.run(ask(served))
    assert (answer.status, answer.body) == (413, b"max request size (30000 bytes) exceeded")
    assert answer.headers[b"connection"] == b"close"
    assert answer.received < 20


def test_tables_over_the_limit_are_refused(tmp_path: Path) -> None:  # §2.9
    def refusal(count: int) -> str:
        limit = f"tables limit: attempted to create table but already have {count} table(s) (limit: 3)"
        return f"Update to schema would exceed number of {limit}"

    with web(tmp_path, max_tables=3) as server:
        assert server.write("a f=1").status_code == 204
        assert server.write("a f=1", "db=bar").status_code == 204
        answer = server.write("b f=1\nc f=1\nb f=2")
        assert (answer.status_code, answer.json()["data"][0]["error_message"]) == (422, refusal(3))
        assert [line["line_number"] for line in answer.json()["data"]] == [2]
        table = {"db": "bar", "table": "t", "tags": [], "fields": []}
        assert told(server.post("/api/v3/configure/table", json=table)) == (422, f'{{"error":"{refusal(3)}"}}')
        assert server.delete("/api/v3/configure/database?db=foo").status_code == 200
        assert server.post("/api/v3/configure/table", json=table).status_code == 200


def test_a_table_that_is_too_wide_is_not_made(tmp_path: Path) -> None:
    with web(tmp_path, max_columns=2) as server:
        table = {"db": "foo", "table": "t", "tags": ["a", "b"], "fields": [{"name": "c", "type": "bool"}]}
        answer = server.post("/api/v3/configure/table", json=table)
        text = "Update to schema would exceed number of columns per table limit of 2 columns"
        assert told(answer) == (422, f'{{"error":"{text}"}}')
        assert server.post("/api/v3/configure/table", json=table | {"fields": []}).status_code == 200


def test_when_all_lines_are_bad_they_are_told_as_a_partial_write(shared: Web) -> None:
    answer = shared.write("bad\nworse")
    assert answer.json()["error"] == "partial write of line protocol occurred"
    assert [line["line_number"] for line in answer.json()["data"]] == [1, 2]


def test_a_body_that_is_refused_whole_leaves_tables_readable(server: Web) -> None:  # §13, items 3 and 5
    assert server.write("t,a=1,a=2 f=1").status_code == 400
    assert server.write("u f=1,f=2").status_code == 400
    assert server.write("t,a=1 f=1 1\nu f=1 1").status_code == 204
    assert server.rows("SELECT a, f FROM t") == [{"a": "1", "f": 1.0}]
    assert server.rows("SELECT f FROM u") == [{"f": 1.0}]


def test_large_compressed_and_small_bodies_take_the_same_way(server: Web) -> None:
    lines = "\n".join(f"big,host=h{number % 7} v={number}i {number + 1}" for number in range(5000))
    assert len(lines) > MOST_SMALL_BYTES
    assert server.write(lines, "db=foo&precision=ns").status_code == 204
    packed = zipped(lines.replace("big", "packed").encode())
    assert server.write(packed, "db=foo&precision=ns", **{"Content-Encoding": "gzip"}).status_code == 204
    counted = [server.rows(f"SELECT count(*) AS n, sum(v) AS s FROM {table}") for table in ("big", "packed")]
    assert counted == [[{"n": 5000, "s": 12497500}]] * 2


def test_many_writes_at_the_same_time_are_all_there(server: Web) -> None:
    async def all_at_once() -> list[int]:
        posts = [
            server.client.post("/api/v3/write_lp?db=foo&precision=ns", content=f"m,t=a{number} v={number}i 1")
            for number in range(200)
        ]
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert set(server.run(all_at_once())) == {204}
    assert server.rows("SELECT count(*) AS n, sum(v) AS s FROM m") == [{"n": 200, "s": 19900}]
