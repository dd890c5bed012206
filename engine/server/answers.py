"""Brings what threads of the engine tell to coroutines that wait for it, all that comes together with one wake-up."""

import asyncio
from collections import deque

from engine.write.service import WriteOutcome


class Waiter:
    """One write that a coroutine waits for: ``future`` gets what ``tell`` is told, in any thread."""

    __slots__ = ("_delivery", "future")

    def __init__(self, delivery: "_Delivery") -> None:
        self.future: asyncio.Future[WriteOutcome] = delivery.loop.create_future()
        self._delivery = delivery

    def tell(self, result: WriteOutcome | Exception) -> None:
        """Let the coroutine go on with ``result``, which is raised if it is an exception."""
        self._delivery.put(self.future, result)


class Answers:
    """Makes waiters for the coroutines of an event loop."""

    def __init__(self) -> None:
        self._delivery: _Delivery | None = None

    def waiter(self) -> Waiter:
        """Return a waiter for the coroutine that calls."""
        loop = asyncio.get_running_loop()
        delivery = self._delivery
        if delivery is None or delivery.loop is not loop:
            delivery = self._delivery = _Delivery(loop)
        return Waiter(delivery)


class _Delivery:
    """The way into one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._told: deque[tuple[asyncio.Future[WriteOutcome], WriteOutcome | Exception]] = deque()
        self._is_awake = False

    def put(self, future: "asyncio.Future[WriteOutcome]", result: WriteOutcome | Exception) -> None:
        self._told.append((future, result))
        if not self._is_awake:
            self._is_awake = True
            self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_awake = False  # first: who puts something from now on wakes the loop again
        while self._told:
            future, result = self._told.popleft()
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
