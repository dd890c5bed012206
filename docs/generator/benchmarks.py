"""The measured figures as tables and plots, from what ``make bench`` saved."""

import re
from html import escape
from itertools import groupby

from docs.generator.drawing import INK, PAPER, SOFT, TEXT_PX
from docs.generator.markdown import prose, table
from tests.bench.report import Figure
from tests.bench.saved import Section, read_saved

TITLES = {
    "machine": "The disk of this machine",
    "start_up": "Start and memory",
    "activation": "From a write to a plugin",
    "chain": "Three triggers in a chain",
    "punctuality": "Schedules",
    "replacement": "A plugin host is killed",
    "ingest": "Ingest",
    "plugin_rates": "How much a plugin reads",
    "many_triggers": "A thousand triggers",
    "requests": "Requests to plugins",
    "caches": "Last and distinct values",
    "sql": "Queries",
    "pauses": "What writers notice",
    "years": "Files and queries of years",
}
"""Sections in the order of the page; others follow with their names."""

BAR, GOOD, BAD = "#7fb2e5", "#2f8132", "#b42318"
_LABEL_PX, _WIDTH_PX, _ROW_PX = 330, 880, 26
_GOAL = re.compile(r"^(<|≤|>|≥)\s*([\d,]+(?:\.\d+)?)")
_HOLDS = {
    "<": lambda value, goal: value < goal,
    "≤": lambda value, goal: value <= goal,
    ">": lambda value, goal: value > goal,
    "≥": lambda value, goal: value >= goal,
}


def markdown() -> str:
    """Return a section for each section of ``make bench`` that was saved."""
    saved = read_saved()
    names = [*(name for name in TITLES if name in saved), *(name for name in saved if name not in TITLES)]
    return "\n\n".join(_section(TITLES.get(name, name.replace("_", " ")), saved[name]) for name in names)


def _section(title: str, section: Section) -> str:
    rows = [(prose(f.name), number(f.value), prose(f.unit), prose(f.goal), _verdict(f)) for f in section.figures]
    plots = [plot(title, list(figures)) for _, figures in groupby(section.figures, key=lambda figure: figure.unit)]
    shown = table(("Figure", "Median", "Unit", "Goal", ""), rows)
    drawn = "\n\n".join(f"```{{raw}} html\n{svg}\n```" for svg in plots)
    return f"### {title}\n\nMeasured: {prose(section.conditions)}.\n\n{shown}\n\n{drawn}"


def number(value: float) -> str:
    """Return ``value`` with three digits that count, and commas between thousands."""
    if value == 0:
        return "0"
    digits = max(0, 2 - len(str(int(abs(value)))) + (1 if abs(value) >= 1 else 2))
    return f"{value:,.{digits}f}"


def holds(figure: Figure) -> bool | None:
    """Return whether a figure holds its goal; ``None`` = it has none, or one that a single number does not tell."""
    found = _GOAL.match(figure.goal)
    if found is None or "+" in figure.goal:
        return None
    return bool(_HOLDS[found[1]](figure.value, float(found[2].replace(",", ""))))


def _verdict(figure: Figure) -> str:
    held = holds(figure)
    return "" if held is None else "holds" if held else "**missed**"


def plot(title: str, figures: list[Figure]) -> str:
    """Return bars for figures of one unit as SVG; a line across a bar is its goal."""
    goals = [_goal_of(figure) for figure in figures]
    most = max([*(abs(figure.value) for figure in figures), *(goal for goal in goals if goal is not None), 1e-9])
    height = len(figures) * _ROW_PX + 12
    told = "; ".join(f"{figure.name}: {number(figure.value)} {figure.unit}" for figure in figures)
    parts = [_row(i, figure, goal, most) for i, (figure, goal) in enumerate(zip(figures, goals, strict=True))]
    return (
        f'<svg viewBox="0 0 {_WIDTH_PX} {height}" width="100%" role="img" font-family="system-ui, sans-serif" '
        f'font-size="{TEXT_PX}"><title>{escape(f"{title}: {told}")}</title>'
        f'<rect width="{_WIDTH_PX}" height="{height}" rx="6" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def _goal_of(figure: Figure) -> float | None:
    found = _GOAL.match(figure.goal)
    return float(found[2].replace(",", "")) if found else None


def _row(index: int, figure: Figure, goal: float | None, most: float) -> str:
    top = index * _ROW_PX + 8
    room = _WIDTH_PX - _LABEL_PX - 130
    length = max(1.0, abs(figure.value) / most * room)
    baseline = top + 14
    parts = [
        f'<text x="{_LABEL_PX - 8}" y="{baseline}" text-anchor="end" fill="{INK}">{escape(_short(figure.name))}</text>',
        f'<rect x="{_LABEL_PX}" y="{top}" width="{length:.1f}" height="18" fill="{BAR}"/>',
        f'<text x="{_LABEL_PX + room + 8}" y="{baseline}" fill="{SOFT}">{number(figure.value)} {escape(figure.unit)}</text>',
    ]
    if goal is not None:
        at = _LABEL_PX + goal / most * room
        colour = BAD if holds(figure) is False else GOOD
        parts.append(f'<path d="M{at:.1f},{top - 3} v24" stroke="{colour}" stroke-width="2.5"/>')
    return "".join(parts)


def _short(name: str) -> str:
    return name if len(name) <= 46 else f"{name[:45]}…"
