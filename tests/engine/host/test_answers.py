import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.host.answers import MOST_PART_BYTES, MOST_WAITING_BYTES, send_answer
from engine.host.protocol import Response
from engine.host.response import Answer, to_answer


class Client:
    """Takes parts when told to, as the services of a run."""

    def __init__(self, *, at_once: bool = False, wants: bool = True) -> None:
        self.at_once = at_once
        self.wants = wants
        self.parts: list[bytes] = []
        self.heads: list[Response | None] = []
        self.has_part = threading.Event()
        self._taken: Callable[[bool], None] | None = None

    def part(self, head: Response | None, data: bytes, taken: Callable[[bool], None]) -> None:
        self.heads.append(head)
        self.parts.append(data)
        self._taken = taken
        self.has_part.set()
        if self.at_once:
            taken(self.wants)

    def take(self) -> None:
        taken, self._taken = self._taken, None
        assert taken is not None
        taken(self.wants)


def send(value: Any, client: Client) -> Response:
    return send_answer(to_answer(value, lambda text: None), client)  # type: ignore[arg-type]


def test_a_whole_answer_is_not_sent_in_parts() -> None:
    client = Client()
    assert send("a", client).body == b"a"
    assert client.parts == []


def test_the_first_part_goes_with_the_head_and_the_last_is_left_for_the_end() -> None:
    client = Client()
    rest = send((iter(["a", b"b", 5, "c"]), 201, {"X-A": "1"}), client)
    head = Response(201, [("Content-Type", "text/html"), ("X-A", "1")], b"")
    assert (client.heads, client.parts) == ([head], [b"a"])
    assert rest == Response(201, head.headers, b"bc")


def test_each_part_leaves_at_once_if_the_client_keeps_up() -> None:
    client = Client(at_once=True)
    assert send((x for x in ("a", "", "b", "c")), client).body == b""
    assert client.parts == [b"a", b"b", b"c"]
    assert client.heads[1:] == [None, None]


def test_what_gathers_behind_a_part_under_way_travels_together() -> None:
    client = Client()

    def parts() -> Iterator[str]:
        yield from "abc"
        client.take()
        assert client.parts == [b"a", b"bc"]
        yield "d"

    assert send(parts(), client).body == b"d"


def test_a_plugin_waits_for_a_slow_client() -> None:
    client = Client()
    made = []

    def parts() -> Iterator[bytes]:
        for number in range(10):
            made.append(number)
            yield bytes(MOST_WAITING_BYTES)

    ended: list[Response] = []
    thread = threading.Thread(target=lambda: ended.append(send(parts(), client)), daemon=True)
    thread.start()
    while thread.is_alive():
        made_bytes = len(made) * MOST_WAITING_BYTES
        assert made_bytes <= sum(map(len, client.parts)) + 3 * MOST_WAITING_BYTES
        if client.has_part.wait(0.01):
            client.has_part.clear()
            client.take()
    assert sum(map(len, client.parts)) + len(ended[0].body) == 10 * MOST_WAITING_BYTES


def test_a_large_part_travels_in_pieces() -> None:
    client = Client(at_once=True)
    send((x for x in (bytes(MOST_PART_BYTES * 2 + 1),)), client)
    assert [len(part) for part in client.parts] == [MOST_PART_BYTES, MOST_PART_BYTES, 1]


def test_a_generator_is_closed_when_the_client_has_gone() -> None:
    client = Client(at_once=True, wants=False)
    seen = []

    def parts() -> Iterator[str]:
        try:
            while True:
                seen.append("made")
                yield "a"
        finally:
            seen.append("closed")

    assert send(parts(), client).body == b""
    assert seen == ["made", "closed"]


def test_what_a_generator_raises_comes_out() -> None:
    client = Client(at_once=True)

    def parts() -> Iterator[str]:
        yield "a"
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        send(parts(), client)
    assert client.parts == [b"a"]


def test_a_status_without_body_has_no_parts() -> None:
    client = Client()
    assert send((iter("ab"), 204), client) == Response(204, [("Content-Type", "text/html")], b"")
    assert client.parts == []


def test_a_generator_without_parts_is_an_answer_without_body() -> None:
    assert send_answer(Answer(Response(200, [], b""), iter(())), Client()) == Response(200, [], b"")  # type: ignore[arg-type]
