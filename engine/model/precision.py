"""The unit in which a write states its timestamps."""

from enum import Enum

from engine.errors import InvalidRequest

_GUESS_SECONDS = 1_000_000_000


class Precision(Enum):
    """The unit of the timestamps of a write; the value is the long word that requests use."""

    AUTO = "auto"
    NANOSECOND = "nanosecond"
    MICROSECOND = "microsecond"
    MILLISECOND = "millisecond"
    SECOND = "second"

    @classmethod
    def parse(cls, text: str, *, auto_allowed: bool = True) -> "Precision":
        """Return the precision that ``text``, a long or a short word, names.

        Raises:
            InvalidRequest: no such word, or ``auto`` where it is not allowed; the text is the cause alone, without
                the words that each write endpoint puts before it.
        """
        if text in _SIGNS:
            return Precision.MICROSECOND
        words = _WORDS if auto_allowed else _WORDS_WITHOUT_AUTO
        if text not in words:
            allowed = ", ".join(f"`{word}`" for word in words)
            raise InvalidRequest(f"unknown variant `{text}`, expected one of {allowed}")
        return words[text]

    @property
    def factor(self) -> int:
        """Return the nanoseconds in one unit.

        Raises:
            ValueError: for ``AUTO``, which has no unit before a timestamp was seen (``of``).
        """
        if self is Precision.AUTO:
            raise ValueError("the precision `auto` has no factor of its own")
        return _FACTORS[self]

    @property
    def title(self) -> str:
        """Return the word as messages write it: ``Second``, ``Millisecond`` and so on."""
        return self.value.capitalize()

    def of(self, timestamp: int) -> "Precision":
        """Return the unit of ``timestamp``: this one, or the guess where this is ``AUTO``."""
        return guess(timestamp) if self is Precision.AUTO else self


# The order is that of the product's message about an unknown word.
_WORDS = {
    "auto": Precision.AUTO,
    "s": Precision.SECOND,
    "second": Precision.SECOND,
    "millisecond": Precision.MILLISECOND,
    "ms": Precision.MILLISECOND,
    "microsecond": Precision.MICROSECOND,
    "u": Precision.MICROSECOND,
    "us": Precision.MICROSECOND,
    "n": Precision.NANOSECOND,
    "nanosecond": Precision.NANOSECOND,
    "ns": Precision.NANOSECOND,
}
# The Go client says microseconds so: with the micro sign, or the Greek letter. No message tells it, for no person types it.
_SIGNS = frozenset({"\u00b5s", "\u03bcs"})
_WORDS_WITHOUT_AUTO = {word: precision for word, precision in _WORDS.items() if precision is not Precision.AUTO}

_FACTORS = {
    Precision.NANOSECOND: 1,
    Precision.MICROSECOND: 1_000,
    Precision.MILLISECOND: 1_000_000,
    Precision.SECOND: 1_000_000_000,
}

# A timestamp whose magnitude is below the limit is of that precision, the first that fits; above all it is nanoseconds.
GUESS_LIMITS = (
    (5 * _GUESS_SECONDS, Precision.SECOND),
    (5_000 * _GUESS_SECONDS, Precision.MILLISECOND),
    (5_000_000 * _GUESS_SECONDS, Precision.MICROSECOND),
)


def guess(timestamp: int) -> Precision:
    """Return the unit that the magnitude of ``timestamp`` suggests for a date of our days."""
    magnitude = abs(timestamp)
    return next((precision for limit, precision in GUESS_LIMITS if magnitude < limit), Precision.NANOSECOND)
