"""Text as bodies and headers carry it."""

import json
from typing import Any


def compact_json(value: Any) -> bytes:
    """Return ``value`` as JSON without blanks, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def header_text(text: str) -> bytes:
    """Return ``text`` as a header can carry it: one line of Latin-1, other characters as escapes."""
    one_line = "".join(c if c.isprintable() else " " for c in text)
    return one_line.encode("latin-1", errors="backslashreplace")
