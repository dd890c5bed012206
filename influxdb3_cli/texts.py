"""Small pure renderings that messages share: quoted names, sizes, system errors."""

import re

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SIZE_STEP = 1024


def quote(text: str) -> str:
    """Return ``text`` as messages quote a name: in double quotes, with escapes for what cannot be printed."""
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def quote_all(names: list[str]) -> str:
    """Return a list of names as messages show it: ``["a", "b"]``."""
    return "[" + ", ".join(quote(name) for name in names) + "]"


def harmless(text: str) -> str:
    """Return ``text`` without control characters that a terminal would obey; tabs and line breaks stay."""
    return _CONTROL.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def sql_text(text: str) -> str:
    """Return ``text`` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def format_size(size_bytes: float) -> str:
    """Return ``size_bytes`` for people: ``18B``, ``1.50KiB``, ``2.00GiB``."""
    if size_bytes < _SIZE_STEP:
        return f"{round(size_bytes)}B"
    size = size_bytes / _SIZE_STEP
    for unit in ("KiB", "MiB"):
        if size < _SIZE_STEP:
            return f"{size:.2f}{unit}"
        size /= _SIZE_STEP
    return f"{size:.2f}GiB"


def os_error(error: OSError) -> str:
    """Return the cause that the operating system gives, with its number."""
    return f"{error.strerror or error} (os error {error.errno})"


def _printable(char: str) -> str:
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"
