"""A page of the documentation, done step by step as a reader does it: in an empty folder, with the real commands.

A block ``python`` whose first line names a file is that file; a block ``console`` holds commands after ``$``, each with what
it prints.
``influxdb3 serve`` stands for a first terminal: it goes on beside the other commands, and a second one follows a Ctrl-C.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import until
from tests.support.serving import PROGRAM, clean_environment

ADDRESS = "127.0.0.1:8181"
PATIENCE_S = 20.0
STOP_S = 30
LOOK_S = 0.1
ASKS = re.compile(r"influxdb3 (?:query|show|logs) ")
"""Commands that only ask: a reader is slower than a plugin, so they may be asked again."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.\w+)\n")
_TOKEN = re.compile(r"apiv3_[\w-]{20,}")
_CHANGING = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"apiv3_(?:[\w-]{20,}|…)"), "TOKEN"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+Z?|Z| UTC)"), "TIME"),
    (re.compile(r"\bPT[\d.]+S|(?:\b\d+(?:\.\d+)?(?:ns|us|µs|ms|s)\b ?)+"), "TOOK"),
    (re.compile(r"\([^()]*/s(?:ec)?\)"), "(RATE)"),
    (re.compile(r"\b[\d.]+[KMG]iB\b"), "SIZE"),
    (re.compile(r"[│┃]"), "|"),
    (re.compile(r"^[-+=|┏┓┗┛┡┩└┘┬┴┳┻╇├┤┼━─\s]+$", re.MULTILINE), ""),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" ?\n\s*"), "\n"),
)
"""What is another each time, or for another terminal."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the reader writes."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the reader types, and what the page says that it prints."""

    line: str
    printed: str


def steps(page: str) -> Iterator[WrittenFile | Command]:
    """Yield what the reader of ``page`` does, in order."""
    for kind, text in _BLOCK.findall(page):
        if kind == "console":
            yield from _commands(text)
        elif kind == "python" and (named := _FILE.match(text)):
            yield WrittenFile(named[1], text)


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        count = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\\n"))
        yield Command("".join(lines[:count]).rstrip("\n"), "".join(lines[count:]))


def comparable(text: str) -> str:
    """Return ``text`` without what is another each time."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text.strip()


def are_among(shown: str, printed: str) -> bool:
    """Return whether the lines ``shown`` were printed in this order; a page need not show all that a server says."""
    lines = iter(comparable(printed).split("\n"))
    return all(line in lines for line in comparable(shown).split("\n"))


class Reader:
    """Does what a page says, in ``folder``, which is the home folder too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder.parent / "state"
        self._state.mkdir()
        self._log = self._state / "server.log"
        self._address_file = self._state / "address"
        self._bind = "127.0.0.1:0"
        self._server: subprocess.Popen[bytes] | None = None
        self._token = ""
        (self._state / "bin").mkdir()
        if shutil.which("curl") is None:
            _write_curl(self._state / "bin" / "curl")
        path = f"{self._state / 'bin'}:{PROGRAM.parent}:{os.environ['PATH']}"
        self._environment = clean_environment(folder) | {"PATH": path}

    def do(self, step: WrittenFile | Command) -> str:
        """Do one step, and return what it printed.

        Raises:
            AssertionError: it printed something else than the page says, for longer than a reader looks.
        """
        if isinstance(step, WrittenFile):
            path = self._folder / step.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(step.text)
            return ""
        if step.line.startswith("influxdb3 serve"):
            return self._serve(step)
        expected = comparable(step.printed)
        deadline = time.monotonic() + (PATIENCE_S if ASKS.match(step.line) else 0)
        while comparable(printed := self._run(step.line)) != expected and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        assert comparable(printed) == expected, step.line
        return printed

    def end(self) -> None:
        """Press Ctrl-C in the first terminal, if a server runs there."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(STOP_S)

    def _run(self, line: str) -> str:
        """Run a command in bash; what it exports holds for the next ones."""
        line = line.replace(ADDRESS, self._bind).replace("apiv3_…", self._token)
        exported = self._state / "exported"
        ran = subprocess.run(
            ["bash", "-uc", f'{line}\nended=$?; env -0 > "{exported}"; exit $ended'],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self._environment = dict(pair.split("=", 1) for pair in exported.read_text().split("\0") if pair)
        found = _TOKEN.search(ran.stdout)
        self._token = found[0] if found else self._token
        return self._as_told(ran.stdout)

    def _serve(self, step: Command) -> str:
        self.end()
        self._address_file.unlink(missing_ok=True)
        names = {"INFLUXDB3_HTTP_BIND_ADDR": self._bind, "INFLUXDB3_TCP_LISTENER_FILE_PATH": str(self._address_file)}
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec {step.line}"],
                cwd=self._folder,
                env=self._environment | names,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(lambda: self._address_file.exists() and self._address_file.read_text().strip() != "")
        self._bind = self._address_file.read_text().strip()
        self._environment["INFLUXDB3_HOST_URL"] = f"http://{self._bind}"
        until(lambda: are_among(step.printed, self._as_told(self._log.read_text())))
        return self._as_told(self._log.read_text())

    def _as_told(self, printed: str) -> str:
        return printed.replace(self._bind, ADDRESS).replace(str(self._folder), "/home/you")


@contextmanager
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Give somebody who reads a page, with an empty folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    somebody = Reader(folder)
    try:
        yield somebody
    finally:
        somebody.end()


_CURL = """#!{python}
import sys, urllib.error, urllib.request
words, url, headers, body, method = sys.argv[1:], "", {{}}, None, None
while words:
    word = words.pop(0)
    if word == "-H":
        name, _, value = words.pop(0).partition(": ")
        headers[name] = value
    elif word == "-d":
        body = words.pop(0).encode()
    elif word == "-X":
        method = words.pop(0)
    elif word != "-s":
        url = word
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method))
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write(answer.read().decode())
"""


def _write_curl(path: Path) -> None:
    """Write what stands for ``curl`` where the machine has none: as much of it as the pages use."""
    path.write_text(_CURL.format(python=sys.executable))
    path.chmod(0o755)
