"""Cache values ⇄ bytes: pickle with a limit on size, and a clear answer for what cannot be pickled."""

import pickle
from typing import Any

LARGEST_BYTES = 4 << 20
"""A value whose pickle is larger stays in memory only."""

ATTEMPTS = 3

UNCHANGEABLE = frozenset({str, int, float, bool, bytes, type(None)})
"""Values of exactly these types cannot be changed in place."""


class TooLarge(Exception):
    """The pickle of a value is larger than ``LARGEST_BYTES``."""


class Unpicklable(Exception):
    """A value, or something that it holds, cannot be pickled."""


class _Limited:
    """A file in memory that refuses to grow past the limit, so that huge values are given up early."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:  # or a PickleBuffer, which has no length of its own
        with memoryview(data) as view:
            self._size += view.nbytes
            if self._size > LARGEST_BYTES:
                raise TooLarge
            self.parts.append(view.tobytes())
            return view.nbytes


def to_bytes(value: Any) -> bytes:
    """Return ``value`` as bytes.

    A value that another thread changes meanwhile (Python says so by ``RuntimeError``) is tried again.

    Raises:
        TooLarge: there would be more than ``LARGEST_BYTES`` of them.
        Unpicklable: it holds something that lives only in this process.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _pickled(value)
        except Unpicklable as error:
            if type(error.__cause__) is not RuntimeError:
                raise
    return _pickled(value)


def from_bytes(data: bytes) -> Any:
    """Return the value that ``to_bytes`` turned into ``data``; raises whatever the code of its classes raises."""
    return pickle.loads(data)


def _pickled(value: Any) -> bytes:
    file = _Limited()
    try:
        pickle.Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except TooLarge:
        raise
    except Exception as error:
        # the code of any class may run here, and raise anything
        raise Unpicklable(str(error)) from error
    return b"".join(file.parts)
