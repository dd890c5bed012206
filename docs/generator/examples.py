"""The example plugins as one page of the site: the list of them, and behind it the page of each."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "plugins"
_LINK = re.compile(r"\]\((\w+)\.md\)")
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def markdown() -> str:
    """Return the list without its title, then a section for each plugin in its order."""
    readme = (_FOLDER / "README.md").read_text().partition("\n")[2]
    names = list(dict.fromkeys(_LINK.findall(readme)))
    sections = (f"({_anchor(name)})=\n{_one_deeper((_FOLDER / f'{name}.md').read_text())}" for name in names)
    return _LINK.sub(lambda link: f"](#{_anchor(link[1])})", "\n\n".join([readme, *sections]))


def _anchor(name: str) -> str:
    return f"example-{name.replace('_', '-')}"


def _one_deeper(page: str) -> str:
    """Return ``page`` with its headings one level deeper; what begins with ``#`` in code is no heading."""
    parts = _CODE.split(page)
    return "".join(part if part.startswith("```") else _HEADING.sub(r"#\1", part) for part in parts)
