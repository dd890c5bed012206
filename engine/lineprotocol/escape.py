"""Escaping of line protocol and its reverse, one pair for each kind of word."""

import re

_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_NAME = str.maketrans({"\\": "\\\\", ",": "\\,", "=": "\\=", " ": "\\ "})
_STRING = str.maketrans({"\\": "\\\\", '"': '\\"'})

_ESCAPED_IN_MEASUREMENT = re.compile(r"\\([, \\])")
_ESCAPED_IN_NAME = re.compile(r"\\([, =\\])")
_ESCAPED_IN_STRING = re.compile(r'\\(["\\])')


def escape_measurement(name: str) -> str:
    """Return ``name`` as a line begins with it; a backslash stays single, as the product's builder leaves it."""
    return name.translate(_MEASUREMENT)


def escape_name(text: str) -> str:
    """Return a tag key, tag value or field key as it stands in a line."""
    return text.translate(_NAME)


def quote_string(text: str) -> str:
    """Return the value of a string field as it stands in a line, with its quotes."""
    return f'"{text.translate(_STRING)}"'


def unescape_measurement(text: str) -> str:
    """Return the measurement that ``text`` stands for; a backslash before any other character is itself."""
    return _ESCAPED_IN_MEASUREMENT.sub(r"\1", text) if "\\" in text else text


def unescape_name(text: str) -> str:
    """Return the tag key, tag value or field key that ``text`` stands for."""
    return _ESCAPED_IN_NAME.sub(r"\1", text) if "\\" in text else text


def unescape_string(text: str) -> str:
    """Return the string that ``text``, taken from between its quotes, stands for."""
    return _ESCAPED_IN_STRING.sub(r"\1", text) if "\\" in text else text
