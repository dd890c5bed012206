"""What ``make fuzz`` runs: each target for its share of the time, with inputs that reach new code kept in ``build/fuzz``.

``python -m tests.fuzz --run body build/fuzz/body-crash-…`` repeats a finding.
"""

import argparse
import platform
import subprocess
import sys
from pathlib import Path

KEPT = Path("build/fuzz")
TOKENS = [
    ",",
    "=",
    " ",
    '"',
    "\\",
    "#",
    "\n",
    "\r",
    "\t",
    "\0",
    "\1",
    "\2",
    "i",
    "u",
    "1e5",
    "-",
    ".5",
    ".e5",
    "0x",
    "nan",
    '="',
    '",',
    "\\ ",
    "true",
    "é",
]
SHARES = {"body": 0.4, "made": 0.3, "query": 0.1, "gzip": 0.1, "log": 0.1}
LONGEST_S = 20
"""An input that takes longer is a finding."""


def main() -> int:
    """Fuzz all targets, or ``--only`` one; the status tells whether nothing was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="how long, all targets together")
    parser.add_argument("--only", choices=SHARES, help="only this target, for all of the time")
    parser.add_argument("--run", choices=SHARES, help=argparse.SUPPRESS)
    options, libfuzzer = parser.parse_known_args()
    if options.run:
        return _fuzz(options.run, libfuzzer)
    shares = {options.only: 1.0} if options.only else SHARES
    # The fuzzer ends its process, so each target has one.
    return max([_in_own_process(name, max(1, round(options.seconds * share))) for name, share in shares.items()])


def _in_own_process(target: str, seconds: int) -> int:
    from tests.fuzz.seeds import seeds  # brings the engine, which the process that fuzzes must import by itself

    kept = KEPT / target
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (kept / f"seed-{number}").write_bytes(seed)
    words = KEPT / "tokens.txt"
    escaped = ("".join(f"\\x{byte:02x}" for byte in token.encode()) for token in TOKENS)
    words.write_text("".join(f'"{token}"\n' for token in escaped))
    print(f"== {target}, {seconds} s; inputs in {kept}, findings in {KEPT}", flush=True)
    limits = [f"-max_total_time={seconds}", f"-timeout={LONGEST_S}", "-rss_limit_mb=4096", "-max_len=8192"]
    places = [f"-artifact_prefix={KEPT}/{target}-", f"-dict={words}", "-print_final_stats=1", str(kept)]
    command = [sys.executable, "-m", "tests.fuzz", "--run", target, *limits, *places]
    return 1 if subprocess.run(command, check=False).returncode else 0


def _fuzz(target: str, arguments: list[str]) -> int:
    try:
        import atheris  # an optional package: make fuzz installs it
    except ImportError:
        print(f"make fuzz needs atheris, for which there is no package on {platform.machine()} yet", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["engine.lineprotocol", "engine.server.params", "engine.wal.frames"]):
        from tests.fuzz.targets import TARGETS  # only what is imported here tells the fuzzer where it has been
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
