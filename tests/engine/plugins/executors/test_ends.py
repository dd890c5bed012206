"""How the end of a run reads to those who set its limits."""

import pytest

from engine.host.protocol import Done, RunError
from engine.plugins.executors.ends import named_memory_error

LIMIT = 512 << 20


@pytest.mark.parametrize(
    ("error", "limit", "expected"),
    [
        (
            RunError("call", "MemoryError: ", "trace"),
            LIMIT,
            RunError("memory", "MemoryError: the plugin host may use at most 512 MB of memory", "trace"),
        ),
        (
            RunError("load", "ArrowMemoryError: malloc of size 9 failed"),
            LIMIT,
            RunError(
                "memory",
                "ArrowMemoryError: malloc of size 9 failed: the plugin host may use at most 512 MB of memory",
            ),
        ),
        (RunError("call", "MemoryError: "), None, RunError("call", "MemoryError: ")),
        (RunError("call", "ValueError: MemoryError: "), LIMIT, RunError("call", "ValueError: MemoryError: ")),
        (RunError("timeout", "MemoryError"), LIMIT, RunError("timeout", "MemoryError")),
        (None, LIMIT, None),
    ],
)
def test_an_error_for_lack_of_memory_names_the_limit(
    error: RunError | None, limit: int | None, expected: RunError | None
) -> None:
    assert named_memory_error(Done("r", error), limit).error == expected
