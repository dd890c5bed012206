"""What ``make soak`` runs: a server under steady load of every kind, watched for what grows, breaks or is lost."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.soak import load
from tests.soak.load import Traffic, reader, writer
from tests.soak.samples import MOST_GROWTH, Sample, growth, leaks, look
from tests.support.live import Client
from tests.support.serving import Serving, serving

LOOK_EVERY_S = 5.0
DATABASE = "soak"
SHORT_LIVED = "short"
OPTIONS = (
    *("--without-auth", "--force-snapshot-mem-size", "8mb", "--wal-segment-size", "4mb"),
    *("--internal-retention-age", "2m", "--retention-check-interval", "10s"),
)


def main() -> int:
    """Run for the time that was asked for, print a table, return 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="influxdb3-soak-") as name:
        folder = Path(name)
        plugins = folder / "plugins"
        plugins.mkdir()
        for file, code in load.PLUGINS.items():
            (plugins / file).write_text(code)
        with serving(folder, *OPTIONS, "--plugin-dir", str(plugins)) as server:
            samples, traffic, problems = _run(server, folder, seconds)
    problems += leaks(samples) + [problem for one in traffic for problem in one.problems]
    _print(samples, traffic)
    for problem in problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return 1 if problems else 0


def _run(server: Serving, folder: Path, seconds: float) -> tuple[list[Sample], list[Traffic], list[str]]:
    client = Client(server.url, DATABASE)
    for database in (DATABASE, SHORT_LIVED):
        client.call("POST", "/api/v3/configure/database", {"db": database}).raise_for_status()
    catalog = folder / "data" / "node0" / "catalog.toml"
    head = f"[databases.{SHORT_LIVED}]\n"
    catalog.write_text(catalog.read_text().replace(head, f'{head}retention_period = "1m"\n'))
    client.create_trigger("counter", "table:batch", "counter.py")
    traffic = _traffic(server.url)
    samples: list[Sample] = []
    began_s = time.monotonic()
    for one in traffic:
        one.start()
    client.rows_when("SELECT rows FROM counted", bool)
    client.create_trigger("ticker", "every:1s", "ticker.py")
    while (at_s := time.monotonic() - began_s) < seconds:
        samples.append(look(server.process.pid, folder / "data", at_s))
        time.sleep(LOOK_EVERY_S)
    for one in traffic:
        one.stop()
    return samples, traffic, _check(client, traffic)


def _traffic(url: str) -> list[Traffic]:
    def client(database: str = DATABASE) -> Client:
        return Client(url, database)

    minute = "WHERE time > now() - INTERVAL '1 minute'"
    return [
        Traffic("single lines", writer(client(), load.singles()), 0.02),
        Traffic("batches", writer(client(), load.batches()), 0.5),
        Traffic("rewrites", writer(client(), load.rewrites()), 0.2),
        Traffic("texts", writer(client(), load.texts()), 0.2),
        Traffic("short-lived", writer(client(SHORT_LIVED), load.batches()), 1.0),
        Traffic("count", reader(client(), "SELECT count(*) FROM batch"), 1.0),
        Traffic(
            "last minute by host", reader(client(), f"SELECT host, avg(f0) FROM batch {minute} GROUP BY host"), 0.7
        ),
        Traffic("last rows", reader(client(), "SELECT * FROM single ORDER BY time DESC LIMIT 10"), 0.5),
        Traffic(
            "runs",
            reader(client(), "SELECT outcome, count(*) FROM system.processing_engine_runs GROUP BY outcome"),
            3.0,
        ),
    ]


def _check(client: Client, traffic: list[Traffic]) -> list[str]:
    """Return what is not as it should be with the rows that were acknowledged."""
    written = {one.name: one.rows for one in traffic}
    problems = []
    for table, name in (("single", "single lines"), ("batch", "batches")):
        stored = client.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
        if stored != written[name]:
            problems.append(f"{table}: {stored} rows are stored, {written[name]} were acknowledged")
    again = client.rows("SELECT count(*) AS n FROM again")[0]["n"]
    if again != min(written["rewrites"], 1000):
        problems.append(f"again: {again} rows instead of 1000")
    sql = "SELECT max(rows) AS n FROM counted"
    try:
        client.rows_when(sql, lambda rows: bool(rows) and rows[0]["n"] == written["batches"])
    except AssertionError:
        problems.append(f"the plugin counted {client.rows(sql)} of {written['batches']} rows")
    failed = client.rows("SELECT count(*) AS n FROM system.processing_engine_runs WHERE outcome <> 'success'")
    if failed and failed[0]["n"]:
        problems.append(f"{failed[0]['n']} runs failed")
    return problems


def _print(samples: list[Sample], traffic: list[Traffic]) -> None:
    console = Console()
    table = Table("at", *samples[0].figures)
    every = max(len(samples) // 12, 1)
    for sample in [*samples[::every], samples[-1]]:
        table.add_row(f"{sample.at_s:.0f} s", *(f"{value:,.0f}" for value in sample.figures.values()))
    table.add_row("rise", *(f"{growth(samples, name):+.1f}" for name in samples[0].figures))
    table.add_row(
        "may rise", *(f"{MOST_GROWTH[name]:.0f}" if name in MOST_GROWTH else "" for name in samples[0].figures)
    )
    console.print(table)
    doings = Table("what", "times", "rows", "slowest")
    for one in traffic:
        doings.add_row(one.name, f"{one.done:,}", f"{one.rows:,}", f"{one.slowest_s:.2f} s")
    console.print(doings)


if __name__ == "__main__":
    sys.exit(main())
