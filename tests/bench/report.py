"""Figures, medians, and the table that people read."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number: the median of the rounds; ``goal`` is what it shall hold, as text."""

    name: str
    value: float
    unit: str
    goal: str = ""


def median_of(name: str, values: Sequence[float], unit: str, goal: str = "") -> Figure:
    """Return the median of ``values``."""
    return Figure(name, statistics.median(values), unit, goal)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_figures(figures: Sequence[Figure], baseline: Mapping[str, float]) -> None:
    """Print a table; the last column compares with the saved baseline, which another machine may have made."""
    table = Table("figure", "median", "unit", "goal", "× baseline")
    for f in figures:
        known = baseline.get(f.name)
        ratio = f"{f.value / known:.2f}" if known else ""
        table.add_row(f.name, f"{f.value:,.2f}", f.unit, f.goal, ratio)
    Console(soft_wrap=True).print(table)
