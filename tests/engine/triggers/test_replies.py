from concurrent.futures import Future

import pytest

from engine.errors import PluginFailed, Unavailable
from engine.host.protocol import Response
from engine.triggers.replies import LONGEST_REPETITION_NS, AnswerBroken, Parts, PendingReply, StreamedResponse
from tests.support.clock import ManualClock

HEAD = Response(201, [("X-A", "1")], b"")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0)


@pytest.fixture
def reply(clock: ManualClock) -> PendingReply:
    return PendingReply(clock)


def streamed(reply: PendingReply) -> Parts:
    answer = reply.future.result(0)
    assert isinstance(answer, StreamedResponse)
    assert (answer.status, answer.headers) == (201, [("X-A", "1")])
    return answer.parts


def outcome(future: "Future[bytes | None]") -> bytes | str | None:
    error = future.exception(0)
    return f"{type(error).__name__}: {error}" if error else future.result()


def test_an_answer_that_is_whole_is_given_once(reply: PendingReply) -> None:
    reply.answer(Response(200, [], b"a"))
    reply.refuse(Unavailable("late"))
    assert reply.future.result(0) == Response(200, [], b"a")
    assert not reply.has_begun


def test_parts_come_in_order_and_the_end_after_them(reply: PendingReply) -> None:
    assert not reply.part(HEAD, b"a").done()
    assert reply.has_begun
    parts = streamed(reply)
    assert outcome(parts.take()) == b"a"
    coming = parts.take()
    assert not coming.done()
    reply.part(None, b"b")
    assert outcome(coming) == b"b"
    last = parts.take()
    reply.answer(Response(201, [], b"rest"))
    assert [outcome(last), outcome(parts.take()), outcome(parts.take())] == [b"rest", None, None]


def test_a_part_is_taken_when_the_client_comes_for_the_next(reply: PendingReply) -> None:
    taken = reply.part(HEAD, b"a")
    parts = streamed(reply)
    parts.take()
    assert not taken.done()
    parts.take()
    assert taken.result(0) is True


def test_a_failure_half_way_ends_the_answer_after_what_came_before(reply: PendingReply) -> None:
    reply.part(HEAD, b"a")
    reply.refuse(PluginFailed("ValueError: x"))
    parts = streamed(reply)
    assert [outcome(parts.take()), outcome(parts.take())] == [b"a", "AnswerBroken: ValueError: x"]


def test_a_client_that_leaves_wants_no_more(reply: PendingReply) -> None:
    first = reply.part(HEAD, b"a")
    parts = streamed(reply)
    parts.take()
    second = reply.part(None, b"b")
    parts.leave()
    assert [future.result(0) for future in (first, second, reply.part(None, b"c"))] == [False, False, False]


def test_a_client_that_left_before_the_answer_gets_nothing(reply: PendingReply) -> None:
    assert reply.is_wanted
    assert reply.future.cancel()
    assert not reply.is_wanted
    assert reply.part(HEAD, b"a").result(0) is False
    reply.answer(Response(200, [], b""))
    other = PendingReply(ManualClock(0))
    other.future.cancel()
    other.answer(Response(200, [], b""))
    other.refuse(Unavailable("x"))


def test_a_part_that_a_cancelled_taker_missed_counts_as_not_wanted(reply: PendingReply) -> None:
    first = reply.part(HEAD, b"a")
    parts = streamed(reply)
    parts.take()
    coming = parts.take()
    assert first.result(0) is True
    coming.cancel()
    second = reply.part(None, b"b")
    parts.leave()
    assert second.result(0) is False


def test_a_repetition_cannot_go_out_behind_what_is_out(reply: PendingReply) -> None:
    """It may yield as much as had gone out before, so that what ended its host then can show again."""
    reply.part(HEAD, b"abc")
    parts = streamed(reply)
    assert outcome(parts.take()) == b"abc"
    assert reply.part(HEAD, b"ab").result(0) is True
    assert str(outcome(parts.take())).startswith("AnswerBroken: ")
    assert reply.part(None, b"c").result(0) is True
    assert reply.part(None, b"d").result(0) is False
    reply.answer(Response(201, [], b""))


def test_a_repetition_that_takes_long_is_not_wanted(reply: PendingReply, clock: ManualClock) -> None:
    reply.part(HEAD, b"abc")
    assert reply.part(HEAD, b"a").result(0) is True
    clock.advance(LONGEST_REPETITION_NS)
    assert reply.part(None, b"b").result(0) is False


def test_a_broken_answer_is_an_error_of_the_plugin() -> None:
    parts = Parts()
    parts.fail(AnswerBroken("x"))
    assert isinstance(parts.take().exception(0), AnswerBroken)
    assert parts.put(b"late").result(0) is False
