"""Small tools for arrays of texts: their bytes, their nulls, replacing some of them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

NO_TEXT = pa.scalar(None, pa.string())
EMPTY = pa.scalar("")

_INTEGERS = {32: pa.int32(), 64: pa.int64()}
_SAMPLE = 256
"""So many values tell whether it is worth while to look for equal ones in more."""


def bytes_of(text: pa.Array) -> Bytes:
    """Return the bytes of all values of ``text`` (type string), one behind the other, without a copy."""
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]


def text_from_bytes(data: Bytes, offsets: npt.NDArray[np.integer]) -> pa.Array:
    """Return the values that stand in ``data`` between neighbouring ``offsets``."""
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def with_nulls_of(text: pa.Array, values: pa.Array) -> pa.Array:
    """Return ``text``, null where ``values`` is."""
    return pc.if_else(values.is_valid(), text, NO_TEXT) if values.null_count else text


def joined(*pieces: pa.Array | pa.Scalar | str) -> pa.Array:
    """Return the texts that ``pieces`` make side by side, null where one of them is."""
    texts = [pa.scalar(piece) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*texts, EMPTY)


def patched(text: pa.Array, mask: Mask, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Return ``text`` with the values under ``mask`` replaced by what ``make`` returns for the mask."""
    if not mask.any():
        return text
    chosen = pa.array(mask)
    return pc.replace_with_mask(text, chosen, make(chosen))


def repeated(values: pa.Array) -> pa.DictionaryArray | None:
    """Return ``values``, of a type as wide as an integer, as a dictionary if few of them are distinct, else ``None``.

    Values of which only some bits differ (0.0 and -0.0) are distinct.
    """
    if len(values) < 2 * _SAMPLE or values.type.bit_width not in _INTEGERS:
        return None
    bits = values.view(_INTEGERS[values.type.bit_width])
    if 2 * len(set(bits.slice(0, _SAMPLE).to_pylist())) > _SAMPLE:
        return None
    coded = bits.dictionary_encode()
    if 2 * len(coded.dictionary) > len(values):
        return None
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.view(values.type))
