"""TLS: both protocols on the one port, and commands that trust the server."""

import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import Certificates, certificates
from tests.support.flight import FlightClient
from tests.support.serving import PROGRAM, Serving, clean_environment, launch

pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Secured:
    """A server with TLS."""

    serving: Serving
    files: Certificates

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def port(self) -> int:
        return int(self.serving.url.rpartition(":")[2])

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.files.ca)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    files = certificates(folder)
    launched = launch(folder, "--without-auth", "--tls-key", str(files.key), "--tls-cert", str(files.cert))
    try:
        yield Secured(launched.listening(), files)
    finally:
        launched.end()


def test_http_and_flight(secured: Secured) -> None:
    with httpx.Client(base_url=secured.url, verify=secured.trusting()) as client:
        lines = "\n".join(f"cpu,host=h{n} v={n} {n + 1}" for n in range(5000))
        assert client.post("/api/v3/write_lp?db=foo", content=lines).status_code == 204
        answer = client.get("/api/v3/query_sql", params={"db": "foo", "q": "SELECT count(*) AS n FROM cpu"})
        assert answer.json() == [{"n": 5000}]
    with FlightClient(secured.url, tls_root_certs=secured.files.ca.read_bytes()) as flight:
        assert flight.rows("SELECT * FROM cpu").num_rows == 5000


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], "h2"), ([], None)],
)
def test_who_speaks_both_gets_http(secured: Secured, offered: list[str], chosen: str | None) -> None:
    context = secured.trusting()
    if offered:
        context.set_alpn_protocols(offered)
    with (
        socket.create_connection(("127.0.0.1", secured.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == chosen


def test_who_does_not_encrypt_is_not_answered(secured: Secured) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{secured.port}/health")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param([], 1, id="nobody"),
        pytest.param(["--tls-ca", "ca.pem"], 0, id="authority"),
        pytest.param(["--tls-no-verify"], 0, id="anybody"),
        pytest.param(["--tls-ca", "server.key"], 1, id="no-certificate"),
    ],
)
def test_commands_trust(secured: Secured, options: list[str], code: int) -> None:
    folder = secured.files.ca.parent
    words = [PROGRAM, "show", "databases", "--host", secured.url, *options]
    ended = subprocess.run(words, cwd=folder, env=clean_environment(folder), capture_output=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert b"Traceback" not in ended.stderr


def test_an_idle_client_does_not_hold_up_the_end(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    launched = launch(tmp_path, "--without-auth", "--tls-key", str(files.key), "--tls-cert", str(files.cert))
    secured = Secured(launched.listening(), files)
    with httpx.Client(verify=secured.trusting()) as client:
        assert client.get(f"{secured.url}/health").status_code == 200
        launched.process.send_signal(signal.SIGTERM)
        assert launched.process.wait(10) == 0  # the timeout for what is under way is 30 s
