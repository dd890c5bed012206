"""How much of the bodies of all requests may be in memory at one time."""

from engine.errors import Unavailable

MOST_BYTES = 256 * 2**20
"""So many bytes of bodies, as they were sent; those of writes have a limit of their own."""


class TooManyBodies(Unavailable):
    """Other requests hold all the memory that there is for bodies."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"bodies of other requests take the {most_bytes} bytes that there are for them; try again later"
        )


class Bodies:
    """Counts the bytes of bodies that are in memory; belongs to the event loop."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0

    def add(self, size: int) -> None:
        """Count bytes that came in; a single body may have any size.

        Raises:
            TooManyBodies: too many are there; they were not counted.
        """
        if self._bytes and self._bytes + size > self._most_bytes:
            raise TooManyBodies(self._most_bytes)
        self._bytes += size

    def leave(self, size: int) -> None:
        """Count bytes no more."""
        self._bytes -= size
