"""A real ``influxdb3 serve`` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("influxdb3")
_MOST_START_S = 30
_MOST_STOP_S = 60
_LOOK_S = 0.02
_MOST_SHOWN = 4000

SERVE = (str(PROGRAM), "serve")


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


class EndedEarly(AssertionError):
    """The server ended before it listened; ``code`` is its exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the server ended with {code}: {text}")
        self.code = code


@dataclass(frozen=True)
class Launch:
    """A server that was started, and may not listen yet."""

    process: subprocess.Popen[bytes]
    address_file: Path
    log: Path

    def listening(self) -> Serving:
        """Return the server as soon as it says where it listens; raises ``EndedEarly``."""
        return Serving(f"http://{_address(self.process, self.address_file, self.log)}", self.process, self.log)

    def end(self) -> None:
        """Have it end in good order; nothing happens if it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_MOST_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def launch(
    folder: Path, *options: str, command: Sequence[str] = SERVE, environment: Mapping[str, str] | None = None
) -> Launch:
    """Start a server on a free port with its data below ``folder``; ``environment`` is what it gets besides the usual."""
    folder.mkdir(parents=True, exist_ok=True)
    address_file, log = folder / "address", folder / "server.log"
    address_file.unlink(missing_ok=True)
    usual = {"--http-bind": "127.0.0.1:0", "--data-dir": str(folder / "data")}
    usual["--tcp-listener-file-path"] = str(address_file)
    fixed = [word for name, value in usual.items() if name not in options for word in (name, value)]
    words = (*command, *fixed, *options)
    clean = clean_environment(folder) | dict(environment or {})
    with log.open("ab") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=clean)
    return Launch(process, address_file, log)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Serving]:
    """Run a server on a free port with its data below ``folder``; stop it at the end."""
    launched = launch(folder, *options)
    try:
        yield launched.listening()
    finally:
        launched.end()


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
            raise EndedEarly(code, log.read_text()[-_MOST_SHOWN:])
    raise AssertionError(f"the server does not listen: {log.read_text()}")
