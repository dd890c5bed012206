"""What ``make bench`` runs: the main job's figures on this machine, beside those of its bare disk."""

import argparse
import sys

from tests.bench import (
    activation,
    caches,
    chain,
    datafusion,
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
from tests.bench.saved import conditions_now, read_saved, values, with_measured, write_saved


def main() -> int:
    """Measure, print a table against the saved baseline, and save a new one if asked to."""
    saved = read_saved()
    baseline = values(saved)
    if sys.argv[1:2] == ["ingest"]:
        measured = ingest.main([word for word in sys.argv[2:] if word != "--save"])
        print_figures(measured, baseline)
        if "--save" in sys.argv:
            write_saved(with_measured(saved, "ingest", measured, conditions_now()))
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
        datafusion,
        pauses,
        years,
    ):
        if options.only in section.__name__:
            conditions = conditions_now()
            measured = list(section.measure(options.rounds))
            saved = with_measured(saved, section.__name__.rpartition(".")[2], measured, conditions)
            figures += measured
    print_figures(figures, baseline)
    if options.save:
        write_saved(saved)
    return 0


if __name__ == "__main__":
    sys.exit(main())
