"""Hands changes of the catalog to those who want to know, one by one, in the order in which they were made."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from engine.catalog.state import CatalogState

logger = logging.getLogger(__name__)

Observer = Callable[[CatalogState, CatalogState], None]


class Publication:
    """One change: the state before, the state after; ``error`` is what the first observer that failed raised."""

    def __init__(self, old: CatalogState, new: CatalogState) -> None:
        self.old = old
        self.new = new
        self.error: Exception | None = None


class Publisher:
    """Calls observers without any lock of the catalog, never two changes at a time."""

    def __init__(self) -> None:
        self._observers: tuple[Observer, ...] = ()
        self._waiting: deque[Publication] = deque()
        self._turn = threading.Lock()
        self._thread: int | None = None

    def subscribe(self, observer: Observer) -> None:
        """Let ``observer`` know of every change that is delivered from now on."""
        self._observers = (*self._observers, observer)

    def enqueue(self, publication: Publication) -> None:
        """Put ``publication`` behind those that wait; the caller holds the lock that orders changes."""
        self._waiting.append(publication)

    def deliver(self) -> None:
        """Return when the observers know of everything that was put in before the call.

        Called by an observer it returns at once: what that observer changed follows when all know of the change before.
        """
        if self._thread == threading.get_ident():
            return
        with self._turn:
            self._thread = threading.get_ident()
            try:
                while self._waiting:
                    self._tell(self._waiting.popleft())
            finally:
                self._thread = None

    def _tell(self, publication: Publication) -> None:
        for observer in self._observers:
            try:
                observer(publication.old, publication.new)
            except Exception as error:
                logger.exception("an observer of the catalog failed")
                publication.error = publication.error or error
