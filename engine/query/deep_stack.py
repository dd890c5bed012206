"""Calls a function in a thread whose stack is large enough for deep recursion."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

STACK_BYTES = 256 * 2**20
"""Address space only: what is not used takes no memory."""

Result = TypeVar("Result")

_starting = threading.Lock()


def call_with_deep_stack(task: Callable[[], Result]) -> Result:
    """Return what ``task`` returns, or raise what it raises; the calling thread waits."""
    future: Future[Result] = Future()
    thread = threading.Thread(target=_run, args=(task, future), name="deep-stack", daemon=True)
    with _starting:
        # The size is a setting of all threads that start; one that starts meanwhile elsewhere has it too, harmlessly.
        usual = threading.stack_size(STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(usual)
    return future.result()


def _run(task: Callable[[], Result], future: "Future[Result]") -> None:
    try:
        future.set_result(task())
    except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
        future.set_exception(error)
