"""Markdown from what the code says of itself."""

import re
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(`[^`]*`)")
_OPTION = re.compile(r"(?<![`\w-])(--[a-z][a-z0-9-]+)(?![\w`])")
_SPECIAL = re.compile(r"([\\<>*\[\]])")
_SENTENCE = re.compile(r"(.+?[^.]\.)(?=\s+[A-Z`]|$)", re.DOTALL)


def prose(text: str) -> str:
    """Return ``text`` on one line as Markdown that shows it, fit for a cell of a table; code stays between its backticks."""
    pieces = _CODE.split(_OPTION.sub(r"`\1`", " ".join(text.split())))
    return "".join(p if p.startswith("`") else _SPECIAL.sub(r"\\\1", p) for p in pieces).replace("|", r"\|")


def code(text: str) -> str:
    """Return ``text`` as code in a cell of a table; of nothing, nothing."""
    return f"`{text}`".replace("|", r"\|") if text else ""


def codes(texts: Iterable[str]) -> str:
    """Return each of ``texts`` as code, one below the other as far as the width asks for it."""
    return ", ".join(code(text) for text in texts)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def docstring(text: str | None) -> str:
    """Return the first paragraph of a docstring as Markdown."""
    return prose((text or "").partition("\n\n")[0].replace("``", "`"))


def first_sentence(text: str) -> str:
    """Return the first sentence of ``text``, all of it if it does not end."""
    stripped = text.strip()
    found = _SENTENCE.match(stripped)
    return found[1] if found else stripped
