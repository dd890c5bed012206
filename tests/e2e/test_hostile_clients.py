"""Clients that mean harm, by their bodies, headers and slowness: refused, in bounded memory, while others are served."""

import gzip
import re
import select
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

SIDE_BY_SIDE = 4
MOST_MORE_BYTES = 150 * 2**20
"""So much more memory all attackers of a kind together may take: four bodies, as sent and decompressed."""

SLOW_CLIENTS = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("hostile-clients"), "--without-auth") as running:
        lines = "\n".join(f"cpu,host=h{number} v={number} {number}" for number in range(50_000))
        assert httpx.post(f"{running.url}/api/v3/write_lp?db=foo", content=lines, timeout=60).status_code == 204
        assert served(running)
        yield running


def served(server: Serving) -> bool:
    """Return whether somebody who means well is served."""
    wrote = httpx.post(f"{server.url}/api/v3/write_lp?db=foo", content="cpu,host=me v=1 1", timeout=20)
    asked = httpx.get(f"{server.url}/api/v3/query_sql?db=foo&q=SELECT+v+FROM+cpu+WHERE+host='me'", timeout=20)
    return (wrote.status_code, asked.json()) == (204, [{"v": 1.0}])


def peak_bytes(server: Serving) -> int:
    """Return the most memory that the server had since ``forget_peak``."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def forget_peak(server: Serving) -> int:
    """Let the peak be what the server has now, and return that."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak_bytes(server)


def connect(server: Serving) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def bomb(server: Serving, path: str) -> str:
    """Send 9 MB that become 9 GB; return status and text."""
    content = gzip.compress(bytes(2**20)) * 9000
    answer = httpx.post(f"{server.url}{path}", content=content, headers={"content-encoding": "gzip"}, timeout=60)
    return f"{answer.status_code} {answer.text}"


def endless(server: Serving, head: bytes, piece: bytes) -> str:
    """Send ``piece`` again and again until there is an answer; return that."""
    with connect(server) as connection:
        connection.sendall(head)
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(piece)
        return connection.recv(65536).decode()


CHUNKED = b"POST %b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
ATTACKS: list[tuple[str, Callable[[Serving], str], str]] = [
    ("bomb of lines", lambda server: bomb(server, "/api/v3/write_lp?db=foo"), r"413 max request size"),
    ("bomb of version 2", lambda server: bomb(server, "/api/v2/write?bucket=foo"), r"413 .*max request size"),
    ("bomb as a query", lambda server: bomb(server, "/api/v3/query_sql"), r"413 max request size"),
    (
        "headers without end",
        lambda server: endless(server, b"GET /health HTTP/1.1\r\n", b"a: b\r\n" * 500),
        r"HTTP/1.1 400 ",
    ),
    (
        "a header without end",
        lambda server: endless(server, b"GET /health HTTP/1.1\r\na: ", b"a" * 4096),
        r"HTTP/1.1 400 ",
    ),
    ("a target without end", lambda server: endless(server, b"GET /", b"a" * 4096), r"HTTP/1.1 400 "),
    (
        "lines without end",
        lambda server: endless(server, CHUNKED % b"/api/v3/write_lp?db=foo", CHUNK),
        r"HTTP/1.1 413 ",
    ),
    ("a query without end", lambda server: endless(server, CHUNKED % b"/api/v3/query_sql", CHUNK), r"HTTP/1.1 413 "),
    ("a body nobody asked for", lambda server: endless(server, CHUNKED % b"/nope", CHUNK), r"HTTP/1.1 404 "),
]


@pytest.mark.parametrize(("attack", "expected"), [pytest.param(a, e, id=name) for name, a, e in ATTACKS])
def test_what_has_no_end_is_refused_in_bounded_memory(
    server: Serving, attack: Callable[[Serving], str], expected: str
) -> None:
    before = forget_peak(server)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        attacking = [pool.submit(attack, server) for _ in range(SIDE_BY_SIDE)]
        assert served(server)
        answers = [one.result(60) for one in attacking]
    assert [answer for answer in answers if not re.match(expected, answer, re.DOTALL)] == []
    assert [answer for answer in answers if "Traceback" in answer or ".py" in answer] == []
    assert peak_bytes(server) - before < MOST_MORE_BYTES


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PRI * HT", id="perhaps gRPC"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="gRPC"),
        pytest.param(b"GET /health HTTP/1.1\r\nhost: x\r\na: ", id="a header"),
        pytest.param(b"POST /write?db=foo HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\ncpu ", id="a body"),
    ],
)
def test_many_slow_clients_hold_up_nobody(server: Serving, begin: bytes) -> None:
    before = forget_peak(server)
    with ExitStack() as connected:
        for _ in range(SLOW_CLIENTS):
            connected.enter_context(connect(server)).sendall(begin)
        assert served(server)
        assert peak_bytes(server) - before < MOST_MORE_BYTES / 4
    assert served(server)


def test_nothing_of_it_is_an_error_in_the_log(server: Serving) -> None:
    text = server.log.read_text()
    assert "Traceback" not in text
    assert " ERROR " not in text
