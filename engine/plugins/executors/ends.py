"""How the end of a run that a host told reads to those who set its limits."""

import msgspec

from engine.host.protocol import Done, RunError
from engine.model.sizes import format_size


def named_memory_error(done: Done, max_memory_bytes: int | None) -> Done:
    """Return ``done`` with the limit in its error, if the kernel refused memory to a host that has a limit.

    ``MemoryError`` and its subclasses, such as those of numpy and pyarrow, are how plugin code sees that.
    """
    error = done.error
    if error is None or error.kind not in ("load", "call", "response") or max_memory_bytes is None:
        return done
    if not error.text.partition(":")[0].endswith("MemoryError"):
        return done
    text = f"{error.text.rstrip(': ')}: the plugin host may use at most {format_size(max_memory_bytes)} of memory"
    return msgspec.structs.replace(done, error=RunError("memory", text, error.details))
