"""``pyarrow.compute``, imported when something of it is first asked for: 40 ms and 5 MB that a start does without."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return what ``pyarrow.compute`` calls ``name``; the next time it is found at once."""
    import pyarrow.compute  # here: see above

    found = getattr(pyarrow.compute, name)
    globals()[name] = found
    return found
