"""Finds what somebody meant who mistyped a name."""

from collections.abc import Iterable

ALIKE = 0.75
"""How much of a name has to be right: from 0, nothing, to 1, all of it."""


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str | None:
    """Return the one of ``known`` that is most like ``name``; ``None`` if none is as much as ``alike`` like it."""
    from difflib import get_close_matches  # here: start-up time, for only a mistake needs it

    return next(iter(get_close_matches(name, known, n=1, cutoff=alike)), None)
