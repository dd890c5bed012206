"""Durations as people write them: ``1h 30m``."""

import re

NS_PER_SECOND = 1_000_000_000

_MINUTE = 60 * NS_PER_SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_MONTH = 2_630_016 * NS_PER_SECOND  # 30.44 days
_YEAR = 31_557_600 * NS_PER_SECOND  # 365.25 days

_UNIT_WORDS = {
    "nanos nsec ns": 1,
    "usec us µs": 1_000,
    "millis msec ms": 1_000_000,
    "seconds second secs sec s": NS_PER_SECOND,
    "minutes minute mins min m": _MINUTE,
    "hours hour hrs hr h": _HOUR,
    "days day d": _DAY,
    "weeks week wks wk w": _WEEK,
    "months month M": _MONTH,
    "years year yrs yr y": _YEAR,
}
_UNITS = {word: ns for words, ns in _UNIT_WORDS.items() for word in words.split()}

_MOST_NUMBER = 2**64 - 1
_MOST_DIGITS = len(str(_MOST_NUMBER))
_MOST_NS = _MOST_NUMBER * NS_PER_SECOND

# A group is a number, blanks allowed among its digits, and letters. The unit may be missing here; that is told later.
_NUMBER = re.compile(r"[0-9][0-9\s]*")
_FRACTION = re.compile(r"\.([0-9\s]*)")
_UNIT = re.compile(r"[A-Za-zµ]*")

_TOO_LARGE = (
    "number is too large or cannot be represented without a lack of precision (values below 1ns are not supported)"
)


def parse_duration(text: str) -> int:
    """Return the nanoseconds that ``text`` states: groups of a number and a unit, such as ``1h 30m``; ``0`` is zero.

    A fraction (``1.5h``) is cut, not rounded, to whole nanoseconds.

    Raises:
        ValueError: the text says what is wrong; its offsets count bytes of UTF-8 from 0, as the product does.
    """
    if text == "0":
        return 0
    at = _next_group(text, 0)
    if at is None:
        raise ValueError("value was empty")
    total = 0
    while at is not None:
        group_ns, end = _read_group(text, at)
        total += group_ns
        at = _next_group(text, end)
    if total > _MOST_NS:
        raise ValueError(_TOO_LARGE)
    return total


def _next_group(text: str, start: int) -> int | None:
    """Return where the digits of the next group begin, ``None`` at the end."""
    at = start
    while text[at : at + 1].isspace():
        at += 1
    if at == len(text):
        return None
    if not _NUMBER.match(text, at):
        # The product counts from behind the one blank that ended the group before, however many follow.
        reported = start + 1 if start and text[start].isspace() else start
        raise ValueError(f"expected number at {_byte_offset(text, reported)}")
    return at


def _read_group(text: str, start: int) -> tuple[int, int]:
    """Return the nanoseconds of the group at ``start``, and where it ends."""
    number, end = _match(_NUMBER, text, start)
    digits = ""
    fraction = _FRACTION.match(text, end)
    if fraction:
        digits = "".join(fraction[1].split())
        if not digits:
            raise ValueError(f"invalid character at {_byte_offset(text, end)}")
        end = fraction.end()
    unit, unit_end = _match(_UNIT, text, end)
    following = text[unit_end : unit_end + 1]
    is_end_of_group = not following or (bool(unit) and (following.isspace() or following in "0123456789"))
    if not is_end_of_group:
        raise ValueError(f"invalid character at {_byte_offset(text, unit_end)}")
    return _value("".join(number.split()), digits, unit), unit_end


def _match(pattern: re.Pattern[str], text: str, start: int) -> tuple[str, int]:
    found = pattern.match(text, start)
    return (found[0], found.end()) if found else ("", start)


def _value(digits: str, fraction: str, unit: str) -> int:
    significant = digits.lstrip("0") or "0"
    # The length is looked at first: Python refuses to make a number of thousands of digits.
    if len(significant) > _MOST_DIGITS or int(significant) > _MOST_NUMBER:
        raise ValueError(_TOO_LARGE)
    number = int(significant)
    if not unit:
        raise ValueError(f"time unit needed, for example {number}sec or {number}ms")
    ns = _UNITS.get(unit)
    if ns is None:
        raise ValueError(
            f'unknown time unit "{unit}", supported units: '
            "ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)"
        )
    if fraction and (ns == 1 or len(fraction) >= _MOST_DIGITS):
        raise ValueError(_TOO_LARGE)
    return number * ns + (int(fraction) * ns // 10 ** len(fraction) if fraction else 0)


def _byte_offset(text: str, index: int) -> int:
    return len(text[:index].encode(errors="surrogatepass"))


_RENDERED = (
    ("year", "s", _YEAR),
    ("month", "s", _MONTH),
    ("day", "s", _DAY),
    ("h", "", _HOUR),
    ("m", "", _MINUTE),
    ("s", "", NS_PER_SECOND),
    ("ms", "", 1_000_000),
    ("us", "", 1_000),
    ("ns", "", 1),
)


def format_duration(duration_ns: int) -> str:
    """Return the canonical text of ``duration_ns``, not negative: ``1day 2h``, parts of zero left out, or ``0s``."""
    parts = []
    rest = duration_ns
    for word, plural, unit_ns in _RENDERED:
        count, rest = divmod(rest, unit_ns)
        if count:
            parts.append(f"{count}{word}{plural if count > 1 else ''}")
    return " ".join(parts) or "0s"
