"""Routes HTTP requests to request triggers: the last enabled trigger of a path owns it."""

import logging
import threading
from collections import deque
from concurrent.futures import Future

from engine.errors import NotFound, Unavailable
from engine.host.protocol import RequestData, Response
from engine.triggers.activation import Activation
from engine.triggers.work import Work

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
"""So many requests may wait for one trigger; further ones are told to come back."""


class RequestQueue:
    """The requests to one trigger: one run at a time, or several if it is asynchronous."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._lock = threading.Lock()
        self._waiting: deque[Work] = deque()
        self._under_way = 0
        self._stopped = False

    @property
    def name(self) -> str:
        """Return the trigger's name."""
        return self._activation.subject.definition.name

    def submit(self, request: RequestData) -> "Future[Response]":
        """Hand in a request; the future gets the plugin's response after its commit.

        Raises:
            Unavailable: too many requests wait.
        """
        reply: Future[Response] = Future()
        work = Work(kind="request", asked_ns=self._activation.tools.clock.now_ns(), request=request, reply=reply)
        with self._lock:
            if self._stopped or len(self._waiting) >= MOST_WAITING:
                raise Unavailable(
                    f"too many requests wait for trigger {self.name}: {len(self._waiting)}; try again later"
                )
            self._waiting.append(work)
        self._pump()
        return reply

    def stop(self) -> None:
        """Take no more; those that wait are told."""
        with self._lock:
            self._stopped = True
            waiting = list(self._waiting)
            self._waiting.clear()
        for work in waiting:
            if work.reply is not None:
                work.reply.set_exception(Unavailable(f"trigger {self.name} was disabled"))

    def _pump(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._under_way >= self._activation.side_by_side:
                    return
                work = self._waiting.popleft()
                self._under_way += 1
            self._activation.execute(work, self._finished)

    def _finished(self, work: Work) -> None:
        with self._lock:
            self._under_way -= 1
        self._pump()


class Routes:
    """Which trigger answers which path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, list[RequestQueue]] = {}

    def claim(self, path: str, queue: RequestQueue) -> None:
        """Give ``path`` to ``queue``; who had it before gets it back when this one goes."""
        with self._lock:
            owners = self._claims.setdefault(path, [])
            if owners:
                logger.warning("request path %s goes from trigger %s to trigger %s", path, owners[-1].name, queue.name)
            owners.append(queue)

    def release(self, path: str, queue: RequestQueue) -> None:
        """Take the claim of ``queue`` back."""
        with self._lock:
            left = [q for q in self._claims.get(path, []) if q is not queue]
            if left:
                self._claims[path] = left
            else:
                self._claims.pop(path, None)

    def owner(self, path: str) -> RequestQueue:
        """Return who answers ``path``.

        Raises:
            NotFound: nobody does.
        """
        owners = self._claims.get(path)
        if not owners:
            raise NotFound(f"no request trigger is enabled for path '{path}'")
        return owners[-1]
