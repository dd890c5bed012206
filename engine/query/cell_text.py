"""The values of Arrow arrays as text: as JSON, and as CSV and box tables show them. A whole array at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa

from engine.columns import compute as pc
from engine.errors import QueryFailed
from engine.query.number_text import float_json, float_text, is_plain, is_plain_json, plain_text
from engine.query.temporal_text import temporal_text
from engine.query.text_arrays import bytes_of, joined, repeated, with_nulls_of

MOST_NAMES_KEPT = 64
_FIRST_PRINTABLE = 0x20
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {chr(c): f"\\u{c:04x}" for c in range(_FIRST_PRINTABLE)} | _SHORT_ESCAPES


@dataclass(frozen=True, slots=True)
class Cells:
    """The texts of an array, null where it is.

    Attributes:
        around: gives the texts between two others, which may be empty.
        quote: belongs on both sides of each text.
        has_nulls: whether any text is null.
        is_pliant: whether texts around cost next to nothing, so that it is not worth while to join them later.
    """

    around: Callable[[str, str], pa.Array]
    quote: str = ""
    has_nulls: bool = False
    is_pliant: bool = False

    @property
    def text(self) -> pa.Array:
        """Return the texts without their quotes."""
        return self.around("", "")

    def quoted(self) -> pa.Array:
        """Return the texts with their quotes."""
        return self.between("", "")

    def between(self, start: str, end: str) -> pa.Array:
        """Return the texts with their quotes between ``start`` and ``end``."""
        return self.around(start + self.quote, self.quote + end)


@dataclass(frozen=True, slots=True)
class _Style:
    quote: str
    null: str
    separator: str
    is_plain: Callable[[pa.Array], bool]
    float_text: Callable[[pa.Array], pa.Array]
    escaped: Callable[[pa.Array], pa.Array]
    members: Callable[[Sequence[str], Sequence[pa.Array]], pa.Array]
    pairs: Callable[[pa.Array, pa.Array], pa.Array]


def json_cells(values: pa.Array) -> Cells:
    """Return the values as JSON."""
    return _cells(values, _JSON)


def display_text(values: pa.Array) -> pa.Array:
    """Return the values as CSV and box tables show them, null where ``values`` is."""
    return _cells(values, _DISPLAY).text


def is_nested(type_: pa.DataType) -> bool:
    """Return whether the type's values hold others, which CSV has no form for."""
    value_type = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_nested(value_type))


def json_objects(names: Sequence[str], columns: Sequence[pa.Array], before: str = "", after: str = "") -> pa.Array:
    """Return one object for each row, without the members that are null; ``before`` and ``after`` surround each.

    Commas are the difficulty: where a column without nulls is found, members left of it carry theirs behind them and
    members right of it in front; otherwise all carry it behind them, and the last one is cut off.
    """
    cells = [json_cells(column) for column in columns]
    keys = _escaped_names(tuple(names))
    anchor = next((i for i, cell in enumerate(cells) if not cell.has_nulls), len(cells))
    pieces: list[Cells | pa.Array | str] = []
    for i, (key, cell) in enumerate(zip(keys, cells, strict=True)):
        start = ("," if i > anchor else "") + f'"{key}":'
        end = "," if i < anchor else ""
        if cell.has_nulls:
            pieces.append(pc.fill_null(cell.between(start, end), ""))
        else:
            pieces += [start + cell.quote, cell, cell.quote + end]
    if anchor < len(cells):
        return _side_by_side([f"{before}{{", *pieces, f"}}{after}"])
    members = pc.utf8_slice_codeunits(_side_by_side(pieces), 0, -1) if pieces else pa.array([], pa.string())
    return joined(f"{before}{{", members, f"}}{after}")


@lru_cache(MOST_NAMES_KEPT)
def _escaped_names(names: tuple[str, ...]) -> list[str]:
    escaped: list[str] = json_escaped(pa.array(names, pa.string())).to_pylist()
    return escaped


def json_escaped(text: pa.Array) -> pa.Array:
    """Return ``text`` as it stands between the quotes of a JSON string."""
    data = bytes_of(text)
    if not ((data < _FIRST_PRINTABLE).any() or (data == ord('"')).any() or (data == ord("\\")).any()):
        return text
    present = {chr(byte) for byte in np.flatnonzero(np.bincount(data, minlength=256)).tolist()}
    # The backslash comes first, or it would double those of the other escapes.
    for character in sorted(present & _ESCAPES.keys(), key=lambda c: c != "\\"):
        text = pc.replace_substring(text, character, _ESCAPES[character])
    return text


def _side_by_side(pieces: Sequence[Cells | pa.Array | str]) -> pa.Array:
    """Return the texts that ``pieces`` make; what is constant goes into pliant neighbours, for each piece takes its time."""
    merged, found = _merged(pieces), list[pa.Array | str]()
    for i, piece in enumerate(merged):
        if not isinstance(piece, Cells):
            found.append(piece)
            continue
        start = end = ""
        if piece.is_pliant:
            start = found.pop() if found and isinstance(found[-1], str) else ""
            behind = merged[i + 1] if i + 1 < len(merged) else ""
            if isinstance(behind, str):
                end, merged[i + 1 : i + 2] = behind, [""]
        found.append(piece.around(start, end))
    return joined(*[piece for piece in found if not (isinstance(piece, str) and piece == "")])


def _merged(pieces: Sequence[Cells | pa.Array | str]) -> list[Cells | pa.Array | str]:
    """Return ``pieces`` with neighbouring constants made one."""
    merged: list[Cells | pa.Array | str] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _cells(values: pa.Array, style: _Style) -> Cells:
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return _dictionary_cells(values, style)
    if (pa.types.is_floating(type_) or pa.types.is_timestamp(type_)) and (coded := repeated(values)) is not None:
        return _dictionary_cells(coded, style)
    if _is_text(type_):
        return _cells_of(style.escaped(values.cast(pa.string())), style.quote)
    if style.is_plain(values):
        return Cells(partial(plain_text, values), "", bool(values.null_count), is_pliant=True)
    if pa.types.is_floating(type_):
        return _cells_of(style.float_text(values))
    if pa.types.is_null(type_):
        return _cells_of(values.cast(pa.string()))
    if pa.types.is_temporal(type_) or type_ == pa.month_day_nano_interval():
        return _cells_of(temporal_text(values), style.quote)
    if pa.types.is_decimal(type_):
        return _cells_of(_decimal_text(values))
    if pa.types.is_nested(type_) and not pa.types.is_union(type_):
        return _cells_of(with_nulls_of(_nested_text(values, style), values))
    return _cells_of(_hex_text(values), style.quote)


def _cells_of(texts: pa.Array, quote: str = "") -> Cells:
    return Cells(lambda start, end: joined(start, texts, end) if start or end else texts, quote, bool(texts.null_count))


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _dictionary_cells(values: pa.DictionaryArray, style: _Style) -> Cells:
    if len(values.dictionary) > len(values):
        return _cells(values.dictionary_decode(), style)
    once = _cells(values.dictionary, style)
    has_nulls = once.has_nulls or bool(values.indices.null_count)
    return Cells(lambda start, end: once.around(start, end).take(values.indices), once.quote, has_nulls, is_pliant=True)


def _decimal_text(values: pa.Array) -> pa.Array:
    """Return decimals with all digits of their scale; Arrow's own text has exponents for small ones."""
    return pa.array([None if v is None else f"{v:f}" for v in values.to_pylist()], pa.string())


def _hex_text(values: pa.Array) -> pa.Array:
    try:
        return pa.array([None if v is None else v.hex() for v in values.cast(pa.binary()).to_pylist()], pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise QueryFailed(f"values of type {values.type} have no text form: cast the column") from error


def _nested_text(values: pa.Array, style: _Style) -> pa.Array:
    type_ = values.type
    if pa.types.is_struct(type_):
        return style.members([field.name for field in type_], values.flatten())
    if pa.types.is_map(type_):
        first, entries = _entries(values)
        pairs = style.pairs(values.keys.slice(first, entries), values.items.slice(first, entries))
        return joined("{", _lists(values, pairs, style.separator), "}")
    if not pa.types.is_list(type_):
        values = values.cast(pa.list_(type_.value_type))
    first, elements = _entries(values)
    inner = _cells(values.values.slice(first, elements), style).quoted()
    return joined("[", _lists(values, pc.fill_null(inner, style.null), style.separator), "]")


def _entries(values: pa.ListArray) -> tuple[int, int]:
    """Return where the entries of ``values`` begin among the children, and how many there are."""
    first, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
    return first, end - first


def _lists(values: pa.ListArray, entries: pa.Array, separator: str) -> pa.Array:
    """Return the texts of each list's entries side by side; those that are null are left out."""
    kept = np.concatenate([[0], np.cumsum(entries.is_valid().to_numpy(zero_copy_only=False))])
    offsets = values.offsets.to_numpy() - values.offsets[0].as_py()
    lists = pa.ListArray.from_arrays(pa.array(kept[offsets].astype(np.int32)), entries.drop_null())
    return pc.binary_join(lists, separator)


def _json_pairs(keys: pa.Array, values: pa.Array) -> pa.Array:
    return joined('"', json_escaped(display_text(keys)), '":', json_cells(values).quoted())


def _display_members(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    pieces: list[pa.Array | str] = []
    for name, column in zip(names, columns, strict=True):
        pieces += [f"{', ' if pieces else ''}{name}: ", pc.fill_null(display_text(column), "")]
    return joined("{", *_merged(pieces), "}")


def _display_pairs(keys: pa.Array, values: pa.Array) -> pa.Array:
    return joined(display_text(keys), ": ", pc.fill_null(display_text(values), ""))


def _as_it_is(text: pa.Array) -> pa.Array:
    return text


_JSON = _Style('"', "null", ",", is_plain_json, float_json, json_escaped, json_objects, _json_pairs)
_DISPLAY = _Style("", "", ", ", is_plain, float_text, _as_it_is, _display_members, _display_pairs)
