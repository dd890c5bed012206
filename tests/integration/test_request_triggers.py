"""Requests on their way to plugins and back: who waits, who is turned away, what becomes of clients that leave."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from engine.errors import PluginFailed, PluginTimedOut, TriggerIsOff, Unavailable
from engine.host.protocol import RequestData, Response
from engine.triggers.replies import Answered, StreamedResponse
from engine.triggers.requests import MOST_WAITING, MOST_WAITING_BYTES
from tests.support.node import DATABASE, Node

HEAD = Response(200, [], b"")
WAIT_S = 10.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path / "node")
    yield opened
    opened.close()


def ask(node: Node, path: str = "hook", body: bytes = b"") -> "Future[Answered]":
    return node.engine.request(path, RequestData({}, {}, body))


def done(text: bytes = b"done") -> Response:
    return Response(200, [], text)


def test_a_request_whose_client_has_gone_is_not_run(node: Node) -> None:
    node.trigger("r", "request:hook")
    replies = [ask(node, body=b"%d" % number) for number in range(3)]
    assert replies[1].cancel()
    for _ in range(2):
        node.executor.next().succeed(response=done())
    assert replies[2].result(WAIT_S) == done()
    bodies = [begun.run.request.body for begun in node.executor.started if begun.run.request]
    assert bodies == [b"0", b"2"]


def test_a_run_whose_client_has_gone_ends_in_good_order(node: Node) -> None:
    node.trigger("r", "request:hook")
    left, waiting = ask(node), ask(node)
    begun = node.executor.next()
    assert left.cancel()
    begun.succeed("out w=1", response=done())
    node.executor.next().succeed(response=done())
    assert waiting.result(WAIT_S) == done()
    assert node.rows("SELECT w FROM out") == [{"w": 1.0}]


def test_a_failed_request_is_not_tried_again_for_a_client_that_has_gone(node: Node) -> None:
    node.trigger("r", "request:hook", error_behavior="retry")
    left, waiting = ask(node), ask(node)
    begun = node.executor.next()
    assert left.cancel()
    begun.fail()
    node.advance(0.2)
    node.executor.next().succeed(response=done())
    assert waiting.result(WAIT_S) == done()
    assert len(node.executor.started) == 2


def test_no_more_requests_wait_than_there_is_room_for(node: Node) -> None:
    node.trigger("r", "request:hook")
    running = ask(node)
    waiting = [ask(node) for _ in range(MOST_WAITING)]
    with pytest.raises(Unavailable, match="too many requests wait for trigger r: 1000 "):
        ask(node)
    assert waiting[0].cancel()
    ask(node)
    node.executor.next().succeed(response=done())
    assert running.result(WAIT_S) == done()


def test_bodies_that_wait_are_bounded_together(node: Node) -> None:
    node.trigger("r", "request:hook")
    body = bytes(MOST_WAITING_BYTES // 2 + 1)
    ask(node, body=body)
    waiting = ask(node, body=body)
    with pytest.raises(Unavailable, match=f"too many requests wait for trigger r: 1 with {len(body)} bytes"):
        ask(node, body=body)
    assert waiting.cancel()
    ask(node, body=body)


def test_a_request_that_passes_its_time_limit_says_so(node: Node) -> None:
    node.trigger("r", "request:hook")
    reply = ask(node)
    node.executor.next().fail("the run passed its timeout of 1 s", "timeout")
    with pytest.raises(PluginTimedOut, match=r"^the run passed its timeout of 1 s$"):
        reply.result(WAIT_S)


def test_a_path_whose_trigger_is_off_says_which(node: Node) -> None:
    node.trigger("r", "request:hook")
    waiting = [ask(node), ask(node)]
    node.engine.set_trigger_enabled(DATABASE, "r", False)
    for reply in waiting:
        with pytest.raises(Unavailable, match="trigger r was disabled"):
            reply.result(WAIT_S)
    with pytest.raises(TriggerIsOff, match="trigger r of this path is disabled"):
        ask(node)


def test_requests_that_wait_when_the_server_ends_are_told(node: Node) -> None:
    node.trigger("r", "request:hook")
    waiting = [ask(node), ask(node)]
    node.engine.close()
    for reply in waiting:
        with pytest.raises(Unavailable, match="server is shutting down"):
            reply.result(WAIT_S)
    with pytest.raises(Unavailable, match="server is shutting down"):
        ask(node)


def streamed(reply: "Future[Answered]") -> StreamedResponse:
    answer = reply.result(WAIT_S)
    assert isinstance(answer, StreamedResponse)
    return answer


def test_an_answer_in_parts_is_complete_after_its_commit(node: Node) -> None:
    node.trigger("r", "request:hook")
    reply = ask(node)
    begun = node.executor.next()
    taken = begun.services.part(HEAD, b"a")
    parts = streamed(reply).parts
    assert parts.take().result(WAIT_S) == b"a"
    end = parts.take()
    assert taken.result(WAIT_S)
    assert not end.done()
    begun.succeed("out w=1", response=HEAD)
    assert end.result(WAIT_S) is None
    assert node.rows("SELECT w FROM out") == [{"w": 1.0}]


@pytest.mark.parametrize("behavior", ["log", "retry"])
def test_an_answer_that_fails_half_way_is_broken_off_and_not_tried_again(node: Node, behavior: str) -> None:
    node.trigger("r", "request:hook", error_behavior=behavior)
    reply = ask(node)
    begun = node.executor.next()
    begun.services.part(HEAD, b"a")
    begun.fail("ValueError: x")
    parts = streamed(reply).parts
    assert parts.take().result(WAIT_S) == b"a"
    with pytest.raises(Exception, match="ValueError: x"):
        parts.take().result(WAIT_S)
    node.advance(1)
    assert node.executor.waiting == 0
    again = ask(node)
    node.executor.next().succeed(response=done())
    assert again.result(WAIT_S) == done()


def test_a_failure_before_the_first_part_is_an_answer_of_its_own(node: Node) -> None:
    node.trigger("r", "request:hook")
    reply = ask(node)
    node.executor.next().fail("ValueError: x")
    with pytest.raises(PluginFailed):
        reply.result(WAIT_S)


def test_a_request_that_was_cancelled_lets_the_next_one_in(node: Node) -> None:
    node.trigger("r", "request:hook")
    first, second = ask(node), ask(node)
    node.executor.next().fail("the run was cancelled", "cancelled")
    with pytest.raises(Unavailable):
        first.result(WAIT_S)
    node.executor.next().succeed(response=done())
    assert second.result(WAIT_S) == done()
