"""Whether one more write may come in: what waits in memory is bounded, and nobody writes faster than rows are stored."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from engine.errors import Unavailable

SLOW_TIMES = 2
REFUSED_TIMES = 3
"""With so many times the buffer of a snapshot in memory, writes are slowed down, and refused."""

LONGEST_DELAY_S = 1.0


@dataclass(frozen=True, slots=True)
class AdmissionConfig:
    """How much may wait.

    Attributes:
        most_writes: writes that were not answered yet.
        most_bytes: bytes of their bodies, as they were sent.
        buffer_bytes: the size at which rows in memory begin to be stored.
    """

    most_writes: int
    most_bytes: int
    buffer_bytes: int


@dataclass(frozen=True, slots=True)
class AdmissionPorts:
    """Whom to ask: ``unstored_bytes`` of rows in memory; ``check_disk`` raises where the disk has no room."""

    unstored_bytes: Callable[[], int]
    check_disk: Callable[[], None]


class BufferFull(Unavailable):
    """So many writes, or bytes of them, wait for the disk that no further one is taken."""

    def __init__(self, writes: int) -> None:
        super().__init__(f"write buffer error: error from wal: wal buffer full with {writes} ops")


def decide_delay_s(unstored_bytes: int, buffer_bytes: int) -> float | None:
    """Return how long a write has to wait so that storing rows keeps up, ``None`` = it is refused."""
    if unstored_bytes >= buffer_bytes * REFUSED_TIMES:
        return None
    over = unstored_bytes / buffer_bytes - SLOW_TIMES
    return max(over, 0.0) / (REFUSED_TIMES - SLOW_TIMES) * LONGEST_DELAY_S


class Admission:
    """Counts the writes of one server that are under way; used in one thread."""

    def __init__(self, config: AdmissionConfig, ports: AdmissionPorts) -> None:
        self._config = config
        self._ports = ports
        self._writes = 0
        self._bytes = 0

    def enter(self) -> "Admitted":
        """Let a write begin, until what is returned is left.

        Raises:
            BufferFull: too many wait.
            DiskFull: the disk has no room.
            Unavailable: the rows of earlier ones are not stored as fast as they come.
        """
        self._ports.check_disk()
        if self._writes >= self._config.most_writes:
            raise BufferFull(self._writes)
        unstored = self._ports.unstored_bytes()
        delay_s = decide_delay_s(unstored, self._config.buffer_bytes)
        if delay_s is None:
            raise Unavailable(
                f"write buffer error: {unstored} bytes of rows wait in memory to be stored in files, the limit is "
                f"{REFUSED_TIMES} times --force-snapshot-mem-size ({self._config.buffer_bytes}); try again later"
            )
        self._writes += 1
        return Admitted(self, delay_s)

    def add(self, size: int) -> None:
        """Count bytes that came in; a single body may have any size.

        Raises:
            BufferFull: too many are there.
        """
        if self._bytes and self._bytes + size > self._config.most_bytes:
            raise BufferFull(self._writes)
        self._bytes += size

    def leave(self, size: int) -> None:
        """Count a write with ``size`` bytes no more."""
        self._writes -= 1
        self._bytes -= size


class Admitted:
    """A write that is under way: a context, at whose end it is over; ``delay_s``: so long it has to wait first."""

    __slots__ = ("_admission", "_size", "delay_s")

    def __init__(self, admission: Admission, delay_s: float) -> None:
        self._admission = admission
        self._size = 0
        self.delay_s = delay_s

    def add(self, size: int) -> None:
        """Count ``size`` bytes of the body; see ``Admission.add``."""
        self._admission.add(size)
        self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.leave(self._size)
