"""Decisions have numbers of their own, in the names of their files and in their titles."""

import re
from pathlib import Path

FILES = sorted((Path(__file__).parents[2] / "docs" / "adr").glob("*.md"))


def test_decisions_are_numbered_from_1_without_gap_or_double() -> None:
    assert [int(file.name[:4]) for file in FILES] == list(range(1, len(FILES) + 1))


def test_titles_begin_with_the_number() -> None:
    titles = {file.name: file.read_text().partition("\n")[0] for file in FILES}
    assert [name for name, title in titles.items() if not re.match(rf"# {int(name[:4])}\. ", title)] == []
