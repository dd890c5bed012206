from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.server.http2 import PREFACE, Gaps, Pings, ping_answer

DATA, HEADERS, SETTINGS, PUSH_PROMISE, PING, CONTINUATION = 0, 1, 4, 5, 6, 9
ACK, END_HEADERS = 1, 4


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


PINGS = st.binary(min_size=8, max_size=8).map(lambda payload: frame(PING, payload))
OTHERS = st.one_of(
    st.builds(frame, st.sampled_from([DATA, SETTINGS, 200]), st.binary(max_size=40), st.integers(0, 255)),
    st.builds(frame, st.just(PING), st.binary(min_size=8, max_size=8), st.just(ACK)),
    st.builds(frame, st.just(PING), st.binary(max_size=7)),
    st.builds(frame, st.just(PING), st.binary(min_size=8, max_size=8), st.just(0), st.integers(1, 2**31 - 1)),
)
CUTS = st.lists(st.integers(0, 2000), max_size=12)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Return ``data`` cut at these places; no piece is empty."""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return (data[begin:end] for begin, end in pairwise(places))


@given(st.lists(st.tuples(st.booleans(), PINGS, OTHERS), max_size=12), CUTS)
def test_pings_are_taken_out_and_all_else_goes_on(frames: list[tuple[bool, bytes, bytes]], cuts: list[int]) -> None:
    sent = PREFACE + b"".join(ping if is_ping else other for is_ping, ping, other in frames)
    walk, kept, pings = Pings(), b"", list[bytes]()
    for piece in pieces(sent, cuts):
        more, found = walk.feed(piece)
        kept += more
        pings += found
    assert kept == PREFACE + b"".join(other for is_ping, _, other in frames if not is_ping)
    assert pings == [ping[-8:] for is_ping, ping, _ in frames if is_ping]


@given(st.lists(st.one_of(PINGS, OTHERS), min_size=1, max_size=12), CUTS)
def test_gaps_are_where_frames_end(frames: list[bytes], cuts: list[int]) -> None:
    ends, at = set(), 0
    for one in frames:
        at += len(one)
        ends.add(at)
    walk, at = Gaps(), 0
    assert not walk.is_between
    for piece in pieces(b"".join(frames), cuts):
        found = walk.feed(piece)
        inside = [end - at for end in ends if at < end <= at + len(piece)]
        assert found == max(inside, default=None)
        at += len(piece)
        assert walk.is_between == (at in ends)


@pytest.mark.parametrize("kind", [HEADERS, PUSH_PROMISE])
def test_nothing_stands_between_headers_and_their_rest(kind: int) -> None:
    walk = Gaps()
    assert walk.feed(frame(kind, b"abc")) is None
    assert not walk.is_between
    assert walk.feed(frame(CONTINUATION, b"d")) is None
    rest = frame(CONTINUATION, b"e", END_HEADERS)
    assert walk.feed(rest) == len(rest)
    assert walk.is_between


def test_an_answer_is_the_ping_with_its_flag() -> None:
    assert ping_answer(b"12345678") == frame(PING, b"12345678", ACK)
