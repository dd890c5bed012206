"""A server whose first token was made beforehand, and is lost and recovered."""

import json
import select
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.cli import RunCli, cli_runner
from tests.support.engines import eventually
from tests.support.serving import serving

pytestmark = pytest.mark.process


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> RunCli:
    return cli_runner(monkeypatch, capsysbinary)


def token_in(text: str) -> str:
    token: str = json.loads(text[text.index("{") :])["token"]
    return token


def test_a_token_from_a_file_is_lost_and_recovered(cli: RunCli, tmp_path: Path) -> None:  # cli 74, 81, 82
    file, address = tmp_path / "token.json", tmp_path / "recovery"
    made = cli("create", "token", "--admin", "--offline", "--output-file", str(file), "--format", "json")
    old = token_in(made.stdout)
    options = [
        *("--admin-token-file", str(file), "--disable-authz", "health,metrics"),
        *("--admin-token-recovery-http-bind", "127.0.0.1:0"),
        *("--admin-token-recovery-tcp-listener-file-path", str(address)),
    ]
    with serving(tmp_path / "server", *options) as running:
        assert "_admin" in cli("show", "tokens", "--host", running.url, "--token", old).stdout
        opened = {path: httpx.get(f"{running.url}/{path}").status_code for path in ("health", "metrics", "ping")}
        assert opened == {"health": 200, "metrics": 200, "ping": 401}

        recovery = f"http://{address.read_text()}"
        assert httpx.get(f"{recovery}/health").text == "not found"
        assert "longer than 131072 bytes" in headers_without_end(address.read_text())
        renew = ("create", "token", "--admin", "--regenerate", "--format", "json", "--host")
        new = token_in(cli(*renew, recovery, stdin="yes\n").stdout)

        eventually(lambda: is_refused(recovery))
        shown = [cli("show", "databases", "--host", running.url, "--token", token).code for token in (old, new)]
        assert shown == [1, 0]
        log = running.log.read_text()
    assert old not in log
    assert new not in log


def headers_without_end(address: str) -> str:
    """Return the answer to a request whose headers do not end."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(b"a: b\r\n" * 100)
        return connection.recv(65536).decode()


def is_refused(url: str) -> bool:
    """Return whether nobody listens any more; who came while the listener was being closed is cut off, and asks again."""
    try:
        httpx.get(url)
    except httpx.ConnectError:
        return True
    except (httpx.ReadError, httpx.RemoteProtocolError):
        return False
    return False
