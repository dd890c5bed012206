"""How many rows a second a write plugin works off: from the log through the real host, behind a backlog."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.report import Figure, median_of
from tests.bench.server import Bench, bench_server

LINES = 5_000
BATCHES = 200
PATIENCE_S = 120.0

PLUGIN = """
import os, time
{imports}

def process_writes(influxdb3_local, table_batches, args=None):
    while not os.path.exists({go!r}):
        time.sleep(0.01)
    count, total = 0, 0.0
    for batch in table_batches:
{body}
    with open({done!r}, "a") as done:
        done.write(f"{{count}} {{total}} {{time.time_ns()}}\\n")
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """A plugin that reads each row in its way."""

    name: str
    goal: str
    imports: str
    body: str


READERS = (
    Reader(
        "write plugin, two values of each row dict",
        "≥ 300,000",
        "",
        """
        rows = batch["rows"]
        for row in rows:
            total += row["usage_user"] + row["usage_system"]
        count += len(rows)
""",
    ),
    Reader(
        "write plugin, sum of an Arrow column",
        "≥ 3,000,000",
        "import pyarrow.compute as pc",
        """
        table = batch.to_arrow()
        total += pc.sum(table["usage_user"]).as_py()
        count += len(table)
""",
    ),
)


def measure(rounds: int) -> list[Figure]:
    """Return the rows per second of plugins that have a million rows to work off, of two tags and four fields each."""
    per_round = [_round() for _ in range(rounds)]
    return [
        median_of(reader.name, [rates[number] for rates in per_round], "rows/s", reader.goal)
        for number, reader in enumerate(READERS)
    ]


def _round() -> list[float]:
    with bench_server() as bench:
        for number, reader in enumerate(READERS):
            go, done = _files(bench, number)
            code = PLUGIN.format(imports=reader.imports, go=str(go), done=str(done), body=reader.body)
            (bench.plugins / f"p{number}.py").write_text(code)
            bench.trigger(f"t{number}", "table:cpu", f"p{number}.py")
        for i in range(BATCHES):
            bench.write(_body(i), precision="nanosecond")
        return [_drained(bench, number) for number in range(len(READERS))]


def _drained(bench: Bench, number: int) -> float:
    """Let a plugin begin; return its rows per second from that moment to the end of its last run."""
    go, done = _files(bench, number)
    began_ns = time.time_ns()
    go.touch()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        runs = [line.split() for line in done.read_text().splitlines()] if done.exists() else []
        if sum(int(count) for count, _, _ in runs) == LINES * BATCHES:
            return LINES * BATCHES / (int(runs[-1][2]) - began_ns) * 1e9
        time.sleep(0.05)
    raise SystemExit(f"the plugin has not seen every row after {PATIENCE_S:g} s")


def _files(bench: Bench, number: int) -> tuple[Path, Path]:
    return bench.plugins.parent / f"go{number}", bench.plugins.parent / f"done{number}"


def _body(batch: int) -> str:
    start = 1_700_000_000_000_000_000 + batch * LINES * 1_000_000
    return "\n".join(
        f"cpu,host=host{i % 100},region=eu-{i % 4} usage_user={i % 97}.5,usage_system={i % 31}.25,cores={i % 8}i,up=t"
        f" {start + i * 1_000_000}"
        for i in range(LINES)
    )
