"""The server's end of the connection to a plugin host."""

import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.channel import Channel
from engine.host.protocol import Beat, Done, Forget, FromHost, Log, QueryReply, Ready, ToHost
from engine.plugins.wire import LONGEST_MESSAGE_BYTES, Wire, encode_frame


class Ends:
    """A wire and the host's end of it."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.waiting = threading.Event()
        self.wire = Wire(ours, self.waiting.set)
        self.host = Channel(self.theirs, msgspec.msgpack.Decoder(ToHost))

    def close(self) -> None:
        self.wire.close()
        self.theirs.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.host.close()
    made.wire.close()


def received(wire: Wire) -> list[FromHost]:
    messages: list[FromHost] = []
    while (part := wire.receive()) is not None:
        messages += part
    return messages


def test_the_host_reads_what_was_sent(ends: Ends) -> None:
    ends.wire.send(encode_frame(Forget("a")))
    assert ends.host.receive() == Forget("a")
    assert not ends.waiting.is_set()


def test_what_the_host_sent_is_received_and_then_nothing(ends: Ends) -> None:
    for message in (Ready(1), Beat(), Log("r", "INFO", "é")):
        ends.host.send(message)
    assert received(ends.wire) == [Ready(1), Beat(), Log("r", "INFO", "é")]
    assert not ends.wire.has_ended


def test_a_closed_connection_is_an_end_after_its_last_message(ends: Ends) -> None:
    ends.host.send(Beat())
    ends.host.close()
    assert received(ends.wire) == [Beat()]
    assert ends.wire.has_ended


def test_sending_never_waits_and_nothing_is_lost(ends: Ends) -> None:
    large = QueryReply(1, stream=b"x" * 8_000_000)
    ends.wire.send(encode_frame(large))
    ends.wire.send(encode_frame(Forget("after")))
    assert ends.waiting.is_set()
    assert not ends.wire.flush()
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.extend((ends.host.receive(), ends.host.receive())))
    reader.start()
    while not ends.wire.flush():
        pass
    reader.join()
    assert got == [large, Forget("after")]


def test_sending_to_a_host_that_is_gone_does_nothing(ends: Ends) -> None:
    ends.host.close()
    ends.wire.send(encode_frame(Forget("a")))
    assert ends.wire.flush()
    ends.wire.close()
    ends.wire.send(encode_frame(Forget("a")))
    assert ends.wire.flush()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x02\x00\x00\x00\xc1\xc1", id="no-messagepack"),
        pytest.param(b"\x01\x00\x00\x00\x01", id="no-message"),
        pytest.param((LONGEST_MESSAGE_BYTES + 1).to_bytes(4, "little"), id="too-long"),
    ],
)
def test_what_is_no_message_is_said_so(ends: Ends, data: bytes) -> None:
    ends.theirs.sendall(data)
    with pytest.raises(msgspec.DecodeError):
        ends.wire.receive()


MESSAGES = st.one_of(
    st.just(Beat()),
    st.builds(Log, run_id=st.text(max_size=5), level=st.just("INFO"), text=st.text(max_size=300)),
    st.builds(Done, run_id=st.text(max_size=5), cpu_ns=st.integers(0, 2**60)),
)


@given(st.lists(MESSAGES, max_size=8), st.lists(st.integers(1, 400), max_size=12))
def test_messages_come_whole_however_they_are_cut(messages: list[FromHost], cuts: list[int]) -> None:
    ends = Ends()
    encoder = msgspec.msgpack.Encoder()
    bodies = [encoder.encode(message) for message in messages]
    data = b"".join(len(body).to_bytes(4, "little") + body for body in bodies)
    got: list[FromHost] = []
    for size in [*cuts, len(data)]:
        part, data = data[:size], data[size:]
        ends.theirs.sendall(part)
        got += received(ends.wire)
    ends.close()
    assert got == messages
