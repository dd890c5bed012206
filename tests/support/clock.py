"""A clock that a test owns."""


class ManualClock:
    """Stands still until it is advanced."""

    def __init__(self, now_ns: int = 1_795_262_400_000_000_000) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """See ``Clock``."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """See ``Clock``."""
        return self._now_ns

    def advance(self, ns: int) -> None:
        """Let ``ns`` nanoseconds pass."""
        self._now_ns += ns
