"""Numbers the combinations of values that some columns hold: equal combinations get equal numbers, without a loop over rows."""

import sys
from collections.abc import Sequence
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.columns.dictionaries import ByDictionary

Numbers = npt.NDArray[np.int64]

NULL = 0
"""The code of a missing value; the others count from 1."""

_Value = TypeVar("_Value")

_LEAST_BITS = 4
_GROUP_BITS = 31  # of a number that stands for several columns
_MOST_BITS = 62
_DIRECT_BITS = 20
"""Up to here a combination's number is found by its place in an array, of 4 MB at most."""
_UNKNOWN = -1


class ColumnCodes:
    """The values of one column, each with a code. Loops over distinct values only."""

    def __init__(self, type_: pa.DataType) -> None:
        self.type = type_
        self._codes: dict[object, int] = {}
        self._array: pa.Array | None = None
        self._last: ByDictionary[Numbers] = ByDictionary()

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, column: pa.Array) -> Numbers:
        """Return the code of each row's value; values not met before get the next codes."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        per_value = self._last.of(column.dictionary, self._codes_of)
        indices = column.indices
        places = indices.fill_null(-1) if indices.null_count else indices
        found: Numbers = per_value[places.to_numpy(zero_copy_only=False)]
        return found

    def _codes_of(self, values: list[object]) -> Numbers:
        """Return the code of each value, and behind them that of none."""
        codes = np.full(len(values) + 1, NULL, dtype=np.int64)
        codes[:-1] = _numbers_in(self._codes, values)
        codes[:-1] += 1
        return codes

    def decode(self, codes: Numbers) -> pa.Array:
        """Return the values of ``codes``."""
        return self.values.take(pa.array(codes - 1, mask=codes == NULL))

    @property
    def values(self) -> pa.Array:
        """Return all values, that with code 1 first."""
        if self._array is None or len(self._array) != len(self._codes):
            self._array = pa.array(list(self._codes), self.type)
        return self._array

    @property
    def size_bytes(self) -> int:
        """Return about how much memory the values take."""
        held = self._array.nbytes if self._array is not None else 0
        return int(sys.getsizeof(self._codes) + 64 * len(self._codes) + 2 * held + 2 * self._last.size_bytes)


class KeyNumbers:
    """The combinations met so far, numbered from 0.

    The codes of a row's columns are packed into one integer. Each column has room for twice as many values as it has; where
    all of them together do not fit, the first ones are replaced by a number of their own.
    """

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self._columns = [ColumnCodes(type_) for type_ in types]
        self._bits = [_LEAST_BITS] * len(types)
        self._groups: dict[int, dict[int, int]] = {}
        self._numbers: dict[int, int] = {}
        self._direct = _places(sum(self._bits))
        self._count = 0
        self._codes = np.zeros((len(types), 64), dtype=np.int32)

    def __len__(self) -> int:
        return self._count

    def number(self, columns: Sequence[pa.Array], rows: int) -> Numbers:
        """Return the number of the combination in each of ``rows`` rows."""
        codes = [known.encode(column) for known, column in zip(self._columns, columns, strict=True)]
        self._make_room()
        packed = self._packed(codes, rows)
        if self._direct is not None:
            found = self._direct[packed].astype(np.int64)
            unknown = np.flatnonzero(found == _UNKNOWN)
            if len(unknown):
                _, first, places = np.unique(packed[unknown], return_index=True, return_inverse=True)
                numbers = self._count + np.arange(len(first))
                self._direct[packed[unknown[first]]] = numbers
                found[unknown] = numbers[places]
                self._keep(codes, unknown[first], numbers)
            return found
        distinct, first, places = np.unique(packed, return_index=True, return_inverse=True)
        found = np.array(_numbers_in(self._numbers, distinct.tolist()), dtype=np.int64)
        if len(self._numbers) > self._count:
            is_new = found >= self._count
            self._keep(codes, first[is_new], found[is_new])
        of_rows: Numbers = found[places]
        return of_rows

    def column(self, index: int, numbers: Numbers) -> pa.Array:
        """Return the values of a column in the combinations ``numbers``."""
        return self._columns[index].decode(self._codes[index][numbers].astype(np.int64))

    def ranks(self, index: int) -> Numbers:
        """Return for each combination the rank of its value in a column, in the order of values, nulls first."""
        known = self._columns[index]
        ranks = np.zeros(len(known) + 1, dtype=np.int64)
        order = pc.array_sort_indices(known.values).to_numpy()
        ranks[order + 1] = np.arange(1, len(order) + 1)
        of_each: Numbers = ranks[self._codes[index][: len(self)]]
        return of_each

    def only(self, numbers: Numbers) -> "tuple[KeyNumbers, Numbers]":
        """Return the combinations ``numbers`` alone, and the new number of each of them."""
        fewer = KeyNumbers([known.type for known in self._columns])
        return fewer, fewer.number([self.column(i, numbers) for i in range(len(self._columns))], len(numbers))

    @property
    def size_bytes(self) -> int:
        """Return about how much memory this takes."""
        dicts = [self._numbers, *self._groups.values()]
        return (
            self._codes.nbytes
            + (0 if self._direct is None else self._direct.nbytes)
            + sum(sys.getsizeof(d) + 64 * len(d) for d in dicts)
            + sum(c.size_bytes for c in self._columns)
        )

    def _make_room(self) -> None:
        wanted = [max(have, len(c).bit_length() + 1) if len(c) >= 1 << have else have for c, have in self._with_bits()]
        if wanted == self._bits:
            return
        self._bits = wanted
        self._groups = {}
        count = self._count
        packed = self._packed([codes[:count].astype(np.int64) for codes in self._codes], count)
        self._direct = _places(sum(wanted))
        if self._direct is None:
            self._numbers = dict(zip(packed.tolist(), range(count), strict=True))
        else:
            self._direct[packed] = np.arange(count)

    def _with_bits(self) -> list[tuple[ColumnCodes, int]]:
        return list(zip(self._columns, self._bits, strict=True))

    def _packed(self, codes: Sequence[Numbers], rows: int) -> Numbers:
        packed, used = np.zeros(rows, dtype=np.int64), 0
        for index, bits in enumerate(self._bits):
            if used + bits > _MOST_BITS:
                packed, used = self._group(index, packed), _GROUP_BITS
            packed = (packed << bits) | codes[index]
            used += bits
        return packed

    def _group(self, index: int, packed: Numbers) -> Numbers:
        """Return a short number for each distinct value of ``packed``, the codes of the columns before ``index``."""
        known = self._groups.setdefault(index, {})
        distinct, places = np.unique(packed, return_inverse=True)
        short: Numbers = np.array(_numbers_in(known, distinct.tolist()), dtype=np.int64)[places]
        return short

    def _keep(self, codes: Sequence[Numbers], rows: Numbers, numbers: Numbers) -> None:
        self._count += len(numbers)
        room = self._codes.shape[1]
        if self._count > room:
            larger = np.zeros((len(self._columns), max(2 * room, self._count)), dtype=np.int32)
            larger[:, :room] = self._codes
            self._codes = larger
        for kept, column in zip(self._codes, codes, strict=True):
            kept[numbers] = column[rows]


def _places(bits: int) -> npt.NDArray[np.int32] | None:
    """Return an array with a place for each number of so many bits, ``None`` if it would be too large."""
    return np.full(1 << bits, _UNKNOWN, dtype=np.int32) if bits <= _DIRECT_BITS else None


def _numbers_in(known: dict[_Value, int], values: list[_Value]) -> list[int]:
    """Return the number of each value, from 0; those not met before get the next numbers."""
    found = list(map(known.get, values))  # mostly all are known, and this is three times as fast as the loop
    if None not in found:
        return cast(list[int], found)
    return [known.setdefault(value, len(known)) for value in values]
