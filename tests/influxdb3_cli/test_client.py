import json
from collections.abc import Iterator

import pytest

from influxdb3_cli.client import InfluxClient, WriteOptions
from influxdb3_cli.errors import AnswerBroken, AnswerUnusable, CommandFailed, ServerRefused
from tests.support.scripted_server import Reply, ScriptedServer


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[InfluxClient]:
    with InfluxClient(server.url, None) as connected:
        yield connected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"plain text", "plain text", id="text"),
        pytest.param(b'{"message":"told"}', "told", id="message-member"),
        pytest.param(
            b'{"error": "the request was not authenticated"}',
            '{"error": "the request was not authenticated"}',
            id="other-json",
        ),
        pytest.param(b'{"message":1}', '{"message":1}', id="message-that-is-no-text"),
        pytest.param(b"[1]", "[1]", id="list"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"\xff", "\N{REPLACEMENT CHARACTER}", id="not-utf-8"),
    ],
)
def test_a_refusal_tells_what_the_body_says(
    client: InfluxClient, server: ScriptedServer, body: bytes, message: str
) -> None:
    server.replies.append(Reply(401, body))
    with pytest.raises(ServerRefused) as refused:
        client.create_database("foo")
    assert (refused.value.status, refused.value.message) == (401, message)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_no_other_answer_passes_for_success(client: InfluxClient, server: ScriptedServer, status: int) -> None:
    server.replies.append(Reply(status))
    with pytest.raises(ServerRefused):
        client.write_lp("foo", b"m f=1", WriteOptions())


def test_what_is_not_utf_8_is_not_sent(client: InfluxClient, server: ScriptedServer) -> None:
    for call in (client.create_database, client.delete_database):
        with pytest.raises(CommandFailed, match="not UTF-8"):
            call("\udcff")
    assert not server.requests


@pytest.mark.parametrize(("token", "header"), [(None, None), ("apiv3_x", "Bearer apiv3_x"), ("", "Bearer ")])
def test_the_token_goes_with_every_request(server: ScriptedServer, token: str | None, header: str | None) -> None:
    with InfluxClient(server.url, token) as client:
        client.delete_table("foo", "bar")
    sent = server.request.headers.get("authorization")
    assert (sent if sent is None else sent.rstrip()) == (header if header is None else header.rstrip())


def test_requests_of_json_say_so_also_without_a_body(client: InfluxClient, server: ScriptedServer) -> None:
    client.delete_table("foo", "bar")
    client.enable_trigger("foo", "t")
    client.write_lp("foo", b"m f=1", WriteOptions())
    assert [request.headers.get("content-type") for request in server.requests] == [
        "application/json",
        "application/json",
        None,
    ]


def test_names_are_escaped_in_the_query_string(client: InfluxClient, server: ScriptedServer) -> None:
    client.disable_trigger("my db", "a&b=c/ä")
    assert server.request.parameters == {"db": "my db", "trigger_name": "a&b=c/ä"}


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"token":1}', b"{}"])
def test_an_answer_that_is_not_as_it_should_be_is_an_error(
    client: InfluxClient, server: ScriptedServer, body: bytes
) -> None:
    server.replies.append(Reply(201, body))
    with pytest.raises(AnswerUnusable, match="failed to parse JSON response: "):
        client.create_admin_token()


def test_an_answer_that_breaks_off_is_an_error(client: InfluxClient, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, b"x" * 100_000, is_broken=True))
    with pytest.raises(AnswerBroken), client.query_sql("foo", "SELECT 1", "json") as body:
        list(body)


def test_a_url_that_only_the_http_library_refuses_is_named() -> None:
    with pytest.raises(CommandFailed, match=r'"http://ä\.\.b" is not a URL'):
        InfluxClient("http://ä..b", None)


def test_progress_of_an_installation_comes_line_by_line(client: InfluxClient, server: ScriptedServer) -> None:
    events: list[dict[str, str]] = [{"line": "Collecting pandas"}, {"line": ""}, {"line": "ä"}, {"status": "ok"}]
    body = "\n".join(json.dumps(event) for event in events).encode()
    server.replies.append(Reply(200, body, {"Content-Type": "application/jsonl"}))
    assert list(client.install_packages(["pandas"])) == ["Collecting pandas", "", "ä"]
    assert server.request.headers["accept"] == "application/jsonl"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"line":"a"}\n{"status":"error","message":"pip ended with 1"}\n', "pip ended with 1"),
        (b'{"line":"a"}\n', "the server's answer ended early: .*"),
        (b"what\n", "failed to parse JSON response: .*"),
        (b'{"status":"error"}\n', "failed to parse JSON response: no str under .*"),
    ],
)
def test_an_installation_that_does_not_end_well_is_an_error(
    client: InfluxClient, server: ScriptedServer, body: bytes, error: str
) -> None:
    server.replies.append(Reply(200, body, {"Content-Type": "application/jsonl"}))
    with pytest.raises(CommandFailed, match=f"^{error}$"):
        list(client.install_requirements("r.txt"))
    assert server.request.json == {"requirements_location": "r.txt"}
