"""What ``make bench`` runs: the main job's figures on this machine, beside those of its bare disk."""

import argparse
import json
import sys
from pathlib import Path

from tests.bench import (
    activation,
    caches,
    chain,
    ingest,
    machine,
    many_triggers,
    pauses,
    plugin_rates,
    punctuality,
    replacement,
    requests,
    sql,
    start_up,
    years,
)
from tests.bench.report import Figure, print_figures

BASELINE = Path(__file__).with_name("baseline.json")


def main() -> int:
    """Measure, print a table against the saved baseline, and save a new one if asked to."""
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if sys.argv[1:2] == ["ingest"]:
        print_figures(ingest.main(sys.argv[2:]), baseline)
        return 0
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is measured; the median counts")
    parser.add_argument("--save", action="store_true", help="keep the figures as the new baseline")
    parser.add_argument("--only", default="", help="only sections whose name contains this")
    options = parser.parse_args()
    figures: list[Figure] = []
    for section in (
        machine,
        start_up,
        activation,
        chain,
        punctuality,
        replacement,
        ingest,
        plugin_rates,
        many_triggers,
        requests,
        caches,
        sql,
        pauses,
        years,
    ):
        if options.only in section.__name__:
            figures += section.measure(options.rounds)
    print_figures(figures, baseline)
    if options.save:
        measured = {f.name: f.value for f in figures}
        BASELINE.write_text(json.dumps(baseline | measured, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
