"""Pieces of a body as Arrow strings, gathered in one call however many they are."""

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.lineprotocol.tokens import Bytes, Flags, Indices, Tokens, place_in_run

_BACKSLASH, _QUOTE = b'\\"'
_NO_BYTES = np.zeros(0, np.uint8)


class Texts:
    """The pieces of one body."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._data = pa.py_buffer(tokens.data)

    def between(self, begins: Indices, stops: Indices) -> pa.StringArray:
        """Return the texts from each of ``begins`` up to, not including, the one of ``stops`` beside it."""
        count = len(begins)
        offsets = np.empty(2 * count + 1, np.int32)
        offsets[0:-1:2] = begins
        np.maximum(
            begins, stops, out=offsets[1::2], casting="unsafe"
        )  # a negative length would be somebody else's memory
        # Where the last one would end, which nobody looks at, tells Arrow how much memory the others will need.
        size = int(offsets[1::2].sum(dtype=np.int64) - offsets[0:-1:2].sum(dtype=np.int64))
        offsets[-1] = min((int(offsets[0]) if count else 0) + 2 * size, len(self._tokens.data))
        # Every other of these is what stands between two texts, or nonsense if the next one begins before; nobody looks at it.
        pieces = pa.StringArray.from_buffers(2 * count, pa.py_buffer(offsets), self._data)
        return pieces.take(_even_numbers(count))

    def of_tokens(self, indices: Indices) -> pa.BinaryArray:
        """Return the tokens ``indices``, each with the separator behind it."""
        return self._with_separators.take(pa.array(indices))

    @functools.cached_property
    def _with_separators(self) -> pa.BinaryArray:
        separators = self._tokens.separators
        offsets = np.empty(len(separators) + 1, np.int32)
        offsets[0] = 0
        offsets[1:] = separators
        offsets[1:] += 1
        return pa.BinaryArray.from_buffers(pa.binary(), len(separators), [None, pa.py_buffer(offsets), self._data])


_MOST_KEPT = 2**16


def _even_numbers(count: int) -> pa.Array:
    """Return 0, 2, 4, …: ``count`` of them."""
    if count <= _MOST_KEPT:
        return _kept_even_numbers().slice(0, count)
    return pa.array(np.arange(0, 2 * count, 2))


@functools.cache
def _kept_even_numbers() -> pa.Array:
    return pa.array(np.arange(0, 2 * _MOST_KEPT, 2))


def parts_of(texts: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Return where each of ``texts``, as they were gathered, begins in their bytes – and where the last one ends – and these."""
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[: len(texts) + 1]
    size = int(offsets[-1])
    return offsets, np.frombuffer(data, np.uint8)[:size] if size else _NO_BYTES


def without_escapes(texts: pa.StringArray) -> pa.StringArray:
    """Return strings as they are meant: a backslash before a quote or another backslash goes.

    ``texts`` were gathered from between quotes, so none of them ends with a backslash that escapes the next one's first
    byte: runs of backslashes may be counted over their borders.
    """
    offsets, data = parts_of(texts)
    backslashes = np.flatnonzero(data == _BACKSLASH)
    if not backslashes.size:
        return texts
    following = np.append(data, 0)[backslashes + 1].astype(np.uint8)
    is_first = place_in_run(backslashes) % 2 == 0
    goes = backslashes[is_first & ((following == _BACKSLASH) | (following == _QUOTE))]
    stays: Flags = np.ones(len(data), np.bool_)
    stays[goes] = False
    moved = (offsets - np.searchsorted(goes, offsets)).astype(np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(moved), pa.py_buffer(data[stays]))
