"""Variables from a ``.env`` file of the working directory, or of the nearest parent that has one.

A line is ``NAME=value``, ``export`` before it allowed. A value is any mix of plain text, ``'literal'`` and ``"text"``, side
by side; outside ``'…'`` a backslash escapes, ``$NAME`` and ``${NAME}`` stand for variables. A blank and ``#`` begin a comment.
"""

import re
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = ".env"

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*")
_TOKEN = re.compile(
    r"'(?P<literal>[^']*)'|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<plain>(?:[^\s'\"\\]|\\[^\n])+)", re.DOTALL
)
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_EXPANDED = re.compile(r"\\(?P<escape>.)|\$\{(?P<braced>[^}]*)\}|\$(?P<bare>\w*)", re.DOTALL | re.ASCII)
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "$": "$", " ": " ", "n": "\n"}


class DotenvError(Exception):
    """The file cannot be read, or a line of it does not parse."""


def find_file(folder: Path) -> Path | None:
    """Return the ``.env`` file that is in force in ``folder``, if there is any."""
    candidates = (place / FILE_NAME for place in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


def load_file(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the file at ``path`` that ``environ`` does not have.

    Raises:
        DotenvError: the text says why.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DotenvError(f"{path}: {error}") from error
    return parse_dotenv(text, environ)


def parse_dotenv(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that ``text`` defines and ``environ`` does not have; the first line of a name counts.

    Raises:
        DotenvError: the text quotes the line that does not parse.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        blank = _LINE_END.match(text, at)
        if blank:
            at = blank.end()
            continue
        name, value, at = _parse_line(text, at, {**found, **environ})
        found.setdefault(name, value)
    return {name: value for name, value in found.items() if name not in environ}


def _parse_line(text: str, start: int, known: Mapping[str, str]) -> tuple[str, str, int]:
    """Return name and value of the line at ``start``, and where the next one begins."""
    name = _NAME.match(text, start)
    if name is None:
        raise _refusal(text, start, start)
    value, at = "", name.end()
    end = _LINE_END.match(text, at)
    while end is None and (token := _TOKEN.match(text, at)):
        literal, escaped = token["literal"], token["quoted"] or token["plain"] or ""
        if any(escape not in _ESCAPES for escape in re.findall(r"\\(.)", escaped, re.DOTALL)):
            raise _refusal(text, start, at)
        value += literal if literal is not None else _expand(escaped, known)
        at = token.end()
        # A "#" that touches the value belongs to it.
        end = None if text[at : at + 1] == "#" else _LINE_END.match(text, at)
    if end is None:
        raise _refusal(text, start, at)
    return name["name"], value, end.end()


def _expand(text: str, known: Mapping[str, str]) -> str:
    """Return ``text`` with its escapes read and its variables put in; an unknown variable is empty."""

    def replacement(found: re.Match[str]) -> str:
        if found["escape"] is not None:
            return _ESCAPES[found["escape"]]
        return known.get(found["braced"] if found["braced"] is not None else found["bare"], "")

    return _EXPANDED.sub(replacement, text)


def _refusal(text: str, start: int, at: int) -> DotenvError:
    line = text[start:].partition("\n")[0]
    return DotenvError(f"Error parsing line: '{line}', error at line index: {at - start}")
