"""Sizes in bytes as people write them: ``64mb``, ``20%``."""

import re
from collections.abc import Callable

MEGABYTE = 1024**2

_UNITS = {
    "b": 1,
    "kb": 1024,
    "kib": 1024,
    "mb": MEGABYTE,
    "mib": MEGABYTE,
    "gb": 1024**3,
    "gib": 1024**3,
    "tb": 1024**4,
    "tib": 1024**4,
}
_SIZE = re.compile(r"(?P<number>[0-9]{1,18})\s*(?P<unit>[A-Za-z]*)")
_PERCENT = re.compile(r"(?P<number>[0-9]{1,18})\s*%")


def parse_size(text: str, *, bare_unit_bytes: int = 1) -> int:
    """Return the bytes that ``text`` states: a number with a unit from ``b`` to ``tb`` in any case, powers of 1024.

    A number without unit counts units of ``bare_unit_bytes``.

    Raises:
        ValueError: the text says what is allowed.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = found["unit"].lower() if found else ""
    if not found or (unit and unit not in _UNITS):
        raise ValueError("expected a number with one of the units b, kb, mb, gb, tb")
    return int(found["number"]) * (_UNITS[unit] if unit else bare_unit_bytes)


def parse_memory_size(text: str, machine_bytes: Callable[[], int]) -> int:
    """Return the bytes that ``text`` states: megabytes, or a number with a unit, or a percentage of the machine's memory.

    ``machine_bytes`` tells how much memory there is, and is asked only for a percentage.

    Raises:
        ValueError: the text says what is allowed.
    """
    percent = _PERCENT.fullmatch(text.strip())
    if not percent:
        return parse_size(text, bare_unit_bytes=MEGABYTE)
    share = int(percent["number"])
    if share > 100:
        raise ValueError(
            f"failed to parse '{text.strip()}' as a percentage of available memory: "
            f"relative memory size must be in [0, 100] but is {share}"
        )
    return machine_bytes() * share // 100


def format_size(size_bytes: int) -> str:
    """Return ``size_bytes`` for people: the largest unit of which it is at least one, with one digit if it is not whole."""
    for unit, unit_bytes in (("GB", 1024**3), ("MB", MEGABYTE), ("KB", 1024)):
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size_bytes} bytes"
