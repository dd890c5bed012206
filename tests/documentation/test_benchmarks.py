"""The page about benchmarks shows every saved figure, in a table and a plot."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.generator.benchmarks import holds, markdown, number, plot
from docs.generator.markdown import prose
from tests.bench.report import Figure
from tests.bench.saved import Section, read_saved, values, with_measured, write_saved

FIGURES = [figure for section in read_saved().values() for figure in section.figures]
SOME = {"sql": Section("monday", (Figure("count", 2.0, "ms", "≤ 5"), Figure("mean", 7.0, "ms")))}


def test_there_are_figures() -> None:
    assert len(FIGURES) > 15


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_each_figure_has_its_line(figure: Figure) -> None:
    assert f"| {prose(figure.name)} | {number(figure.value)} | {prose(figure.unit)} |" in markdown()


@pytest.mark.parametrize(
    ("value", "goal", "expected"),
    [
        (0.6, "≤ 0.6", True),
        (0.6, "< 0.6", False),
        (918484, "≥ 300,000", True),
        (3.9, "≥ 4", False),
        (46, "< 1,000 a year", True),
        (2.5, "≤ 2.5 + one sync", None),
        (2.5, "", None),
    ],
)
def test_a_goal_holds(value: float, goal: str, expected: bool | None) -> None:
    assert holds(Figure("x", value, "ms", goal)) is expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0823, "0.082"),
        (0.919, "0.919"),
        (1.65, "1.65"),
        (29.04, "29.0"),
        (918484.83, "918,485"),
        (-0.5, "-0.500"),
    ],
)
def test_a_number_has_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_plot_has_a_bar_for_each_figure_and_says_so_in_words() -> None:
    drawn = ET.fromstring(plot("Queries", list(SOME["sql"].figures)))
    assert drawn[0].text == "Queries: count: 2.00 ms; mean: 7.00 ms"
    assert [child.get("height") for child in drawn if child.tag == "rect"][1:] == ["18", "18"]
    assert sum(child.tag == "path" for child in drawn) == 1


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    write_saved(SOME, tmp_path / "saved.json")
    assert read_saved(tmp_path / "saved.json") == SOME


def test_nothing_was_saved_yet(tmp_path: Path) -> None:
    assert read_saved(tmp_path / "missing.json") == {}


def test_what_was_not_measured_this_time_stays() -> None:
    saved = with_measured(SOME, "sql", [Figure("count", 1.0, "ms", "≤ 5")], "tuesday")
    assert saved["sql"].conditions == "tuesday"
    assert values(saved) == {"count": 1.0, "mean": 7.0}
    assert values(with_measured(saved, "new", [Figure("x", 3.0, "s")], "")) == {"count": 1.0, "mean": 7.0, "x": 3.0}
