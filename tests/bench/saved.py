"""The saved figures: what a later ``make bench`` is compared with, and what the page about benchmarks shows."""

import datetime
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.report import Figure

BASELINE = Path(__file__).with_name("baseline.json")


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one section, and in what circumstances the newest of them were measured."""

    conditions: str
    figures: tuple[Figure, ...]


def read_saved(path: Path = BASELINE) -> dict[str, Section]:
    """Return the saved sections by name; none if nothing was saved."""
    if not path.exists():
        return {}
    sections: dict[str, dict[str, object]] = json.loads(path.read_text())
    return {name: _section(**found) for name, found in sections.items()}  # type: ignore[arg-type]


def _section(conditions: str, figures: list[dict[str, object]]) -> Section:
    return Section(conditions, tuple(Figure(**figure) for figure in figures))  # type: ignore[arg-type]


def write_saved(sections: Mapping[str, Section], path: Path = BASELINE) -> None:
    """Save ``sections``."""
    path.write_text(json.dumps({name: asdict(s) for name, s in sections.items()}, indent=2, ensure_ascii=False) + "\n")


def with_measured(
    saved: Mapping[str, Section], name: str, measured: Iterable[Figure], conditions: str
) -> dict[str, Section]:
    """Return ``saved`` with new figures of the section ``name``; what was not measured this time stays."""
    before = saved[name].figures if name in saved else ()
    figures = {f.name: f for f in before} | {f.name: f for f in measured}
    return {**saved, name: Section(conditions, tuple(figures.values()))}


def values(sections: Mapping[str, Section]) -> dict[str, float]:
    """Return all saved values by the names of their figures."""
    return {figure.name: figure.value for section in sections.values() for figure in section.figures}


def conditions_now() -> str:
    """Return when this is, and on how busy a machine."""
    today = datetime.datetime.now(datetime.UTC).date()
    return f"{today}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
