"""Routes HTTP requests to request triggers: the last enabled trigger of a path owns it."""

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future

from engine.errors import NotFound, Unavailable
from engine.host.protocol import RequestData
from engine.triggers.activation import Activation
from engine.triggers.replies import Answered, PendingReply
from engine.triggers.work import Work

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
"""So many requests may wait for one trigger; further ones are told to come back."""

MOST_WAITING_BYTES = 256 << 20
"""So much may the bodies of requests that wait for one trigger hold together."""


class RequestQueue:
    """The requests to one trigger: one run at a time, or several if it is asynchronous."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._lock = threading.Lock()
        self._waiting: OrderedDict[int, Work] = OrderedDict()
        self._waiting_bytes = 0
        self._under_way = 0
        self._stopped = False

    @property
    def name(self) -> str:
        """Return the trigger's name."""
        return self._activation.subject.definition.name

    def submit(self, request: RequestData) -> "Future[Answered]":
        """Hand in a request; the future gets the plugin's answer after its commit, of one in parts the first before.

        Who cancels the future does not want the answer any more: a request that waits is forgotten.

        Raises:
            Unavailable: too many requests wait, or the trigger was just disabled.
        """
        clock = self._activation.tools.clock
        reply = PendingReply(clock)
        work = Work(kind="request", asked_ns=clock.now_ns(), request=request, reply=reply)
        with self._lock:
            if self._stopped:
                raise Unavailable(f"trigger {self.name} was disabled")
            is_first = not self._waiting
            if len(self._waiting) >= MOST_WAITING or (
                self._waiting_bytes + len(request.body) > MOST_WAITING_BYTES and not is_first
            ):
                raise Unavailable(
                    f"too many requests wait for trigger {self.name}: {len(self._waiting)} with "
                    f"{self._waiting_bytes} bytes; try again later"
                )
            self._waiting[id(work)] = work
            self._waiting_bytes += len(request.body)
        reply.future.add_done_callback(lambda _: self._forget_if_gone(work))
        self._pump()
        return reply.future

    def stop(self, reason: str) -> None:
        """Take no more; those that wait are told the ``reason``."""
        with self._lock:
            self._stopped = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
            self._waiting_bytes = 0
        for work in waiting:
            if work.reply is not None:
                work.reply.refuse(Unavailable(reason))

    def _pump(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._under_way >= self._activation.side_by_side:
                    return
                _, work = self._waiting.popitem(last=False)
                self._waiting_bytes -= _body_bytes(work)
                self._under_way += 1
            self._activation.execute(work, self._finished)

    def _forget_if_gone(self, work: Work) -> None:
        if work.reply is None or work.reply.is_wanted:
            return
        with self._lock:
            if self._waiting.pop(id(work), None) is not None:
                self._waiting_bytes -= _body_bytes(work)

    def _finished(self, work: Work) -> None:
        with self._lock:
            self._under_way -= 1
        self._pump()


def _body_bytes(work: Work) -> int:
    return len(work.request.body) if work.request is not None else 0


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
