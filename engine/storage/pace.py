"""How fast rows come, as the one who looks at regular times sees it."""

from collections import deque

from engine.model.durations import NS_PER_SECOND

LOOKS = 5
"""The pace is that since so many looks ago."""


class Pace:
    """Takes a number of bytes that only grows, and tells by how much it grows."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=LOOKS)

    def look(self, total_bytes: int, now_ns: int) -> None:
        """Note that ``total_bytes`` have come until ``now_ns``, by a clock that never runs backwards."""
        self._seen.append((total_bytes, now_ns))

    @property
    def bytes_per_s(self) -> float:
        """Return how much comes per second; 0 before the second look."""
        if len(self._seen) < 2:
            return 0.0
        (first_bytes, first_ns), (last_bytes, last_ns) = self._seen[0], self._seen[-1]
        return (last_bytes - first_bytes) * NS_PER_SECOND / max(1, last_ns - first_ns)
