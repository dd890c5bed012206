import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from uvicorn.server import ServerState

from engine.server.first_bytes import FirstBytes, Speaks, spoken
from engine.server.grpc import GrpcSide
from engine.server.http2 import PREFACE
from engine.server.patience import HEAD_S
from tests.support.engines import open_engine
from tests.support.flight import FlightClient
from tests.support.listening import listening
from tests.support.loop_time import OwnedTime, run_in_owned_time
from tests.support.pipes import Pipe

SETTINGS, PING, ACK = 4, 6, 1

HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Speaks.GRPC, id="preface"),
        pytest.param(b"PRI * HTTP/2.0", Speaks.GRPC, id="enough-of-it"),
        pytest.param(b"P", None, id="POST-or-PRI"),
        pytest.param(b"PRI * HTTP/2.", None, id="nearly"),
        pytest.param(b"PO", Speaks.HTTP, id="POST"),
        pytest.param(b"GET / HTTP/1.1", Speaks.HTTP, id="GET"),
        pytest.param(b"PRI * HTTP/1.1", Speaks.HTTP, id="another-version"),
        pytest.param(b"\x16\x03\x01", Speaks.HTTP, id="TLS"),
    ],
)
def test_what_a_connection_speaks(first: bytes, expected: Speaks | None) -> None:
    assert spoken(first) is expected


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with open_engine(tmp_path) as engine, listening(engine) as url:
        yield int(url.rpartition(":")[2])


def answer(port: int, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_http_that_comes_byte_by_byte_is_understood(port: int) -> None:
    assert answer(port, *(HEALTH[n : n + 1] for n in range(len(HEALTH)))).startswith(b"HTTP/1.1 200")


def test_a_request_whose_method_begins_as_the_preface_is_http(port: int) -> None:
    request = (
        b"POST /api/v3/write_lp?db=foo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\ncpu v=1 1"
    )
    assert answer(port, request[:1], request[1:]).startswith(b"HTTP/1.1 204")


def test_what_is_neither_is_refused(port: int) -> None:
    assert answer(port, b"\x16\x03\x01\x02\x00\x01\x00").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("said", [b"", b"P", b"PRI * HTTP"])
def test_a_connection_that_does_not_say_what_it_speaks_ends(said: bytes) -> None:
    async def go(loop: OwnedTime) -> None:
        state = ServerState()
        connection, pipe = FirstBytes(GrpcSide(), {"server_state": state}), Pipe()
        connection.connection_made(pipe)
        if said:
            connection.data_received(said)
        await loop.pass_s(HEAD_S - 1)
        assert not pipe.is_closing()
        assert state.connections == {connection}
        await loop.pass_s(1)
        assert pipe.is_closing()
        connection.connection_lost(None)
        assert state.connections == set()

    run_in_owned_time(go)


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags, 0, 0, 0, 0)) + payload


def test_a_grpc_client_may_ask_as_often_as_it_likes_whether_the_connection_lives(port: int) -> None:
    wanted = [frame(PING, number.to_bytes(8), ACK) for number in range(50)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(PREFACE + frame(SETTINGS))
        heard = b""
        for number, answer in enumerate(wanted):
            connection.sendall(frame(PING, number.to_bytes(8)))
            while answer not in heard:
                more = connection.recv(65536)
                assert more, "the server has ended the connection"
                heard += more
    assert b"too_many_pings" not in heard


def test_pings_do_not_disturb_rows(port: int) -> None:
    eager = [("grpc.keepalive_time_ms", 1), ("grpc.http2.max_pings_without_data", 0)]
    with FlightClient(f"http://127.0.0.1:{port}", generic_options=eager) as client:
        rows = client.rows("SELECT value FROM generate_series(1, 1000000)", database="_internal")
    assert rows["value"].to_pylist() == list(range(1, 1000001))


def test_a_connection_that_says_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine, listening(engine) as url:
        silent = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)
    with silent:
        assert silent.recv(1) == b""
