"""What a query holds, and lets go of at its end."""

from collections.abc import Callable


class Releases:
    """Calls, the last one first, what is to be called once when a query has ended; as ``ExitStack``, but in little time."""

    __slots__ = ("_releases",)

    def __init__(self) -> None:
        self._releases: list[Callable[[], object]] = []

    def add(self, release: Callable[[], object]) -> None:
        """Have ``release`` called by ``close``."""
        self._releases.append(release)

    def close(self) -> None:
        """Let go of all, also if some of it fails: what is raised then is the last failure. Harmless if done before."""
        try:
            while self._releases:
                self._releases.pop()()
        finally:
            if self._releases:
                self.close()
