"""What became of all plugins: judged by function, printed as a table."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.public_plugins.found import FoundPlugin
from tests.public_plugins.trials import Trial
from tests.public_plugins.verdict import FAILURES, Outcome, Seen, Verdict, judge

MOST_WORDS = 160


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial and what is recorded of it."""

    trial: Trial
    seen: Seen


@dataclass(frozen=True, slots=True)
class Line:
    """What the report says of one function of a plugin; ``way`` is that of the trial that counts."""

    plugin: FoundPlugin
    entry: str
    verdict: Verdict
    way: str = ""
    runs: int = 0
    rows: int = 0


def line_of(plugin: FoundPlugin, entry: str, tried: list[Tried]) -> Line:
    """Return what the trials of one function come to: the worst if the engine failed in one, else the best."""
    judged = [(judge(each.seen), each) for each in tried]
    ranks = list(Outcome)
    failed = [found for found in judged if found[0].outcome in FAILURES]
    best = sorted(judged, key=lambda found: (ranks.index(found[0].outcome), -found[1].seen.rows))
    verdict, counts = (failed or best)[0]
    return Line(plugin, entry, verdict, counts.trial.way, counts.seen.runs, counts.seen.rows)


def has_failed(lines: list[Line]) -> bool:
    """Return whether a plugin could not be run for a reason that is not its own, or none was found at all."""
    return not lines or any(line.verdict.outcome in FAILURES for line in lines)


def print_report(lines: list[Line], console: Console) -> None:
    """Print a line for each function of each plugin, and the sums."""
    table = Table(box=None, pad_edge=False)
    for heading in ("plugin", "function", "outcome", "runs", "rows", "tried with", "what it said"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("runs", "rows") else "left")
    for line in lines:
        style = "red" if line.verdict.outcome in FAILURES else None
        words = line.verdict.reason.replace("\n", " ")[:MOST_WORDS]
        cells = (
            line.plugin.name,
            line.entry,
            line.verdict.outcome.value,
            str(line.runs),
            str(line.rows),
            line.way,
            words,
        )
        table.add_row(*cells, style=style)
    console.print(table, markup=False)
    sums = {outcome: sum(line.verdict.outcome is outcome for line in lines) for outcome in Outcome}
    plugins = len({line.plugin.path for line in lines})
    told = ", ".join(f"{outcome.value}: {count}" for outcome, count in sums.items() if count)
    console.print(f"{plugins} plugins, {len(lines)} functions; {told or 'nothing was tried'}", markup=False)
