"""A real ``influxdb3 serve`` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("influxdb3")
_MOST_START_S = 30
_MOST_STOP_S = 60
_LOOK_S = 0.02


@dataclass(frozen=True)
class Serving:
    """A server that listens; its log is in ``log``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment without anything that would change a server or a command."""
    foreign = ("INFLUXDB3_", "VIRTUAL_ENV", "PYTHON")  # the last: bytecode is kept, as on any user's machine
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"HOME": str(home)}


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Serving]:
    """Run a server on a free port with its data below ``folder``; stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    address_file, log = folder / "address", folder / "server.log"
    address_file.unlink(missing_ok=True)
    fixed = ("--http-bind", "127.0.0.1:0", "--data-dir", str(folder / "data"))
    command = [PROGRAM, "serve", *fixed, "--tcp-listener-file-path", str(address_file), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=clean_environment(folder)
        )
    try:
        yield Serving(f"http://{_address(process, address_file, log)}", process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_MOST_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _address(process: subprocess.Popen[bytes], address_file: Path, log: Path) -> str:
    """Return where the server listens, as soon as it says so."""
    for _ in range(round(_MOST_START_S / _LOOK_S)):
        try:
            code = process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            address = address_file.read_text().strip() if address_file.exists() else ""
            if address:
                return address
        else:
            raise AssertionError(f"the server ended with {code}: {log.read_text()}")
    raise AssertionError(f"the server does not listen: {log.read_text()}")
