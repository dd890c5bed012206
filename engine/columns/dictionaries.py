"""Keeps what was made of the dictionaries that came last: who writes the same series again sends equal ones."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pyarrow as pa

MOST_KEPT = 8

T = TypeVar("T")

_PART = 2_000


class ByDictionary(Generic[T]):
    """Values made of dictionaries; one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], tuple[pa.Array, T]] = OrderedDict()

    def of(self, dictionary: pa.Array, make: Callable[[list[Any]], T]) -> T:
        """Return what ``make`` returns, or returned, for the values of an equal dictionary; not to be changed."""
        size = len(dictionary)
        sign = (size, dictionary[0].as_py(), dictionary[-1].as_py()) if size else (0,)
        known = self._kept.get(sign)
        if known is not None and known[0].equals(dictionary):
            self._kept.move_to_end(sign)
            return known[1]
        # In parts, for no other thread runs while a part is converted.
        values = [v for first in range(0, size, _PART) for v in dictionary.slice(first, _PART).to_pylist()]
        made = make(values)
        # A copy: the dictionary may be a view of a large payload, which it would keep.
        self._kept[sign] = (pa.array(values, dictionary.type), made)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return made

    @property
    def size_bytes(self) -> int:
        """Return how much memory the dictionaries take that are kept."""
        return sum([dictionary.nbytes for dictionary, _ in list(self._kept.values())])
