"""The server as runs in a plugin host see it: their services over the one connection."""

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from engine.errors import EngineError
from engine.host.allowance import Allowance, cut_line
from engine.host.channel import Channel
from engine.host.protocol import (
    Done,
    Entered,
    FromHost,
    Interrupt,
    Log,
    Part,
    PartReply,
    Query,
    QueryReply,
    Response,
    ToHost,
    WriteNow,
    WriteReply,
)

Reply = QueryReply | WriteReply
Params = dict[str, str | int | float | bool | None]


class Link:
    """The connection to the server; the process ends when it breaks, for a host without server has nothing to do."""

    def __init__(self, channel: Channel[ToHost]) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Call] = {}
        self._allowances: dict[str, Allowance] = {}
        self._lock = threading.Lock()

    def send(self, message: FromHost) -> None:
        """Send ``message``; may be called from any thread."""
        try:
            self._channel.send(message)
        except OSError:
            _end_process()

    def receive(self) -> ToHost:
        """Return the next message; called from one thread."""
        try:
            message = self._channel.receive()
        except OSError:
            _end_process()
        if message is None:
            _end_process()
        return message

    def services(self, run_id: str, namespace: str) -> "LinkServices":
        """Return the services of the run ``run_id`` (port ``Services``); ``namespace`` tells whose lines are bounded together."""
        with self._lock:
            allowance = self._allowances.get(namespace)
            if allowance is None:
                allowance = self._allowances[namespace] = Allowance(time.monotonic_ns())
        return LinkServices(self, run_id, allowance)

    def forget(self, namespace: str) -> None:
        """Drop what is known of a trigger's lines."""
        with self._lock:
            self._allowances.pop(namespace, None)

    def abandon(self) -> None:
        """In a forked child: let nothing of it reach the server; a child that tries to send ends quietly."""
        self._lock = threading.Lock()
        self._channel.abandon()

    def ask(self, run_id: str, make: Callable[[int], Query | WriteNow]) -> Reply:
        """Send the call that ``make`` gives for its number, and wait for the reply.

        Raises:
            EngineError: the reply tells an error, or the run was interrupted.
        """
        replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        number = self._expect(run_id, replies.put)
        try:
            self.send(make(number))
            reply: Reply | str = replies.get()
        finally:
            with self._lock:
                self._waiting.pop(number, None)
        if isinstance(reply, str) or reply.error is not None:
            raise EngineError(reply if isinstance(reply, str) else reply.error)
        return reply

    def send_part(self, run_id: str, head: Response | None, data: bytes, taken: Callable[[bool], None]) -> None:
        """Send a part of an answer; ``taken`` is called by the thread of ``take_reply``."""
        number = self._expect(run_id, lambda reply: taken(isinstance(reply, PartReply) and reply.wanted))
        self.send(Part(number, run_id, data, head))

    def take_reply(self, reply: Reply | PartReply) -> None:
        """Hand ``reply`` to whoever waits for it, if anybody still does."""
        with self._lock:
            call = self._waiting.pop(reply.call_id, None)
        if call:
            call.take(reply)

    def release(self, order: Interrupt) -> None:
        """Let the calls of an interrupted run wait no longer."""
        with self._lock:
            calls = [call for call in self._waiting.values() if call.run_id == order.run_id]
        for call in calls:
            call.take(order.text)

    def _expect(self, run_id: str, take: Callable[[Reply | PartReply | str], object]) -> int:
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = _Call(run_id, take)
        return number


class LinkServices:
    """See ``ports.Services``."""

    def __init__(self, link: Link, run_id: str, allowance: Allowance) -> None:
        self._link = link
        self._run_id = run_id
        self._allowance = allowance

    def log(self, level: str, text: str) -> None:
        """See ``Services``; what is too much is dropped, and that is told."""
        now_ns = time.monotonic_ns()
        if self._allowance.take(len(text), now_ns):
            self._link.send(Log(self._run_id, level, cut_line(text)))
        self._tell_of_dropped(now_ns)

    def end(self, done: Done) -> None:
        """Tell the end of the run, and before it of lines that were dropped."""
        self._tell_of_dropped(time.monotonic_ns())
        self._link.send(done)

    def _tell_of_dropped(self, now_ns: int) -> None:
        notice = self._allowance.notice(now_ns)
        if notice is not None:
            self._link.send(Log(self._run_id, "WARN", notice))

    def entered(self) -> None:
        """See ``Services``."""
        self._link.send(Entered(self._run_id, threading.get_native_id()))

    def query(self, database: str | None, sql: str, params: Params) -> bytes:
        """See ``Services``."""
        reply = self._link.ask(self._run_id, lambda number: Query(number, self._run_id, database, sql, params))
        return reply.stream if isinstance(reply, QueryReply) else b""

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        """See ``Services``."""
        self._link.ask(self._run_id, lambda number: WriteNow(number, self._run_id, database, lines, no_sync))

    def part(self, head: Response | None, data: bytes, taken: Callable[[bool], None]) -> None:
        """See ``Services``."""
        self._link.send_part(self._run_id, head, data, taken)


class _Call:
    """A call whose reply ``take`` gets, or the text of what ended its run."""

    def __init__(self, run_id: str, take: Callable[[Reply | PartReply | str], object]) -> None:
        self.run_id = run_id
        self.take = take


def _end_process() -> NoReturn:
    os._exit(0)
