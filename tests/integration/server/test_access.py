"""Server API §12.5: tokens."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.web import Web, basic, told, web

TOKEN = "/api/v3/configure/token"
REFUSED = (401, '{"error": "the request was not authenticated"}')
MALFORMED = (
    400,
    '{"error": "Authorization header was malformed, the request was not in the form of '
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic\"}",
)
WRITE = "/api/v3/write_lp?db=foo"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(tmp_path: Path, clock: ManualClock) -> Iterator[Web]:
    with web(tmp_path, clock=clock, without_auth=False) as served:
        yield served


@pytest.fixture
def admin(server: Web) -> str:
    """The text of the operator token."""
    token: str = server.post(f"{TOKEN}/admin").json()["token"]
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/health", (200, "OK")),
        ("GET", "/api/v1/health", (200, "OK")),
        ("OPTIONS", "/api/v3/query_sql", (204, "")),
        ("GET", "/api/v3/query_sql?db=foo&q=SELECT 1", REFUSED),
        ("POST", WRITE, REFUSED),
        ("POST", "/api/v2/write?bucket=foo", REFUSED),
        pytest.param("GET", "/nope", REFUSED, id="145"),
        pytest.param("POST", "/api/v3/engine/x", REFUSED, id="B5.17"),
        ("POST", f"{TOKEN}/admin/regenerate", REFUSED),
        ("POST", f"{TOKEN}/named_admin", REFUSED),
        ("DELETE", f"{TOKEN}?token_name=_admin", REFUSED),
        ("GET", f"{TOKEN}/admin", (404, "Not found")),
    ],
)
def test_without_token_only_this_is_answered(
    server: Web, method: str, path: str, answer: tuple[int, str]
) -> None:  # fact 137, but for health and ping
    got = server.send(method, path)
    assert told(got) == answer
    assert "cluster-uuid" in got.headers


def test_ping_needs_no_token(server: Web) -> None:
    assert server.get("/ping").status_code == 200


def test_the_first_token_is_shown_once(server: Web) -> None:  # facts 138, 139
    answer = server.post(f"{TOKEN}/admin", content=b"ignored")
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "json"
    shown = answer.json()
    assert list(shown) == ["id", "name", "token", "hash", "created_at", "expiry"]
    assert shown["name"] == "_admin"
    assert shown["token"].startswith("apiv3_")
    assert shown["hash"] == hashlib.sha512(shown["token"].encode()).hexdigest()
    assert shown["created_at"] == "2026-11-21T12:00:00.000Z"
    assert shown["expiry"] is None
    assert told(server.post(f"{TOKEN}/admin")) == (409, "token name already exists, _admin")


def test_a_token_comes_in_these_forms(server: Web, admin: str) -> None:  # fact 140
    for header in (f"Bearer {admin}", f"Token {admin}", basic("x", admin), basic("", admin)):
        answer = server.post(WRITE, content="cpu v=1", headers={"Authorization": header})
        assert told(answer) == (204, "")


@pytest.mark.parametrize("form", ["bearer T", "Bearer", "Bearer T extra", "Token fake token", "Any T", "Basic !"])
def test_other_forms_are_malformed(server: Web, admin: str, form: str) -> None:  # fact 141
    header = form.replace("T", admin) if form.endswith((" T", " extra")) else form
    assert told(server.get("/nope", headers={"Authorization": header})) == MALFORMED


@pytest.mark.parametrize("headers", [{"auth": "Bearer T"}, {"Authorization": "Bearer wrong"}, {}])
def test_a_token_that_is_not_there_or_wrong_is_refused(
    server: Web, admin: str, headers: dict[str, str]
) -> None:  # fact 142
    sent = {name: value.replace(" T", f" {admin}") for name, value in headers.items()}
    answer = server.get("/nope", headers=sent)
    assert told(answer) == REFUSED
    assert "www-authenticate" not in answer.headers


def test_a_token_in_the_query_string_does_not_count_here(server: Web, admin: str) -> None:  # fact 144
    assert told(server.get(f"/api/v3/query_sql?db=foo&q=SELECT 1&p={admin}")) == REFUSED


def test_a_token_is_the_password_of_version_1(server: Web, admin: str) -> None:  # fact 143
    def status(target: str, headers: dict[str, str]) -> int:
        return server.post(target, content="cpu v=1", headers=headers).status_code

    assert status(f"/write?db=foo&u=me&p={admin}", {}) == 204
    assert status(f"/write?db=foo&p={admin}", {"Authorization": "Bearer wrong"}) == 204
    assert status("/write?db=foo", bearer(admin)) == 204
    assert status("/write?db=foo&u=&p=", bearer(admin)) == 204
    assert told(server.post("/write?db=foo&p=wrong", headers=bearer(admin))) == REFUSED
    assert told(server.post("/write?db=foo")) == REFUSED
    assert status(f"/api/v2/write?bucket=foo&p={admin}", {}) == 401


def test_named_tokens_are_made_and_deleted(server: Web, admin: str) -> None:  # facts 146, 148
    def make() -> tuple[int, str]:
        return told(server.post(f"{TOKEN}/named_admin", json={"token_name": "n1"}, headers=bearer(admin)))

    assert make()[0] == 201
    assert make() == (409, "token name already exists, n1")
    deleted = [
        told(server.delete(f"{TOKEN}?token_name={name}", headers=bearer(admin))) for name in ("n1", "zz", "_admin")
    ]
    assert deleted == [
        (200, ""),
        (404, "the requested resource was not found: zz"),
        (405, "cannot delete operator token"),
    ]


def test_a_named_token_expires(server: Web, admin: str, clock: ManualClock) -> None:  # fact 147
    body = {"token_name": "n1", "expiry_secs": 1}
    shown = server.post(f"{TOKEN}/named_admin", json=body, headers=bearer(admin)).json()
    assert shown["expiry"] == "2026-11-21T12:00:01.000Z"
    assert server.get("/nope", headers=bearer(shown["token"])).status_code == 404
    clock.advance(2 * 10**9)
    assert told(server.get("/nope", headers=bearer(shown["token"]))) == REFUSED


@pytest.mark.parametrize("expiry", [-1, "1h", 10**12])
def test_a_token_that_cannot_expire_so(server: Web, admin: str, expiry: object) -> None:
    body = {"token_name": "n1", "expiry_secs": expiry}
    assert server.post(f"{TOKEN}/named_admin", json=body, headers=bearer(admin)).status_code == 400


def test_the_operator_token_gets_a_new_text(server: Web, admin: str) -> None:  # fact 149
    named = server.post(f"{TOKEN}/named_admin", json={"token_name": "n"}, headers=bearer(admin)).json()["token"]
    answer = server.post(f"{TOKEN}/admin/regenerate", headers=bearer(admin))
    assert answer.status_code == 201
    statuses = [
        server.get("/nope", headers=bearer(token)).status_code for token in (admin, answer.json()["token"], named)
    ]
    assert statuses == [401, 404, 404]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"{TOKEN}/admin"), ("GET", f"{TOKEN}/whatever"), ("DELETE", TOKEN)],
)
def test_without_authentication_there_are_no_tokens(tmp_path: Path, method: str, path: str) -> None:  # fact 150
    with web(tmp_path) as server:
        assert told(server.send(method, path)) == (405, "endpoint disabled, started without auth")


@pytest.mark.parametrize(("header", "status"), [("Bearer anything", 404), ("nonsense", 400)])
def test_without_authentication_a_header_must_still_be_one(tmp_path: Path, header: str, status: int) -> None:
    with web(tmp_path) as server:
        assert server.get("/nope", headers={"Authorization": header}).status_code == status
