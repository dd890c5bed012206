"""Frames between the server and its child processes."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.child_process import receive_frame, send_frame


@given(kind=st.binary(min_size=1, max_size=1), parts=st.lists(st.binary(max_size=300), max_size=4))
def test_a_frame_arrives_as_it_was_sent(kind: bytes, parts: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_frame(ours, kind, *parts)
        assert receive_frame(theirs) == (kind, b"".join(parts))


def test_a_frame_larger_than_the_socket_arrives_whole() -> None:
    ours, theirs = socket.socketpair()
    body = bytes(range(256)) * 20_000
    with ours, theirs:
        sending = threading.Thread(target=send_frame, args=(ours, b"B", memoryview(body)))
        sending.start()
        assert receive_frame(theirs) == (b"B", body)
        sending.join()


@pytest.mark.parametrize("sent", [b"", b"B\0\0", b"B" + (9).to_bytes(8, "big") + b"four"])
def test_the_end_of_the_other_side_is_told(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(sent)
        ours.close()
        with pytest.raises(EOFError):
            receive_frame(theirs)
