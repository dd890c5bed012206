"""What the texts of values mean, however many they are."""

import numpy as np
import pyarrow as pa

from engine.columns.types import ARROW
from engine.lineprotocol.texts import parts_of
from engine.lineprotocol.tokens import Bytes, Flags
from engine.model.schema import ColumnType

_BOOLEANS = {
    **dict.fromkeys(["t", "T", "true", "True", "TRUE"], 1),
    **dict.fromkeys(["f", "F", "false", "False", "FALSE"], 0),
}
_ZERO, _NINE = b"09"
_MINUS, _DOT = b"-."


def are_numbers(texts: pa.StringArray, *, has_sign: bool = True) -> Flags:
    """Return which of ``texts``, if Arrow takes them for numbers, are numbers in line protocol.

    They begin with a digit, or if it ``has_sign`` with a minus before one, and end with a digit; what Arrow takes
    besides – ``nan``, ``.5``, ``1.``, ``1.e5``, ``+1``, hexadecimal – is told apart.
    """
    offsets, data = parts_of(texts)
    if not data.size:
        return np.zeros(len(texts), np.bool_)
    begins, last = offsets[:-1], offsets[1:] - 1
    is_number: Flags = _is_digit(data[last])
    first = data[np.minimum(begins, data.size - 1)]
    is_good_first = _is_digit(first)
    if has_sign and not is_good_first.all():
        second = data[np.minimum(begins + 1, data.size - 1)]
        is_good_first |= (first == _MINUS) & _is_digit(second) & (last > begins)
    is_number &= is_good_first
    is_number &= last >= begins
    # Most numbers are digits, a point and a minus, in which nothing of the rest can hide.
    if (data - np.uint8(_MINUS) > _NINE - _MINUS).any():
        _rule_out_odd(offsets, data, is_number)
    return is_number


def _rule_out_odd(offsets: "np.typing.NDArray[np.int32]", data: Bytes, is_number: Flags) -> None:
    """Clear the flags of texts that hold ``.e`` or ``0x``, the letter in either case."""
    letters = data[1:] | 0x20
    is_odd = ((letters == b"e"[0]) & (data[:-1] == _DOT)) | ((letters == b"x"[0]) & (data[:-1] == _ZERO))
    odd = np.flatnonzero(is_odd)
    if odd.size:
        is_number[np.searchsorted(offsets, odd, side="right") - 1] = False


def _is_digit(characters: Bytes) -> Flags:
    is_digit: Flags = characters - np.uint8(_ZERO) < 10  # what lies before the zero wraps around to more than ten
    return is_digit


def spelled_booleans(texts: pa.StringArray) -> "np.typing.NDArray[np.int8]":
    """Return 1 for each of ``texts`` that spells true, 0 for false, -1 for what is neither."""
    encoded = texts.dictionary_encode()
    meant = [_BOOLEANS.get(spelling, -1) for spelling in encoded.dictionary.to_pylist()]
    spelled: np.typing.NDArray[np.int8] = np.array(meant, np.int8)[encoded.indices.to_numpy()]
    return spelled


def numbers(texts: pa.StringArray, kind: ColumnType) -> pa.Array:
    """Return ``texts`` as numbers of the type ``kind``; a time is an integer.

    Raises:
        ArrowInvalid: one of them is none, or out of range.
    """
    return texts.cast(pa.int64() if kind is ColumnType.TIME else ARROW[kind])
