"""Begins a child process of the server: without pandas, then the module that does its work."""

import importlib
import sys

from engine.no_pandas import leave_out_pandas


def main() -> None:
    """Run ``main`` of the module that the first argument names, for which the others are meant."""
    leave_out_pandas()
    work = importlib.import_module(sys.argv.pop(1))
    work.main()


if __name__ == "__main__":
    main()
