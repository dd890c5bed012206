"""Floats as text, digit for digit as InfluxDB writes them.

Both forms use the fewest digits that give the same float again; they differ in where the exponent begins.
"""

from collections.abc import Sequence
from math import isnan
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.query.text_arrays import Mask, patched, text_from_bytes, with_nulls_of

_COMMA = ord(",")
_LEAST_PLAIN = 1e-5
_JSON_END = 1e10
_SINGLE_LEAST_PLAIN = 1e-6
_SINGLE_END = 1e13


def float_text(values: pa.Array) -> pa.Array:
    """Return floats as CSV and box tables show them: ``2.0``, ``1e16``, ``1e-6``, ``NaN``, ``inf``."""
    numbers, finite = _numbers(values)
    text = _shortest(numbers)
    if pa.types.is_float32(values.type):
        size = np.abs(numbers)
        odd = (size >= _SINGLE_END) | ((size < _LEAST_PLAIN) & (size >= _SINGLE_LEAST_PLAIN))
        single = pa.array(numbers.astype(np.float32))
        text = patched(text, odd, lambda chosen: _rust_exponent(single.filter(chosen)))
    return with_nulls_of(_with_infinities(text, values, finite), values)


def float_json(values: pa.Array) -> pa.Array:
    """Return floats as JSON holds them: ``2.0``, ``1.0e10``, ``1.0e-6``; ``null`` for those that JSON cannot hold."""
    numbers, finite = _numbers(values)
    text = _shortest(numbers)
    size = np.abs(numbers)
    large, small = size >= _JSON_END, (size < _LEAST_PLAIN) & (size > 0)
    text = patched(text, large, lambda chosen: _rust_exponent(pa.array(numbers).filter(chosen)))
    text = patched(text, large | small, lambda chosen: _with_fraction(text.filter(chosen)))
    text = patched(text, ~finite, lambda chosen: pa.array(["null"] * int(pc.sum(chosen).as_py())))
    return with_nulls_of(text, values)


def is_plain(values: pa.Array) -> bool:
    """Return whether ``values`` are numbers or booleans that msgspec writes as ``float_text`` and Arrow do."""
    return _is_whole(values.type) or bool(pa.types.is_float64(values.type) and np.isfinite(_known(values)).all())


def is_plain_json(values: pa.Array) -> bool:
    """Return whether ``values`` are numbers or booleans that msgspec writes as ``float_json`` and Arrow do."""
    if not pa.types.is_float64(values.type):
        return _is_whole(values.type)
    sizes = np.abs(_known(values))
    return bool(((sizes < _JSON_END) & ((sizes >= _LEAST_PLAIN) | (sizes == 0))).all())


def plain_text(values: pa.Array, before: str, after: str) -> pa.Array:
    """Return such values between ``before`` and ``after``, null where ``values`` is.

    The texts around them cost next to nothing here; to join them later would cost as much as a column.
    """
    return with_nulls_of(_listed(_known(values).tolist(), before, after), values)


def _is_whole(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_boolean(type_))


def _known(values: pa.Array) -> npt.NDArray[Any]:
    """Return ``values`` with something in place of nulls."""
    if values.null_count:
        values = values.fill_null(False if pa.types.is_boolean(values.type) else 0)
    known: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return known


def _numbers(values: pa.Array) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return the values as doubles, 0 for nulls and those that are not finite, and which are finite.

    A narrower float becomes the double that has the same shortest text, not the same value.
    """
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
    finite = np.isfinite(numbers)
    return (numbers if finite.all() else np.where(finite, numbers, 0.0)), finite


def _shortest(numbers: npt.NDArray[np.float64]) -> pa.Array:
    """Return finite doubles as text: msgspec writes a list of them in the form of ``float_text``."""
    return _listed(numbers.tolist())


def _listed(values: Sequence[object], before: str = "", after: str = "") -> pa.Array:
    """Return ``values``, of which none is written with a comma, as msgspec writes them, between ``before`` and ``after``."""
    if not len(values):
        return pa.array([], pa.string())
    start, end = before.encode(), after.encode()
    listed = msgspec.json.encode(values)[1:-1]
    offsets = np.empty(len(values) + 1, np.int64)
    offsets[0], offsets[-1] = 0, len(listed)
    offsets[1:-1] = np.flatnonzero(np.frombuffer(listed, np.uint8) == _COMMA)
    offsets[1:] += np.arange(len(values)) * (len(start) + len(end) - 1) + len(start) + len(end)
    # Taking the commas out is four times as fast with bytes as with a mask.
    text = b"".join((start, listed.replace(b",", end + start), end))
    return text_from_bytes(np.frombuffer(text, np.uint8), offsets)


def _rust_exponent(values: pa.Array) -> pa.Array:
    """Return Arrow's text of floats, with ``1e10`` for ``1e+10``: its exponent begins earlier than msgspec's."""
    return pc.replace_substring(values.cast(pa.string()), "e+", "e")


def _with_fraction(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, r"^(-?\d+)e", r"\1.0e")


def _with_infinities(text: pa.Array, values: pa.Array, finite: Mask) -> pa.Array:
    def names(chosen: pa.Array) -> pa.Array:
        odd = values.filter(chosen).cast(pa.float64()).to_pylist()
        return pa.array(["NaN" if isnan(number) else str(number) for number in odd])

    return patched(text, ~finite, names)
