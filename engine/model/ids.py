"""Ids of databases, tables, triggers and tokens: drawn at random, so that no old copy of a file can bring one back."""

import secrets
from collections.abc import Container

_BITS = 52  # the integers that a double, and so every JSON reader, holds exactly


def draw_id(known: Container[int]) -> int:
    """Return an id that is not in ``known``: from 1 to 2**52 - 1, never 0."""
    while True:
        drawn = secrets.randbits(_BITS)
        if drawn and drawn not in known:
            return drawn
