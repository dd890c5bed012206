"""Tells whether sets of rows have a key (tags and time) in common, from hashes that live as long as the process."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns.dictionaries import ByDictionary
from engine.model.schema import TIME_COLUMN

Hashes = npt.NDArray[np.uint64]

_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: Hashes) -> Hashes:
    """Spread the bits of 64-bit numbers (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLY_1
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLY_2
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


def hash_keys(batch: pa.RecordBatch, tags: Sequence[str], known: ByDictionary[Hashes] | None = None) -> Hashes:
    """Return a hash of the key of each row; ``tags`` are the names of the tag columns in the table's order.

    Equal keys have equal hashes within one process, whatever dictionaries their batches use. A null tag adds nothing,
    so rows written before a tag column existed hash like rows that leave it out. ``known``: what to keep from one batch
    of a table to the next.
    """
    known = known or ByDictionary()
    time = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
    hashes = _mix(time.astype(np.uint64, copy=True) + _STEP)
    for number, tag in enumerate(tags):
        hashes += _tag_hashes(number, batch.column(tag), known)
    return hashes


def _tag_hashes(number: int, column: pa.DictionaryArray, known: ByDictionary[Hashes]) -> Hashes:
    texts = known.of(column.dictionary, _text_hashes)
    per_text = np.zeros(len(texts) + 1, dtype=np.uint64)  # the last entry is the null's
    salt = np.uint64((number + 1) * int(_STEP) & 0xFFFFFFFFFFFFFFFF)
    per_text[:-1] = _mix(texts + salt)
    chosen: Hashes = per_text[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return chosen


def _text_hashes(texts: list[object]) -> Hashes:
    return np.array([hash(text) for text in texts], dtype=np.int64).astype(np.uint64)


class KeySet:
    """A growing set of key hashes that tells whether an addition repeats anything.

    Sorted runs of doubling length, so that adding n hashes one batch at a time costs n log² n.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> bool:
        """Add ``hashes``; return whether any of them was there before or stands twice among them."""
        ordered = np.sort(hashes)
        repeats = bool((ordered[1:] == ordered[:-1]).any()) or self.shares(ordered)
        while self._runs and len(self._runs[-1]) <= 2 * len(ordered):
            ordered = np.concatenate((self._runs.pop(), ordered))
            ordered.sort(kind="stable")
        self._runs.append(ordered)
        return repeats

    def shares(self, hashes: Hashes) -> bool:
        """Return whether any of ``hashes`` is in the set."""
        return any(_any_in(hashes, run) for run in self._runs)


def _any_in(hashes: Hashes, run: Hashes) -> bool:
    if not len(run) or not len(hashes):
        return False
    places = np.searchsorted(run, hashes)
    places[places == len(run)] = 0
    return bool((run[places] == hashes).any())
