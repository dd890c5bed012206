"""What ``make test-plugins`` runs: the plugins of a folder, unmodified, on a real server."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.public_plugins.found import FoundPlugin, find_plugins
from tests.public_plugins.report import Line, Tried, has_failed, line_of, print_report
from tests.public_plugins.runner import Bench, bench
from tests.public_plugins.trials import trials_of
from tests.public_plugins.verdict import Outcome, Verdict

USAGE = "make test-plugins PLUGINS=<folder> [ONLY=<name>] [OFFLINE=1]"
ABOUT = """\
Runs the plugins of a folder in the layout of influxdata/influxdb3_plugins, as they are: for each plugin it installs the
packages that its manifest and requirements.txt name, creates the triggers that it declares with the examples of its header
as arguments, writes rows, fires them, and prints what came of it. It fails if the folder has no plugins, or if one could
not be loaded or run for a reason that is not its own; a plugin that refuses example arguments, or whose outside service
is not there, is told apart."""


def main(arguments: list[str] | None = None) -> int:
    """Try all plugins and print what became of them; return 1 if the engine failed one."""
    parser = argparse.ArgumentParser(prog="make test-plugins", usage=USAGE, description=ABOUT)
    parser.add_argument("folder", type=Path, help="the folder with the plugins")
    parser.add_argument("--only", default="", help="only plugins whose path contains this")
    parser.add_argument("--offline", action="store_true", help="install nothing; leave out plugins that need packages")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for the runs of a trial")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"no such folder: {options.folder}")
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 240)
    plugins = [plugin for plugin in find_plugins(options.folder) if options.only in plugin.path]
    with (
        tempfile.TemporaryDirectory(prefix="test-plugins-") as work,
        bench(options.folder, Path(work), options.patience) as tried_on,
    ):
        lines = [line for plugin in plugins for line in _try_out(tried_on, plugin, console, options.offline)]
    print_report(lines, console)
    if not plugins:
        console.print(f"no plugins in {options.folder}", style="red", markup=False)
    return 1 if has_failed(lines) else 0


def _try_out(tried_on: Bench, plugin: FoundPlugin, console: Console, is_offline: bool) -> list[Line]:
    """Return what became of each function of one plugin."""
    console.print(f"{plugin.path} …", style="dim", markup=False)
    if plugin.problem is not None:
        return [Line(plugin, "", Verdict(Outcome.INCOMPLETE, plugin.problem))]
    missing = [name for name in plugin.declared if name not in plugin.entries]
    if missing:
        told = f"its manifest declares {', '.join(missing)}, which is not in its code"
        return [Line(plugin, missing[0], Verdict(Outcome.INCOMPLETE, told))]
    if is_offline and plugin.packages:
        return [Line(plugin, entry, Verdict(Outcome.LEFT_OUT, " ".join(plugin.packages))) for entry in plugin.declared]
    problem = tried_on.install(plugin.packages)
    if problem is not None:
        return [Line(plugin, entry, Verdict(Outcome.PACKAGES, problem)) for entry in plugin.declared]
    trials = trials_of(plugin, tried_on.server)
    tried = [Tried(trial, tried_on.try_(plugin, trial)) for trial in trials]
    return [line_of(plugin, entry, [each for each in tried if each.trial.entry == entry]) for entry in plugin.declared]


if __name__ == "__main__":
    sys.exit(main())
