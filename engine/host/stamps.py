"""Tells whether a file is still the one that was read."""

import os
from dataclasses import dataclass
from pathlib import Path

TOO_FRESH_NS = 20_000_000
"""A file changed this shortly before it was looked at may change again without another time stamp."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells two versions of a file apart without reading them."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Return the stamp in ``status``."""
        # The time of the last change is the one that nobody sets: a file copied over another with its old time has a new one.
        return cls(status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)

    @classmethod
    def of_path(cls, path: Path) -> "Stamp | None":
        """Return the stamp of what is at ``path``, ``None`` if nothing can be seen there."""
        try:
            return cls.of(path.stat())
        except OSError:
            return None

    def is_settled(self, now_ns: int) -> bool:
        """Return whether another change would give another stamp."""
        return now_ns - self.changed_ns > TOO_FRESH_NS
