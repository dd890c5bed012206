"""Who may be behind hosts that die without a culprit among the runs in flight: threads that earlier runs left behind."""

from collections import deque

from engine.plugins.blame_records import SECOND_NS

DEATHS = 3
"""So many deaths make those suspects who had used each of the hosts."""

MEMORY_NS = 600 * SECOND_NS
"""A death counts for so long."""

MOST_SUSPECTS = 4
"""So many are separated at a time; if hosts go on dying, it was others."""


class Suspicion:
    """Remembers the latest deaths of shared hosts that proved nothing."""

    def __init__(self) -> None:
        self._deaths: deque[tuple[int, frozenset[str]]] = deque(maxlen=DEATHS)

    def note_death(self, users: frozenset[str], now_ns: int) -> list[str]:
        """Return who shall have a host of its own from now on, though nothing is proven; mostly nobody.

        ``users`` are the triggers that had run in the host and have none of their own yet.
        """
        self._deaths.append((now_ns, users))
        recent = [who for at_ns, who in self._deaths if now_ns - at_ns <= MEMORY_NS]
        suspects = frozenset.intersection(*recent)
        if len(recent) < DEATHS or not suspects:
            return []
        self._deaths.clear()
        return sorted(suspects)[:MOST_SUSPECTS]
