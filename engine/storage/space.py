"""How much room the disk has, and what follows: a warning, a shorter log, no more writes."""

import logging
import threading
from enum import Enum
from pathlib import Path

from engine.clock import Clock
from engine.disk import Disk
from engine.errors import DiskFull

logger = logging.getLogger(__name__)

LOOK_EVERY_NS = 100_000_000
"""A write looks itself when nobody did for so long: whoever else does may be busy writing files."""

LOW_TIMES = 4
SCARCE_TIMES = 2
"""Space is low, or scarce, below so many times what has to stay free."""


class Space(Enum):
    """What the free space allows."""

    ENOUGH = "enough"
    LOW = "low"
    SCARCE = "scarce"
    NONE = "none"


def decide_space(free_bytes: int, least_bytes: int, before: Space) -> Space:
    """Return what ``free_bytes`` allow where ``least_bytes`` have to stay free; ``before``: what held until now.

    Who refuses writes takes them again only when there is a quarter more than that, or it would change all the time.
    """
    none_below = least_bytes * 5 // 4 if before is Space.NONE else least_bytes
    if free_bytes < none_below:
        return Space.NONE
    if free_bytes < least_bytes * SCARCE_TIMES:
        return Space.SCARCE
    return Space.LOW if free_bytes < least_bytes * LOW_TIMES else Space.ENOUGH


class DiskSpace:
    """Watches the space of ``folder``, of which ``least_bytes`` have to stay free: rows need room to leave the log."""

    def __init__(self, disk: Disk, folder: Path, least_bytes: int, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._looked_ns = -LOOK_EVERY_NS
        self._disk = disk
        self._folder = folder
        self._least_bytes = least_bytes
        self._free_bytes = 0
        self.now = Space.ENOUGH

    def look(self) -> Space:
        """Return what there is at the moment; tells the log when that has changed. ``OSError`` if nobody knows."""
        with self._lock:
            self._looked_ns = self._clock.monotonic_ns()
            self._free_bytes = self._disk.free_bytes(self._folder)
            before, self.now = self.now, decide_space(self._free_bytes, self._least_bytes, self.now)
            if self.now is not before:
                self._tell()
            return self.now

    def check(self) -> None:
        """Accept a write.

        Raises:
            DiskFull: there is too little room; the text says where and how much.
        """
        if self._clock.monotonic_ns() - self._looked_ns >= LOOK_EVERY_NS:
            self.look()
        if self.now is Space.NONE:
            raise DiskFull(
                f"the disk is full: {self._folder} has {self._free_bytes} bytes left, of which {self._least_bytes} stay "
                "free for moving rows out of the log (--min-free-space); writes are taken as soon as there is more"
            )

    def _tell(self) -> None:
        facts = f"folder={self._folder} free_bytes={self._free_bytes} min_free_space={self._least_bytes}"
        if self.now is Space.ENOUGH:
            logger.info("there is enough space on the disk again: %s", facts)
        elif self.now is Space.LOW:
            logger.warning("space on the disk is low: the log is kept short: %s", facts)
        elif self.now is Space.SCARCE:
            logger.warning("space on the disk is scarce: the log goes even where triggers have not read it: %s", facts)
        else:
            logger.error("THE DISK IS FULL: WRITES ARE REFUSED until there is space: %s", facts)
