"""How much a trigger may log: a burst at once, then so much a second; what is beyond is counted, and told once in a while."""

import threading

SECOND_NS = 1_000_000_000

BURST_BYTES = 1 << 20
BYTES_PER_S = 64 << 10
LINE_BYTES = 100
"""What a line costs beside its text."""

SHORT_BYTES = 1 << 10

MOST_LINE_BYTES = 64 << 10
"""A longer line is cut."""

CUT = " … (cut)"
NOTICE_NS = SECOND_NS
"""How often it is told at most that lines are dropped, beside the end of a run."""


class Allowance:
    """What one trigger, or one host, may still log; may be used by any thread."""

    def __init__(self, now_ns: int) -> None:
        self._lock = threading.Lock()
        self._left_bytes = float(BURST_BYTES)
        self._filled_ns = now_ns
        self._told_ns = now_ns - NOTICE_NS
        self._lines = 0
        self._bytes = 0

    def take(self, size_bytes: int, now_ns: int) -> bool:
        """Return whether a line of this size may be logged; one that may not is counted."""
        with self._lock:
            self._fill(now_ns)
            cost = min(size_bytes, MOST_LINE_BYTES) + LINE_BYTES
            if cost <= self._left_bytes:
                self._left_bytes -= cost
                return True
            self._lines += 1
            self._bytes += size_bytes
            return False

    def is_spent(self, now_ns: int) -> bool:
        """Return whether not even a short line may be logged."""
        with self._lock:
            self._fill(now_ns)
            return self._left_bytes < SHORT_BYTES

    def drop(self, lines: int, size_bytes: int) -> None:
        """Count lines that are not logged."""
        with self._lock:
            self._lines += lines
            self._bytes += size_bytes

    def _fill(self, now_ns: int) -> None:
        passed_s = max(0, now_ns - self._filled_ns) / SECOND_NS
        self._left_bytes = min(float(BURST_BYTES), self._left_bytes + passed_s * BYTES_PER_S)
        self._filled_ns = now_ns

    def notice(self, now_ns: int) -> str | None:
        """Return what to tell about dropped lines, ``None`` = nothing, or nothing yet."""
        with self._lock:
            if not (self._lines or self._bytes) or now_ns - self._told_ns < NOTICE_NS:
                return None
            lines, dropped, self._lines, self._bytes = self._lines, self._bytes, 0, 0
            self._told_ns = now_ns
        return (
            f"{lines} log lines ({dropped / (1 << 20):.1f} MB) were dropped: at most {BURST_BYTES >> 20} MB at once and "
            f"{BYTES_PER_S >> 10} KB a second are kept"
        )


def cut_line(text: str) -> str:
    """Return ``text``, its end cut off if it is too long."""
    return text if len(text) <= MOST_LINE_BYTES else text[:MOST_LINE_BYTES] + CUT
