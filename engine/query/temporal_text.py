"""Times, dates, durations and intervals as text, as InfluxDB writes them in every format."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.columns import compute as pc
from engine.query.text_arrays import joined, text_from_bytes, with_nulls_of

_NS_OF_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_UTC = {"UTC", "Z", "+00:00", "Etc/UTC"}
_FIRST_PLAIN_S, _END_PLAIN_S = -62167219200, 253402300800
"""Years 0 to 9999 have four digits and no sign."""
_SECONDS_LENGTH, _TIME_START = 19, 11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_LOCAL = _EPOCH.replace(tzinfo=None)
_FEW = 16
_FIRST_KNOWN_S = -62135510400
"""A day after the first that Python's calendar knows; earlier instants have the offset of this one."""

Integers = npt.NDArray[np.int64]


def temporal_text(values: pa.Array) -> pa.Array:
    """Return the values of any temporal type as text: fractions of a second have 0, 3, 6 or 9 digits."""
    type_ = values.type
    if pa.types.is_timestamp(type_):
        text = _timestamps(values)
    elif pa.types.is_date32(type_):
        text = _dates(values)
    elif pa.types.is_date64(type_):
        text = _timestamps(values.cast(pa.timestamp("ms")))
    elif pa.types.is_time(type_):
        text = pc.utf8_slice_codeunits(_local_times(_integers(values), type_.unit), _TIME_START)
    elif pa.types.is_duration(type_):
        texts = [_duration(v * _NS_OF_UNIT[type_.unit]) for v in _integers(values).tolist()]
        text = pa.array(texts, pa.string())
    else:
        text = pa.array([None if v is None else _interval(*v) for v in values.to_pylist()], pa.string())
    return with_nulls_of(text, values)


def _integers(values: pa.Array) -> Integers:
    width = pa.int32() if values.type.bit_width == 32 else pa.int64()
    numbers: Integers = values.view(width).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _dates(values: pa.Array) -> pa.Array:
    seconds = values.view(pa.int32()).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) * 86400
    return pc.utf8_slice_codeunits(_seconds_text(seconds), 0, -9)


def _timestamps(values: pa.Array) -> pa.Array:
    zone, unit, instants = values.type.tz, values.type.unit, _integers(values)
    if zone is None:
        return _local_times(instants, unit)
    if zone in _UTC:
        return joined(_local_times(instants, unit), "Z")
    offsets_s = _offsets(zone, instants, unit)
    local = instants + offsets_s * (10**9 // _NS_OF_UNIT[unit])
    known, which = np.unique(offsets_s, return_inverse=True)
    suffixes = pa.array([_offset_text(int(offset)) for offset in known]).take(pa.array(which))
    return joined(_local_times(local, unit), suffixes)


def _offsets(zone: str, instants: Integers, unit: str) -> Integers:
    """Return by how many seconds the zone's clocks are ahead of UTC at each instant."""
    if zone[0] in "+-":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        return np.full(len(instants), (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1))
    seconds = instants // (10**9 // _NS_OF_UNIT[unit])
    known, which = np.unique(seconds // 900, return_inverse=True)
    place = ZoneInfo(zone)
    return np.array([_offset_s(place, int(quarter) * 900) for quarter in known], np.int64)[which]


def _local_times(numbers: Integers, unit: str) -> pa.Array:
    """Return times without zone, given in ``unit`` since the epoch, as ``1970-01-01T00:00:00.5``."""
    per_second = 10**9 // _NS_OF_UNIT[unit]
    if len(numbers) <= _FEW:
        parts = [divmod(number, per_second) for number in numbers.tolist()]
        if all(_FIRST_KNOWN_S <= second < _END_PLAIN_S for second, _ in parts):
            return pa.array([_local_time(second, part * _NS_OF_UNIT[unit]) for second, part in parts], pa.string())
    seconds = numbers // per_second
    text = _seconds_text(seconds)
    fractions = (numbers - seconds * per_second) * _NS_OF_UNIT[unit]
    return joined(text, _fractions(fractions)) if fractions.any() else text


def _local_time(second: int, nanoseconds: int) -> str:
    """Return one time as text: for a few that is quicker than what is done with whole columns."""
    text = (_EPOCH_LOCAL + timedelta(seconds=second)).isoformat()
    if not nanoseconds:
        return text
    digits = f"{nanoseconds:09}"
    return f"{text}.{digits[:3] if digits.endswith('000000') else digits[:6] if digits.endswith('000') else digits}"


def _seconds_text(seconds: Integers) -> pa.Array:
    if len(seconds) and (seconds.min() < _FIRST_PLAIN_S or seconds.max() >= _END_PLAIN_S):
        texts = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
        return pa.array([_signed_year(text) for text in texts], pa.string())
    text = pa.array(seconds, pa.timestamp("s")).cast(pa.string())
    letters = np.frombuffer(text.buffers()[2] or b"", np.uint8)[: len(seconds) * _SECONDS_LENGTH].copy()
    letters[_TIME_START - 1 :: _SECONDS_LENGTH] = ord("T")
    return text_from_bytes(letters, np.arange(len(seconds) + 1) * _SECONDS_LENGTH)


def _signed_year(text: str) -> str:
    """Return numpy's text of a time with a sign before a year that is negative or has more than four digits."""
    year, _, rest = text.lstrip("-").partition("-")
    sign = "-" if text[0] == "-" else "+" if len(year) > 4 else ""
    return f"{sign}{int(year):04}-{rest}"


def _fractions(nanoseconds: Integers) -> pa.Array:
    """Return fractions of a second with a point and the fewest groups of three digits, nothing for 0."""
    left = nanoseconds.astype(np.uint32)
    digits = np.empty((len(left), 10), np.uint8)
    digits[:, 0] = ord(".")
    for place in range(9, 0, -1):
        left, digit = np.divmod(left, 10)
        digits[:, place] = digit + ord("0")
    lengths = np.select([nanoseconds == 0, nanoseconds % 10**6 == 0, nanoseconds % 10**3 == 0], [0, 4, 7], 10)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if lengths.min() == lengths.max():
        return text_from_bytes(digits[:, : lengths[0]].reshape(-1), offsets)
    return text_from_bytes(digits[np.arange(10) < lengths[:, None]], offsets)


def _offset_s(place: ZoneInfo, instant_s: int) -> int:
    moment = _EPOCH + timedelta(seconds=min(max(instant_s, _FIRST_KNOWN_S), _END_PLAIN_S - 2 * 86400))
    offset = moment.astimezone(place).utcoffset() or timedelta()
    return int(offset.total_seconds())


def _offset_text(offset_s: int) -> str:
    if offset_s == 0:
        return "Z"
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    return f"{'-' if offset_s < 0 else '+'}{hours:02}:{minutes:02}"


def _duration(nanoseconds: int) -> str:
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    digits = f".{fraction:09}".rstrip("0") if fraction else ""
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}PT{seconds}{digits}S" if nanoseconds else "P0D"


def _interval(months: int, days: int, nanoseconds: int) -> str:
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if nanoseconds < 0 else ""
    parts = [f"{months} mons" * bool(months), f"{days} days" * bool(days)]
    parts += [f"{sign}{hours} hours" * bool(hours), f"{sign}{minutes} mins" * bool(minutes)]
    parts += [f"{sign}{seconds}.{fraction:09} secs" * bool(seconds or fraction)]
    return " ".join(part for part in parts if part) or "0 secs"
