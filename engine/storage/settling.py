"""Sorts new rows into their chunks soon after they came, so that a query finds that done."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from engine.storage.store import Store

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
MOST_WAITING_ROWS = 50_000
MOST_LOOKS = 10
"""Where something always comes: so often what waits is looked at before it is sorted in all the same."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one table's rows were when they were looked at last; ``looks``: how often that was."""

    rows: int
    looks: int = 1


def decide_settling(rows: Mapping[int, int], before: Mapping[int, Waiting]) -> tuple[list[int], dict[int, Waiting]]:
    """Return the tables whose rows are sorted in now, and what to remember of the others.

    ``rows``: how many wait, by table. They do while more come, for many together cost less; but neither too many nor long.
    """
    due, left = [], {}
    for table_id, count in rows.items():
        known = before.get(table_id, Waiting(0, 0))
        if count in (0, known.rows) or count >= MOST_WAITING_ROWS or known.looks + 1 >= MOST_LOOKS:
            due.append(table_id)
        else:
            left[table_id] = Waiting(count, known.looks + 1)
    return due, left


class Settling:
    """Looks after the tables of a store; ``tick`` decides, a thread calls it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: dict[int, Waiting] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settling", daemon=True)

    def start(self) -> None:
        """Begin to look after the store."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread has ended."""
        self._stopping.set()
        self._store.came.set()
        self._thread.join()

    def tick(self) -> None:
        """Sort in what it is time for."""
        due, self._before = decide_settling(self._store.waiting_rows(), self._before)
        for table_id in due:
            self._store.settle(table_id)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._before:
                self._store.came.wait()
                self._store.came.clear()
            self._stopping.wait(LOOK_EVERY_S)
            try:
                self.tick()
            except Exception:  # whoever looks at the table does it, and is told what is wrong
                logger.exception("new rows were not sorted in; it is tried again")
