"""An event loop whose time a test lets pass."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OwnedTime(asyncio.SelectorEventLoop):
    """A loop whose time stands still until ``pass_s``."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        super().__init__()

    def time(self) -> float:
        """Return the time of the test."""
        return self._now_s

    async def pass_s(self, seconds: float) -> None:
        """Let time pass; return when what is due by then was called."""
        self._now_s += seconds
        for _ in range(3):  # what is due becomes ready, is called, and may have called others
            await asyncio.sleep(0)


def run_in_owned_time(test: Callable[[OwnedTime], Coroutine[Any, Any, T]]) -> T:
    """Run a test that owns the time of its loop."""
    loop = OwnedTime()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(test(loop))
