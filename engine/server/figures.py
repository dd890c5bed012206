"""What a server counts for ``/metrics``: requests and writes on the event loop, without a lock, and calls over gRPC.

To count a request costs some microseconds, and no memory that grows with the number of requests or of paths.
"""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_NS = tuple(int(ms * 1e6) for ms in (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000))
"""Upper bounds, themselves included, of the ranges in which durations are counted; the last range has none."""

BOUNDS_BYTES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
"""The same for the sizes of answers."""

ABORTED = 0
"""In place of a status: there was no answer, or not all of it."""

OK = "ok"
_STATUS_WORDS = {ABORTED: "aborted", 2: OK, 4: "client_error", 5: "server_error"}


@dataclass(frozen=True, slots=True)
class RequestKind:
    """Requests that are counted together; ``path`` is empty for what has no route."""

    method: str
    path: str
    status: str


@dataclass(slots=True)
class RequestFigures:
    """How often requests of one kind fell into each range of durations (ns) and of sizes of answers, with the sums."""

    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_NS) + 1))
    sizes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_BYTES) + 1))
    sum_ns: int = 0
    sum_bytes: int = 0


@dataclass(slots=True)
class WriteFigures:
    """Lines that are in, lines that were refused, and bytes of the bodies (after decompression) of which lines are in."""

    lines: int = 0
    rejected: int = 0
    bytes: int = 0


class CallFigures:
    """The figures of calls over gRPC, by path and status word; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], tuple[list[int], int]] = {}

    def add(self, path: str, status: str, took_ns: int) -> None:
        """Count one call."""
        with self._lock:
            counts, sum_ns = self._calls.get((path, status), ([0] * (len(BOUNDS_NS) + 1), 0))
            counts[bisect_left(BOUNDS_NS, took_ns)] += 1
            self._calls[path, status] = (counts, sum_ns + took_ns)

    def calls(self) -> list[tuple[str, str, list[int], int]]:
        """Return path, status, the numbers of calls in each range of durations, and the sum of these in ns."""
        with self._lock:
            return [(*key, list(counts), sum_ns) for key, (counts, sum_ns) in sorted(self._calls.items())]


class ServerFigures:
    """The figures of one server since its start; what is read of them elsewhere may be of the moment before.

    Attributes:
        calls: those of calls over gRPC.
    """

    def __init__(self, calls: CallFigures | None = None) -> None:
        self.calls = calls or CallFigures()
        self._requests: dict[tuple[str, str, str], RequestFigures] = {}
        self._writes: dict[str, WriteFigures] = {}

    def add_request(self, method: str, path: str, status: str, took_ns: int, size_bytes: int) -> None:
        """Count one request, see ``RequestKind``."""
        key = (method, path, status)
        figures = self._requests.get(key)
        if figures is None:
            figures = self._requests[key] = RequestFigures()
        figures.durations[bisect_left(BOUNDS_NS, took_ns)] += 1
        figures.sizes[bisect_left(BOUNDS_BYTES, size_bytes)] += 1
        figures.sum_ns += took_ns
        figures.sum_bytes += size_bytes

    def add_write(self, database: str, lines: int, rejected: int, size_bytes: int) -> None:
        """Count one write of which ``lines`` are in."""
        figures = self._writes.get(database)
        if figures is None:
            figures = self._writes[database] = WriteFigures()
        figures.lines += lines
        figures.rejected += rejected
        if lines:
            figures.bytes += size_bytes

    def requests(self) -> list[tuple[RequestKind, RequestFigures]]:
        """Return what was counted of requests, by kind."""
        return [(RequestKind(*key), figures) for key, figures in sorted(self._requests.copy().items())]

    def writes(self) -> list[tuple[str, WriteFigures]]:
        """Return what was counted of writes, by database."""
        return sorted(self._writes.copy().items())


def status_word(status: int) -> str:
    """Return the class of an HTTP status, or of ``ABORTED``, as the label names it."""
    return _STATUS_WORDS.get(status // 100, "unexpected_response")
