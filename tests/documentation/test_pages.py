"""Getting started, the tutorials and the operator's guide, command by command, in an empty folder, with what each page shows."""

import re
from pathlib import Path

import pytest

from tests.support.pages import Command, WrittenFile, are_among, comparable, reader, steps

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = sorted(page.relative_to(DOCS).as_posix() for page in (DOCS / "tutorials").glob("*.md"))
PAGES = ["getting-started.md", *TUTORIALS, "operating.md"]
NOT_RUN = {"getting-started.md": ["python3 -m venv ~/influxdb3"]}
"""First lines of what a page shows and the test does not do: an installation takes packages from the network."""


@pytest.mark.process
@pytest.mark.parametrize("page", PAGES)
def test_page_goes_as_it_is_written(page: str, tmp_path: Path) -> None:
    with reader(tmp_path) as somebody:
        for step in steps((DOCS / page).read_text()):
            somebody.do(step)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_a_page_is_left_out(page: str) -> None:
    blocks = re.findall(r"^```(\w*)\n(.*)", (DOCS / page).read_text(), re.MULTILINE)
    left_out = [first for kind, first in blocks if kind not in ("console", "python", "")]
    assert left_out == NOT_RUN.get(page, [])
    assert all(first.startswith("# plugins/") for kind, first in blocks if kind == "python")


def test_a_page_is_read_in_steps() -> None:
    page = "Do:\n```python\n# a/b.py\nx = 1\n```\n```console\n$ one \\\n  two\nsaid\n$ three\n```\n```text\n$ no\n```\n"
    assert list(steps(page)) == [
        WrittenFile("a/b.py", "# a/b.py\nx = 1\n"),
        Command("one \\\n  two", "said\n"),
        Command("three", ""),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("at 2026-11-21T16:12:11.613Z: x", "at 2025-01-01T00:00:00.1Z: x", id="times"),
        pytest.param("in 8ms 84us 316ns", "in 1s 2ms", id="durations"),
        pytest.param(f"Bearer apiv3_{'x' * 86}", "Bearer apiv3_…", id="tokens"),
        pytest.param("+---+\n| a |\n+---+", "┏━━━━━┓\n┃ a   ┃\n┗━━━━━┛", id="borders-of-tables"),
    ],
)
def test_what_changes_each_time_is_not_compared(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("| a | 1 |", "| a | 2 |", id="values"),
        pytest.param("2026-03-02T12:00:00", "2026-03-02T12:01:00", id="times-that-somebody-wrote"),
    ],
)
def test_what_matters_is_compared(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


@pytest.mark.parametrize(
    ("shown", "is_shown"), [("a\nc", True), ("a", True), ("c\na", False), ("d", False), ("a\na", False)]
)
def test_a_page_may_leave_out_what_a_server_says(shown: str, is_shown: bool) -> None:
    assert are_among(shown, "a\nb\nc\n") is is_shown
