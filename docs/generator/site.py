"""The Sphinx extension of the site: plain Markdown pages become what Sphinx needs, ``index.md`` the tree of pages."""

import logging
import re
from collections.abc import Callable
from typing import Any

from pygments.lexers.special import TextLexer

from docs.generator import benchmarks, changelog, commands, endpoints, examples, functions, metrics, settings

GENERATED: dict[str, Callable[[], str]] = {
    "benchmarks": benchmarks.markdown,
    "changelog": changelog.markdown,
    "commands": commands.markdown,
    "endpoints": endpoints.markdown,
    "example-plugins": examples.markdown,
    "functions": functions.markdown,
    "metrics": metrics.markdown,
    "settings": settings.markdown,
}
"""What stands for a block ``{generated} NAME`` of a page."""

PAGES_ABOVE = {"../CHANGELOG.md": "changelog.md", "../README.md": "index.md"}
"""Pages that a code host shows and the site does not have where they are, and what stands for them."""

_GENERATED_BLOCK = re.compile(r"^```\{generated\} (\S+)\n```$", re.MULTILINE)
_LINK = re.compile(r"^- \[[^\]]+\]\(([^)#]+)\.md\)", re.MULTILINE)
_SECTION = re.compile(r"^## ", re.MULTILINE)


def with_trees(index: str) -> str:
    """Return the page ``index`` with a hidden tree of pages for each section, made of the links that begin its list items."""
    before, *sections = _SECTION.split(index)
    return before + "".join(f"## {section.rstrip()}\n\n{_tree(section)}" for section in sections)


def _tree(section: str) -> str:
    caption = section.partition("\n")[0]
    pages = "\n".join(_LINK.findall(section))
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n\n"


def as_read(page: str, text: str) -> str:
    """Return the text of ``page`` as Sphinx shall read it.

    Raises:
        KeyError: it asks for something generated that there is not.
    """
    text = _GENERATED_BLOCK.sub(lambda block: GENERATED[block[1]](), text)
    if page == "index":
        text = with_trees(text)
    for above, here in PAGES_ABOVE.items():
        text = text.replace(f"]({above})", f"]({here})")
    return text


def _read(app: Any, page: str, source: list[str]) -> None:
    if _GENERATED_BLOCK.search(source[0]):
        app.env.note_reread()  # what it is made from is no page
    source[0] = as_read(page, source[0])


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx what this extension does."""
    logging.getLogger("engine").setLevel(logging.WARNING)  # Sphinx prints what is logged
    app.add_lexer("lp", TextLexer)  # line protocol is shown as it is
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
