import json
import stat
from pathlib import Path

import pytest

from engine.model.tokens import decode_offline_token
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

TOKENS = "/api/v3/configure/token"
MADE = Reply(201, b'{"id":1,"token":"apiv3_new"}', {"content-type": "json"})
ASKED = "Are you sure you want to regenerate admin token? Enter 'yes' to confirm\n"


@pytest.fixture
def connected(server: ScriptedServer, cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> RunCli:
    monkeypatch.setenv("INFLUXDB3_HOST_URL", server.url)
    return cli


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        ([], "/admin", b""),
        (["--name", "ops"], "/named_admin", {"token_name": "ops", "expiry_secs": None}),
        (["--name", "ops", "--expiry", "1h 30m"], "/named_admin", {"token_name": "ops", "expiry_secs": 5400}),
        (["--regenerate"], "/admin/regenerate", b""),
    ],
)
def test_a_token_is_asked_for(
    connected: RunCli, server: ScriptedServer, arguments: list[str], path: str, body: object
) -> None:
    server.replies.append(MADE)
    result = connected("create", "token", "--admin", *arguments, "--format", "json", stdin="yes\n")
    assert result.code == 0
    assert result.stdout.startswith(ASKED) == ("--regenerate" in arguments)
    assert json.loads(result.stdout.removeprefix(ASKED))["token"] == "apiv3_new"
    assert (server.request.method, server.request.path) == ("POST", TOKENS + path)
    assert (server.request.json if isinstance(body, dict) else server.request.body) == body


@pytest.mark.parametrize("answer", ["no\n", "YES\n", "y\n", ""])
def test_no_token_is_renewed_without_a_yes(connected: RunCli, server: ScriptedServer, answer: str) -> None:  # cli 75
    result = connected("create", "token", "--admin", "--regenerate", stdin=answer)
    reason = 'Failed to create token, error: "Cannot regenerate token without confirmation"\n'
    assert (result.code, result.stdout, server.requests) == (1, ASKED + reason, [])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "error: Missing required subcommand. Use: influxdb3 create token --admin [OPTIONS]"),
        (["--name", "x"], "error: Missing required subcommand."),
        (["--admin", "--name", "x", "--regenerate"], "--regenerate cannot be used with --name"),
        (["--admin", "--expiry", "1h"], "the operator token is valid for ever; say --name NAME"),
        (["--admin", "--name", "x", "--expiry", "soon"], "'soon'"),
        (["--admin", "--offline"], "where to? Say --output-file FILE"),
        (["--admin", "--output-file", "t"], "only with --offline"),
        (["--admin", "--offline", "--output-file", "t", "--regenerate"], "only a server can do that"),
    ],
)
def test_options_that_do_not_fit_are_told(
    connected: RunCli, server: ScriptedServer, arguments: list[str], reason: str
) -> None:
    result = connected("create", "token", *arguments)
    told = " ".join(result.stderr.split())
    assert (result.code, reason in told, server.requests) == (2, True, [])


@pytest.mark.parametrize(
    ("arguments", "name", "expires"),
    [([], "_admin", False), (["--name", "ops"], "ops", False), (["--name", "ops", "--expiry", "1h"], "ops", True)],
)
def test_a_token_is_made_into_a_file(
    cli: RunCli, tmp_path: Path, arguments: list[str], name: str, expires: bool
) -> None:  # cli 81
    file = tmp_path / "token.json"
    file.write_text("an older one")
    result = cli("create", "token", "--admin", "--offline", "--output-file", str(file), *arguments)
    made = decode_offline_token(file.read_bytes())
    assert result.code == 0
    assert result.stdout.startswith(f"Token saved to: {file}\n")
    assert made.token in result.stdout
    assert (made.name, made.expiry_ms is not None) == (name, expires)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir() if "token" in path.name] == ["token.json"]


def test_a_file_that_cannot_be_written_is_told(cli: RunCli, tmp_path: Path) -> None:
    result = cli("create", "token", "--admin", "--offline", "--output-file", str(tmp_path / "no" / "t"))
    assert result.code == 1
    assert result.stdout.startswith('Failed to create token, error: "io error: ')


@pytest.mark.parametrize(("arguments", "answer"), [(["--yes"], ""), ([], "Yes\n"), ([], "y\n")])
def test_a_token_is_deleted(
    connected: RunCli, server: ScriptedServer, arguments: list[str], answer: str
) -> None:  # cli 80
    server.replies.append(Reply(200))
    result = connected("delete", "token", "--token-name", "a b", *arguments, stdin=answer)
    assert (result.code, result.stdout) == (0, 'Token "a b" deleted successfully\n')
    asked = "Are you sure you want to delete \"a b\"? Enter 'yes' or 'y' to confirm\n"
    assert result.stderr == ("" if arguments else asked)
    assert (server.request.method, server.request.path) == ("DELETE", TOKENS)
    assert server.request.parameters == {"token_name": "a b"}


def test_no_token_is_deleted_without_a_yes(connected: RunCli, server: ScriptedServer) -> None:
    result = connected("delete", "token", "--token-name", "n", stdin="")
    assert (result.code, server.requests) == (1, [])
    assert "Delete command failed: Cannot proceed without confirmation" in result.stderr


def test_the_operator_token_stays(connected: RunCli, server: ScriptedServer) -> None:  # cli 79
    result = connected("delete", "token", "--token-name", "_admin")
    assert (result.code, server.requests) == (0, [])
    assert result.stdout == (
        'The operator token "_admin" is required and cannot be deleted. To regenerate an operator token, use: '
        "influxdb3 create token --admin --regenerate --token [TOKEN]\n"
    )


def test_tokens_are_shown(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, b"rows"))
    assert connected("show", "tokens").stdout == "rows\n"
    assert "system.tokens" in str(server.request.parameters) + server.request.body.decode()
