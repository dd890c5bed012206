"""Server API §12.5: tokens, on a server that asks for them."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.clock import ManualClock
from tests.support.web import Web, basic, bearer, told, web

TOKEN = "/api/v3/configure/token"
REFUSED = (401, '{"error": "the request was not authenticated"}')
MALFORMED = (
    400,
    '{"error": "Authorization header was malformed, the request was not in the form of '
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic\"}",
)
WRITE = "/api/v3/write_lp?db=foo"
WRITE_V1 = "/write?db=foo"


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


def named(server: Web, admin: str, name: str, **more: object) -> str:
    """Make a named token and return its text."""
    answer = server.post(f"{TOKEN}/named_admin", json={"token_name": name, **more}, headers=bearer(admin))
    assert answer.status_code == 201
    token: str = answer.json()["token"]
    return token


@row("S137")
def test_ping_without_token_is_refused_where_nothing_is_open(tmp_path: Path) -> None:
    """The product's default; ours opens ``/health`` and ``/ping`` (docs/differences.md)."""
    with web(tmp_path, without_auth=False, disable_authz=frozenset()) as closed:
        assert told(closed.get("/ping")) == REFUSED
    with web(tmp_path, without_auth=False) as default:
        assert default.get("/ping").status_code == 200


@row("S138", "S139")
def test_the_first_token_is_shown_once(server: Web) -> None:
    answer = server.post(f"{TOKEN}/admin", content=b"ignored")
    assert (answer.status_code, answer.headers["content-type"]) == (201, "json")
    shown = answer.json()
    assert list(shown) == ["id", "name", "token", "hash", "created_at", "expiry"]
    assert shown["name"] == "_admin"
    assert re.fullmatch(r"apiv3_[A-Za-z0-9_-]{86}", shown["token"])
    assert shown["hash"] == hashlib.sha512(shown["token"].encode()).hexdigest()
    assert (shown["created_at"], shown["expiry"]) == ("2026-11-21T12:00:00.000Z", None)
    assert told(server.post(f"{TOKEN}/admin")) == (409, "token name already exists, _admin")


@row("S140")
def test_a_token_comes_in_these_forms(server: Web, admin: str) -> None:
    for header in (f"Bearer {admin}", f"Token {admin}", basic("x", admin), basic("", admin)):
        answer = server.post(WRITE, content="cpu v=1", headers={"Authorization": header})
        assert told(answer) == (204, "")


@row("S141")
@pytest.mark.parametrize("form", ["bearer T", "Bearer", "Bearer T extra", "Token fake token", "Any T", "Basic !"])
@pytest.mark.parametrize("path", ["/nope", "/api/v2/write?bucket=foo", "/query"])
def test_other_forms_are_malformed(server: Web, admin: str, form: str, path: str) -> None:
    header = form.replace("T", admin) if form.endswith((" T", " extra")) else form
    assert told(server.post(path, headers={"Authorization": header})) == MALFORMED


@row("S142")
def test_another_header_holds_no_token(server: Web, admin: str) -> None:
    answer = server.post(WRITE, content="cpu v=1", headers={"auth": f"Bearer {admin}"})
    assert told(answer) == REFUSED
    assert "www-authenticate" not in answer.headers


@row("S143")
def test_a_token_is_the_password_of_version_1(server: Web, admin: str) -> None:
    def write(parameters: str, headers: dict[str, str]) -> tuple[int, str]:
        return told(server.post(f"{WRITE_V1}{parameters}", content="cpu v=1", headers=headers))

    assert write(f"&u=me&p={admin}", {}) == (204, "")
    assert write(f"&p={admin}", bearer("wrong")) == (204, "")
    assert write(f"&p={admin}", {"Authorization": "no form"}) == (204, "")
    assert write("", bearer(admin)) == (204, "")
    assert write("&u=&p=", bearer(admin)) == (204, "")
    assert write("&p=wrong", bearer(admin)) == REFUSED
    assert write("", {}) == REFUSED
    assert told(server.get("/query?db=foo&q=SELECT+1&p=wrong", headers=bearer(admin))) == REFUSED
    assert server.get(f"/query?db=foo&q=SELECT+1&p={admin}").status_code != 401


@row("S144")
@pytest.mark.parametrize("path", ["/api/v3/query_sql?db=foo&q=SELECT+1", WRITE, "/api/v2/write?bucket=foo"])
def test_elsewhere_a_parameter_is_no_token(server: Web, admin: str, path: str) -> None:
    assert told(server.post(f"{path}&p={admin}")) == REFUSED


@row("S145")
def test_without_token_nobody_learns_which_paths_there_are(server: Web) -> None:
    assert told(server.get("/nope")) == REFUSED


@row("S146")
def test_a_named_token_is_made_once(server: Web, admin: str) -> None:
    named(server, admin, "n1")
    again = server.post(f"{TOKEN}/named_admin", json={"token_name": "n1"}, headers=bearer(admin))
    assert told(again) == (409, "token name already exists, n1")


@row("S147")
def test_a_named_token_expires(server: Web, admin: str, clock: ManualClock) -> None:
    body = {"token_name": "n1", "expiry_secs": 1}
    shown = server.post(f"{TOKEN}/named_admin", json=body, headers=bearer(admin)).json()
    assert shown["expiry"] == "2026-11-21T12:00:01.000Z"
    assert server.get("/nope", headers=bearer(shown["token"])).status_code == 404
    clock.advance(2 * 10**9)
    assert told(server.get("/nope", headers=bearer(shown["token"]))) == REFUSED


@row("S148")
def test_named_tokens_are_deleted(server: Web, admin: str) -> None:
    token = named(server, admin, "n1")
    deleted = [
        told(server.delete(f"{TOKEN}?token_name={name}", headers=bearer(admin))) for name in ("n1", "zz", "_admin")
    ]
    assert deleted == [
        (200, ""),
        (404, "the requested resource was not found: zz"),
        (405, "cannot delete operator token"),
    ]
    assert told(server.get("/nope", headers=bearer(token))) == REFUSED


@row("S149")
def test_the_operator_token_gets_a_new_text(server: Web, admin: str) -> None:
    other = named(server, admin, "n")
    answer = server.post(f"{TOKEN}/admin/regenerate", headers=bearer(admin))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "json")
    tokens = (admin, answer.json()["token"], other)
    assert [server.get("/nope", headers=bearer(token)).status_code for token in tokens] == [401, 404, 404]


@row("S150")
@pytest.mark.parametrize(
    ("method", "path"), [("POST", f"{TOKEN}/admin"), ("GET", f"{TOKEN}/whatever"), ("DELETE", TOKEN)]
)
def test_without_authentication_there_are_no_tokens(tmp_path: Path, method: str, path: str) -> None:
    with web(tmp_path) as server:
        assert told(server.send(method, path)) == (405, "endpoint disabled, started without auth")


@row("S151")
@pytest.mark.parametrize(
    ("opened", "statuses"),
    [
        pytest.param({"health", "ping"}, [200, 200, 200, 401], id="health,ping"),
        pytest.param({"metrics"}, [401, 401, 401, 200], id="metrics"),
        pytest.param({"ready", "pprof", "node_stop"}, [401] * 4, id="what-is-not-here"),
    ],
)
def test_paths_are_opened(tmp_path: Path, opened: set[str], statuses: list[int]) -> None:
    with web(tmp_path, without_auth=False, disable_authz=frozenset(opened)) as server:
        paths = ("/health", "/api/v1/health", "/ping", "/metrics")
        assert [server.get(path).status_code for path in paths] == statuses


@row("S152")
def test_tokens_are_listed_without_their_texts(server: Web, admin: str) -> None:
    other = named(server, admin, "n1", expiry_secs=60)
    answer = server.post(
        "/api/v3/query_sql",
        json={"db": "_internal", "q": "SELECT * FROM system.tokens ORDER BY name", "format": "json"},
        headers=bearer(admin),
    )
    rows = answer.json()
    assert [(r["name"], r["permissions"], r.get("expiry")) for r in rows] == [
        ("_admin", "*:*:*", None),
        ("n1", "*:*:*", "2026-11-21T12:01:00"),
    ]
    assert [r["hash"] for r in rows] == [hashlib.sha512(t.encode()).hexdigest()[:9] for t in (admin, other)]
    assert [name for name in rows[1] if name not in rows[0]] == ["created_by_token_id", "expiry"]
    assert rows[1]["created_by_token_id"] == rows[0]["token_id"]
    assert admin not in answer.text
    assert other not in answer.text
