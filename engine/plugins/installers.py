"""The programs that make virtual environments and fill them: pip or uv, told what to do and listened to."""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Forbidden, PluginError

DISABLED = "disabled"
DISABLED_TEXT = "Package installation has been disabled. Contact your administrator for more information."

TAIL_LINES = 20
"""So much of a program's output goes into the error of an installation that failed."""

LIMIT_S = 3600.0
"""No installation takes longer; one that does is ended."""

PIP_OPTIONS = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off")
MADE_HERE = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
"""Variables that tell a Python of the server where things are, and would mislead that of the environment."""

Command = tuple[str, ...]


class Interrupted(PluginError):
    """The program was ended by somebody: what it was to install may be half there."""


@dataclass(frozen=True, slots=True)
class Installer:
    """Says how environments are made and filled; ``uv`` is that program's path, ``None`` = pip does it."""

    uv: str | None = None

    @property
    def name(self) -> str:
        """Return its name, for people."""
        return "uv" if self.uv else "pip"

    def making(self, folder: Path, *, bare: bool = False) -> Command:
        """Return what makes a virtual environment, or completes one; ``bare``: without pip in it, if it can be filled so."""
        if self.uv:
            return (self.uv, "venv", "--allow-existing", "--no-progress", "--python", sys.executable, str(folder))
        without = ("--without-pip",) if bare and _has_module("pip") else ()
        return (sys.executable, "-m", "venv", *without, str(folder))

    def installing(self, folder: Path, arguments: Sequence[str]) -> Command:
        """Return what installs ``arguments`` into a virtual environment."""
        python = str(folder / "bin" / "python")
        if self.uv:
            return (self.uv, "pip", "install", "--no-progress", "--python", python, *arguments)
        if (site_packages(folder) / "pip").is_dir():
            return (python, "-m", "pip", "install", *PIP_OPTIONS, *arguments)
        return (sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS, *arguments)


def find_installer(choice: str) -> Installer:
    """Return what ``--package-manager`` chooses; ``discover`` takes pip if it can be used, else uv.

    Raises:
        Forbidden: it is ``disabled``.
        PluginError: the program is not there.
    """
    if choice == DISABLED:
        raise Forbidden(DISABLED_TEXT)
    has_pip = _has_module("venv") and (_has_module("ensurepip") or _has_module("pip"))
    if choice != "uv" and has_pip:
        return Installer()
    if choice == "pip":
        raise PluginError(
            "Package manager not available: pip package manager is not available. Please install Python with pip"
        )
    uv = find_uv()
    if uv is None:
        missing = "the program uv is" if choice == "uv" else "pip is not usable, and the program uv is"
        place = Path(sys.executable).parent
        raise PluginError(
            f"Package manager not available: {missing} installed nowhere where the server looks: PATH, {place}"
        )
    return Installer(uv)


def find_uv() -> str | None:
    """Return where the program uv is: on the PATH, or beside the server's Python."""
    beside = Path(sys.executable).parent / "uv"
    return shutil.which("uv") or (str(beside) if os.access(beside, os.X_OK) else None)


def site_packages(folder: Path) -> Path:
    """Return where the packages of a virtual environment are."""
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@contextlib.contextmanager
def held(lock: Path, *, wait: bool = True) -> Iterator[int]:
    """Hold a lock that is free again when this block, and all programs that got the descriptor, are over.

    So neither another thread nor another server gets into an installation, also not into one whose server was killed.

    Raises:
        BlockingIOError: somebody else has it, and ``wait`` is false.
        OSError: there can be no such file.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file.fileno()


class Programs:
    """Runs programs; ``close`` ends those that run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_closed = False

    def run(
        self,
        command: Sequence[str],
        failure: str,
        *,
        keep: int,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> Iterator[str]:
        """Run a program and yield what it prints; it ends when nobody listens any more. It keeps the descriptor ``keep`` open.

        Raises:
            PluginError: its exit status is not 0; the text is ``failure`` with the status and the end of the output.
            Interrupted: it was ended by a signal.
        """
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env=env or _environment(),
                cwd=cwd,
                pass_fds=(keep,),
                start_new_session=True,
            )
        except OSError as error:
            raise PluginError(f"{failure}: {error}") from error
        limit = threading.Timer(LIMIT_S, _end, (process,))
        limit.daemon = True
        limit.start()
        with self._lock:
            self._running.add(process)
            is_closed = self._is_closed
        try:
            if is_closed:
                _end(process)
            for line in process.stdout or ():
                tail.append(line.rstrip())
                yield tail[-1]
            process.wait()
        finally:  # also when whoever reads the lines goes away
            limit.cancel()
            _end(process)
            process.communicate()
            with self._lock:
                self._running.discard(process)
        if process.returncode < 0:
            raise Interrupted("\n".join([f"{failure}: it was ended by signal {-process.returncode}:", *tail]))
        if process.returncode > 0:
            raise PluginError("\n".join([f"{failure} with exit status {process.returncode}:", *tail]))

    @property
    def is_closed(self) -> bool:
        """Return whether ``close`` was called."""
        return self._is_closed

    def close(self) -> None:
        """End what runs, and whatever is still begun."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for process in running:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in MADE_HERE}
    return environment | {"PYTHONUNBUFFERED": "1"}


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
