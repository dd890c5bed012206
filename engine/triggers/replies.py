"""Where a request waits for what its plugin answers: the answer whole, or in parts as the plugin yields them."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass

from engine.clock import Clock
from engine.errors import PluginError
from engine.host.protocol import Response

SHUTTING_DOWN = "server is shutting down"
"""What a request is told that comes, or waits, when the server ends."""

LONGEST_REPETITION_NS = 10_000_000_000
"""So long the repetition of a run whose first parts are out may go on yielding, though nobody gets to read it."""


class AnswerBroken(PluginError):
    """The answer began, and will not be complete."""


class Parts:
    """The parts of one answer on their way to its client, of which one at a time is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[bytes, Future[bool]]] = deque()
        self._under_way: Future[bool] | None = None
        self._taker: Future[bytes | None] | None = None
        self._end: Callable[[Future[bytes | None]], None] | None = None
        self._is_left = False

    def put(self, data: bytes) -> "Future[bool]":
        """Add a part; the future tells when the client took it, and whether it wants more."""
        taken: Future[bool] = Future()
        with self._lock:
            is_left = self._is_left or self._end is not None
            if not is_left:
                self._waiting.append((data, taken))
        if is_left:
            taken.set_result(False)
        self._hand_over()
        return taken

    def finish(self, rest: bytes) -> None:
        """Add what is left; the answer is complete."""
        if rest:
            self.put(rest)
        self._conclude(lambda taker: taker.set_result(None))

    def fail(self, error: BaseException) -> None:
        """End the answer before it is complete; parts that wait are still taken."""
        self._conclude(lambda taker: taker.set_exception(error))

    def take(self) -> "Future[bytes | None]":
        """Return the next part when it comes, ``None`` after the last one; what was taken before has reached the client.

        The future raises what ``fail`` was given.
        """
        taker: Future[bytes | None] = Future()
        with self._lock:
            before, self._under_way = self._under_way, None
            self._taker = taker
        if before is not None:
            before.set_result(True)
        self._hand_over()
        return taker

    def leave(self) -> None:
        """Take no more: the client is gone."""
        with self._lock:
            self._is_left = True
            left = [taken for _, taken in self._waiting]
            self._waiting.clear()
            if self._under_way is not None:
                left.append(self._under_way)
                self._under_way = None
        for taken in left:
            taken.set_result(False)

    def _conclude(self, end: "Callable[[Future[bytes | None]], None]") -> None:
        with self._lock:
            self._end = self._end or end
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the taker what there is for it."""
        data: bytes | None = None
        end = None
        with self._lock:
            taker = self._taker
            if taker is None or not (self._waiting or self._end):
                return
            self._taker = None
            if self._waiting:
                data, self._under_way = self._waiting.popleft()
            else:
                end = self._end
        with suppress(InvalidStateError):  # the client left at this moment, and says so by ``leave``
            if end is not None:
                end(taker)
            else:
                taker.set_result(data)


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """An answer whose body comes in parts; whoever gets it takes them, or leaves."""

    status: int
    headers: list[tuple[str, str]]
    parts: Parts


Answered = Response | StreamedResponse


class PendingReply:
    """The promise of an answer; all methods may be called from any thread.

    Attributes:
        future: gets the answer, or the reason why there is none. Whoever waits may cancel it: the client is gone.
    """

    def __init__(self, clock: Clock) -> None:
        self.future: Future[Answered] = Future()
        self._clock = clock
        self._parts: Parts | None = None
        self._sent_bytes = 0
        self._repeated_bytes = 0
        self._repeated_ns: int | None = None

    @property
    def is_wanted(self) -> bool:
        """Return whether anybody waits for it."""
        return not self.future.cancelled()

    @property
    def has_begun(self) -> bool:
        """Return whether the client has the first part of the answer."""
        return self._parts is not None

    def part(self, head: Response | None, data: bytes) -> "Future[bool]":
        """Pass on a part of the answer, the first one with the answer's ``head``; see ``RunServices.part``."""
        if head is not None:
            self._begin(head)
        if self._repeated_ns is not None:
            self._repeated_bytes += len(data)
            is_near = self._clock.monotonic_ns() - self._repeated_ns < LONGEST_REPETITION_NS
            return _settled(self._repeated_bytes <= self._sent_bytes and is_near)
        if self._parts is None:
            return _settled(False)
        self._sent_bytes += len(data)
        return self._parts.put(data)

    def answer(self, response: Response) -> None:
        """Give the answer, or of one that has begun what is left of it."""
        if self._parts is not None:
            self._parts.finish(response.body)
        else:
            with suppress(InvalidStateError):  # the client is gone
                self.future.set_result(response)

    def refuse(self, error: BaseException) -> None:
        """Tell that there will be no answer, or that it will not be complete; nothing if it is there already."""
        if self._parts is not None:
            self._parts.fail(AnswerBroken(str(error)))
        else:
            with suppress(InvalidStateError):  # the client is gone, or has its answer
                self.future.set_exception(error)

    def _begin(self, head: Response) -> None:
        """Begin the answer; what a repetition of the run begins anew cannot go out behind what is out already."""
        if self._parts is not None:
            self._repeated_ns, self._repeated_bytes = self._clock.monotonic_ns(), 0
            self._parts.fail(AnswerBroken("the plugin host ended while the run was sending its answer"))
            return
        parts = Parts()
        try:
            self.future.set_result(StreamedResponse(head.status, head.headers, parts))
        except InvalidStateError:  # the client is gone
            parts.leave()
        self._parts = parts


def _settled(wanted: bool) -> "Future[bool]":
    future: Future[bool] = Future()
    future.set_result(wanted)
    return future
