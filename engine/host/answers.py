"""Sends the answer to a request while the plugin makes it, as fast as the client takes it."""

import queue
import threading
from typing import Any

from engine.host.ports import Services
from engine.host.protocol import Response
from engine.host.response import WITHOUT_BODY, Answer, part_bytes

MOST_WAITING_BYTES = 1 << 16
"""With more than this on the way to its client, a plugin is not asked for its next part."""

MOST_PART_BYTES = 1 << 18

_LOOK_S = 0.05
"""How often a run that waits for its client looks whether it shall end: an exception does not wake it."""


def send_answer(answer: Answer, services: Services) -> Response:
    """Send what ``answer`` yields as it comes; return the answer with what is not sent yet.

    When the client wants no more, the plugin's generator is closed and the run ends in good order.

    Raises:
        BaseException: whatever the plugin's code raises; what was yielded before may have been sent.
    """
    if answer.parts is None:
        return answer.response
    outlet = _Outlet(answer.response, services)
    source = iter(answer.parts)
    try:
        for part in source:
            if not outlet.put(part_bytes(part)):
                break
    finally:
        _close(source)
    return outlet.rest()


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if callable(close):
        close()


class _Outlet:
    """Parts on their way out: one is under way to the client, the others gather behind it.

    So a part that comes alone leaves at once, and many small ones travel together. Locks are plain ones that a thread
    which is interrupted cannot leave behind locked, for the host's main thread takes them too.
    """

    def __init__(self, head: Response, services: Services) -> None:
        self._head = head
        self._services = services
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._has_begun = False
        self._is_under_way = False
        self._is_wanted = True
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, data: bytes) -> bool:
        """Add a part, and wait while too much is on the way; return whether the client wants more."""
        if data and self._head.status not in WITHOUT_BODY:
            with self._lock:
                self._waiting += data
            self._go_on()
            while len(self._waiting) > MOST_WAITING_BYTES and self._is_wanted:
                self._look()
        return self._is_wanted

    def rest(self) -> Response:
        """Return the answer with what is left, and send nothing more."""
        with self._lock:
            rest, self._waiting = bytes(self._waiting), bytearray()
        return Response(self._head.status, self._head.headers, rest)

    def _look(self) -> None:
        try:
            self._news.get(timeout=_LOOK_S)
        except queue.Empty:
            return

    def _go_on(self) -> None:
        with self._lock:
            if self._is_under_way or not self._waiting or not self._is_wanted:
                return
            self._is_under_way = True
            data = bytes(self._waiting[:MOST_PART_BYTES])
            del self._waiting[:MOST_PART_BYTES]
            head, self._has_begun = None if self._has_begun else self._head, True
        self._services.part(head, data, self._taken)

    def _taken(self, wanted: bool) -> None:
        with self._lock:
            self._is_under_way = False
            self._is_wanted = self._is_wanted and wanted
        self._go_on()
        self._news.put(None)
