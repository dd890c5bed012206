from engine.server.http2 import PREFACE, ping_answer
from engine.server.pipe import MOST_PINGS, ClientEnd, ServerEnd
from tests.support.pipes import Pipe

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
DATA = b"\0\0\4\0\0\0\0\0\1abcd"


def ping(number: int) -> bytes:
    return b"\0\0\x08\6\0\0\0\0\0" + number.to_bytes(8)


def answer(number: int) -> bytes:
    return ping_answer(number.to_bytes(8))


class Joined:
    """Both ends of a pipe: ``client`` and ``server`` are what goes out there."""

    def __init__(self) -> None:
        self.client, self.server = Pipe(), Pipe()
        self.server_end = ServerEnd(self.client)
        self.client_end = ClientEnd(self.server, self.server_end)
        self.client_end.data_received(PREFACE)
        self.server_end.data_received(SETTINGS)
        self.client.sent = self.server.sent = b""


def test_a_ping_is_answered_at_once_and_does_not_go_on() -> None:
    pipe = Joined()
    pipe.client_end.data_received(ping(1) + DATA + ping(2))
    assert (pipe.client.sent, pipe.server.sent) == (answer(1) + answer(2), DATA)


def test_an_answer_waits_for_the_end_of_a_frame() -> None:
    pipe = Joined()
    pipe.server_end.data_received(DATA[:5])
    pipe.client_end.data_received(ping(1))
    assert pipe.client.sent == DATA[:5]
    pipe.server_end.data_received(DATA[5:] + DATA[:3])
    assert pipe.client.sent == DATA + answer(1) + DATA[:3]


def test_no_answer_comes_before_the_first_frame_of_the_server() -> None:
    client = Pipe()
    end = ServerEnd(client)
    end.answer([bytes(8)])
    assert client.sent == b""
    end.data_received(SETTINGS)
    assert client.sent == SETTINGS + answer(0)


def test_a_client_that_takes_nothing_is_answered_later() -> None:
    pipe = Joined()
    pipe.client_end.pause_writing()
    pipe.client_end.data_received(ping(1))
    assert pipe.client.sent == b""
    pipe.client_end.resume_writing()
    assert pipe.client.sent == answer(1)


def test_a_client_that_takes_nothing_and_asks_without_end_is_cut_off() -> None:
    pipe = Joined()
    pipe.client_end.pause_writing()
    for number in range(MOST_PINGS + 1):
        assert not pipe.client.is_closing()
        pipe.client_end.data_received(ping(number))
    assert pipe.client.is_closing()
