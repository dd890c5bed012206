"""The pages are a site without a warning, and each of them has its place in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generator.site import as_read, with_trees

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.parent.name != "adr"} - {"index.md"}
)


@pytest.mark.process
def test_the_site_is_made_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-d", str(tmp_path / "trees")]
    made = subprocess.run([*command, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    pages = {page.relative_to(tmp_path / "site").with_suffix("") for page in (tmp_path / "site").rglob("*.html")}
    assert pages >= {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_its_place_in_the_tree(page: str) -> None:
    """A new page gets a line in docs/index.md, below the heading where people will look for it."""
    assert len(re.findall(rf"^- \[.+?\]\({re.escape(page)}\)", (DOCS / "index.md").read_text(), re.MULTILINE)) == 1


def test_a_section_of_the_index_is_a_tree() -> None:
    made = with_trees("# Top\n\n## Guide\n\n- [One](one.md): x\n- [Two](two.md)\n\n## Rest\n\n- [Three](a/three.md)\n")
    assert re.findall(r":caption: (.*)\n\n((?:.+\n)+?)```", made) == [
        ("Guide", "one\ntwo\n"),
        ("Rest", "a/three\n"),
    ]


def test_generated_text_stands_for_its_block() -> None:
    assert "Unreleased" in as_read("changelog", "# Changelog\n\n```{generated} changelog\n```\n")


def test_unknown_generated_text_is_refused() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        as_read("page", "```{generated} nonsense\n```\n")
