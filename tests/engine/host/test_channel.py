import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.channel import MOST_KEPT_BYTES, Channel
from engine.host.protocol import FromHost, Log, QueryReply, Stop, ToHost

Pair = tuple[Channel[FromHost], Channel[ToHost]]


def make_pair() -> Pair:
    ours, theirs = socket.socketpair()
    return Channel(ours, msgspec.msgpack.Decoder(FromHost)), Channel(theirs, msgspec.msgpack.Decoder(ToHost))


@pytest.fixture
def pair() -> Iterator[Pair]:
    server, host = make_pair()
    yield server, host
    server.close()
    host.close()


@given(st.lists(st.text(), max_size=5))
def test_messages_arrive_whole_and_in_order(texts: list[str]) -> None:
    server, host = make_pair()
    for text in texts:
        host.send(Log("r", "INFO", text))
    assert [server.receive() for _ in texts] == [Log("r", "INFO", text) for text in texts]
    host.close()
    assert server.receive() is None
    server.close()


def test_message_larger_than_all_buffers_arrives(pair: Pair) -> None:
    server, host = pair
    message = QueryReply(1, b"x" * (3 * MOST_KEPT_BYTES))
    sender = threading.Thread(target=server.send, args=(message,))
    sender.start()
    assert host.receive() == message
    sender.join()
    server.send(Stop())
    assert host.receive() == Stop()


def test_messages_of_many_threads_do_not_mix(pair: Pair) -> None:
    server, host = pair
    senders = [
        threading.Thread(target=lambda n=n: [host.send(Log(str(n), "INFO", str(n) * 5000)) for _ in range(50)])
        for n in range(4)
    ]
    for sender in senders:
        sender.start()
    found = [server.receive() for _ in range(200)]
    assert all(isinstance(m, Log) and m.text == m.run_id * 5000 for m in found)


def test_message_that_cannot_travel_sends_nothing(pair: Pair) -> None:
    server, host = pair
    with pytest.raises(UnicodeEncodeError):
        host.send(Log("r", "INFO", "\udcff"))
    host.send(Log("r", "INFO", "fine"))
    assert server.receive() == Log("r", "INFO", "fine")


@pytest.mark.parametrize("sent", [b"", b"\x10", b"\x10\x00\x00\x00abc"])
def test_end_within_a_message_is_an_end(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    reader: Channel[FromHost] = Channel(ours, msgspec.msgpack.Decoder(FromHost))
    theirs.sendall(sent)
    theirs.close()
    assert reader.receive() is None
    reader.close()


def test_what_is_no_message_is_refused() -> None:
    ours, theirs = socket.socketpair()
    reader: Channel[FromHost] = Channel(ours, msgspec.msgpack.Decoder(FromHost))
    theirs.sendall(b"\x01\x00\x00\x00\x01")
    with pytest.raises(msgspec.DecodeError):
        reader.receive()
    reader.close()
    theirs.close()


def test_child_of_a_child_finds_the_connection_let_go(pair: Pair) -> None:
    _, host = pair
    host.abandon()
    host.abandon()  # each fork does it, also that of a process that has done it
    with pytest.raises(OSError, match="Bad file descriptor"):
        host.send(Log("r", "INFO", "x"))
