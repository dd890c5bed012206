"""The virtual environment of the plugins: made when the first package is installed, filled by pip, with a record of both."""

import contextlib
import importlib.metadata
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.errors import EngineOff, Forbidden, InvalidRequest, PluginError
from engine.plugins.places import NO_PLUGIN_DIR
from engine.plugins.uploads import write_file

logger = logging.getLogger(__name__)

DISABLED = "disabled"
DISABLED_TEXT = "Package installation has been disabled. Contact your administrator for more information."

TAIL_LINES = 20
"""So much of pip's output goes into the error of an installation that failed."""

RECORD = "installed.json"
PIP_OPTIONS = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off")
MADE_HERE = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")
"""Variables that tell a Python of the server where things are, and would mislead that of the environment."""


class PluginEnvironment:
    """Packages for plugins in a folder of their own.

    Args:
        location: the folder of the virtual environment, ``None`` = the Processing engine is off.
        package_manager: ``disabled`` = nothing is installed; anything else means pip.
    """

    def __init__(self, location: Path | None, package_manager: str) -> None:
        self._location = location
        self._package_manager = package_manager
        self._installing = threading.Lock()

    @property
    def site_packages(self) -> Path:
        """Where packages are once they are installed.

        Raises:
            EngineOff: there is no plugin dir.
        """
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self._folder() / "lib" / version / "site-packages"

    def install(self, packages: Sequence[str]) -> Iterator[str]:
        """Install ``packages`` (requirements as pip knows them); yield what pip prints, line by line, as it comes.

        One installation runs at a time, the next one waits. An iterator that is closed ends the installation.

        Raises:
            EngineOff, Forbidden: at once.
            InvalidRequest: at once: there is nothing to install, or something that pip would take for an option.
            PluginError: while lines come: it failed; the text has the exit status and the end of the output.
        """
        self._check_allowed()
        wanted = [package.strip() for package in packages]
        if not wanted:
            raise InvalidRequest("no packages to install")
        for package in wanted:
            if not package or package.startswith("-"):
                raise InvalidRequest(f"not a package: '{package}'; options of pip are not accepted")
        return self._install(wanted, wanted)

    def install_requirements(self, location: str) -> Iterator[str]:
        """Install what a requirements file lists; ``location`` is a path on the server, or a URL. See ``install``."""
        self._check_allowed()
        if not location.strip() or location.strip().startswith("-"):
            raise InvalidRequest(f"not a requirements file: '{location}'")
        return self._install(["--requirement", location.strip()], [f"-r {location.strip()}"])

    def _install(self, arguments: list[str], wanted: list[str]) -> Iterator[str]:
        folder = self._folder()
        if not self._installing.acquire(blocking=False):
            yield "waiting for another installation to end"
            self._installing.acquire()
        try:
            if not (folder / "bin" / "activate").exists():
                yield f"making the virtual environment {folder}"
                yield from _run((sys.executable, "-m", "venv", str(folder)), "python -m venv failed")
            logger.info("installing packages wanted=%s location=%s", wanted, folder)
            pip = (str(folder / "bin" / "python"), "-m", "pip", "install", *PIP_OPTIONS, *arguments)
            yield from _run(pip, "pip install failed")
            self._record(wanted)
        finally:
            self._installing.release()

    def _record(self, wanted: list[str]) -> None:
        """Note what was asked for and what is there now, so that the environment can be made again elsewhere."""
        path = self._folder() / RECORD
        try:
            before: list[str] = json.loads(path.read_text("utf-8"))["requested"]
        except (OSError, ValueError, KeyError, TypeError):
            before = []
        found = importlib.metadata.distributions(path=[str(self.site_packages)])
        record = {
            "requested": list(dict.fromkeys([*before, *wanted])),
            "installed": dict(sorted((d.metadata["Name"], d.version) for d in found if d.metadata["Name"])),
        }
        try:
            write_file(path, (json.dumps(record, indent=2) + "\n").encode())
        except OSError:
            logger.exception("what was installed is not noted path=%s", path)

    def _check_allowed(self) -> None:
        self._folder()
        if self._package_manager == DISABLED:
            raise Forbidden(DISABLED_TEXT)

    def _folder(self) -> Path:
        if self._location is None:
            raise EngineOff(NO_PLUGIN_DIR)
        return self._location


def _run(command: Sequence[str], failure: str) -> Iterator[str]:
    """Run a program and yield what it prints; raise ``PluginError`` if its exit status is not 0."""
    environment = {name: value for name, value in os.environ.items() if name not in MADE_HERE}
    environment["PYTHONUNBUFFERED"] = "1"
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise PluginError(f"{failure}: {error}") from error
    try:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            yield tail[-1]
        process.wait()
    finally:  # also when whoever reads the lines goes away
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode != 0:
        raise PluginError("\n".join([f"{failure} with exit status {process.returncode}:", *tail]))
