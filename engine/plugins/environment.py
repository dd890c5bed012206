"""The virtual environment of all plugins: made and filled by pip or uv when packages are installed, with a record of them."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineOff, InvalidRequest, PluginError
from engine.plugins.installers import Installer, Interrupted, Programs, find_installer, held, site_packages
from engine.plugins.places import NO_PLUGIN_DIR
from engine.plugins.uploads import write_file

logger = logging.getLogger(__name__)

RECORD = "installed.json"
UNFINISHED = "unfinished.json"
LOCK = "installing.lock"
LISTED = "installed-packages.txt"
"""In the plugin folder: what is installed, exactly; a requirements file that makes the same environment elsewhere."""


@dataclass(frozen=True, slots=True)
class EnvironmentPlaces:
    """Where the environment is, and what belongs to it.

    Attributes:
        location: the folder of the virtual environment.
        plugin_dir: the plugin folder, in which relative names of requirements files are looked up, too.
    """

    location: Path
    plugin_dir: Path


class PluginEnvironment:
    """Packages for plugins in a folder of their own.

    Args:
        places: ``None`` = the Processing engine is off.
        package_manager: ``discover``, ``pip``, ``uv``, or ``disabled`` = nothing is installed.
        on_change: called when something that plugins may have imported already has another version now.
    """

    def __init__(
        self, places: EnvironmentPlaces | None, package_manager: str, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._places = places
        self._package_manager = package_manager
        self._on_change = on_change
        self._programs = Programs()

    @property
    def site_packages(self) -> Path:
        """Where packages are once they are installed.

        Raises:
            EngineOff: there is no plugin dir.
        """
        return site_packages(self._known_places().location)

    def install(self, packages: Sequence[str]) -> Iterator[str]:
        """Install ``packages`` (requirements as pip knows them); yield what the installer prints, line by line, as it comes.

        One installation runs at a time, the next one waits. An iterator that is closed ends the installation.

        Raises:
            EngineOff, Forbidden: at once.
            InvalidRequest: at once: there is nothing to install, or something that pip would take for an option.
            PluginError: at once: there is no installer; while lines come: it failed; the text has the exit status and the
                end of the output.
        """
        installer = self._installer()
        wanted = [package.strip() for package in packages]
        if not wanted:
            raise InvalidRequest("no packages to install")
        for package in wanted:
            if not package or package.startswith("-"):
                raise InvalidRequest(f"not a package: '{package}'; options of pip are not accepted")
        return self._install(installer, wanted, wanted)

    def install_requirements(self, location: str) -> Iterator[str]:
        """Install what a requirements file lists; see ``install``.

        ``location`` is a URL, or a path on the server, relative to its working directory or to the plugin folder.
        """
        installer = self._installer()
        name = location.strip()
        if not name or name.startswith("-"):
            raise InvalidRequest(f"not a requirements file: '{location}'")
        in_plugin_dir = self._known_places().plugin_dir / name
        if "://" not in name and not Path(name).exists() and in_plugin_dir.exists():
            name = str(in_plugin_dir)
        return self._install(installer, ["--requirement", name], [f"-r {name}"])

    def resume(self) -> None:
        """Finish an installation in which the server was killed; returns when that is done, at once if there was none."""
        if self._places is None or not (self._places.location / UNFINISHED).exists():
            return
        try:
            for line in self._guarded(find_installer(self._package_manager), lambda _: iter(())):
                logger.info("%s", line)
        except (PluginError, OSError) as error:
            logger.error("an interrupted installation of packages could not be finished: %s", error)

    def close(self) -> None:
        """End what is being installed; the next start, or the next installation, finishes it."""
        self._programs.close()

    def _install(self, installer: Installer, arguments: list[str], wanted: list[str]) -> Iterator[str]:
        yield from self._guarded(installer, lambda keep: self._fill(installer, arguments, wanted, keep))

    def _guarded(self, installer: Installer, fill: Callable[[int], Iterator[str]]) -> Iterator[str]:
        """Yield the lines of ``fill`` while nobody else installs, in an environment that is whole."""
        folder = self._known_places().location
        lock = folder / LOCK
        try:
            try:
                with held(lock, wait=False) as keep:
                    yield from self._within(installer, fill, keep)
                return
            except BlockingIOError:
                yield "waiting for another installation to end"
            with held(lock) as keep:
                yield from self._within(installer, fill, keep)
        except OSError as error:
            raise PluginError(f"the virtual environment {folder} cannot be made: {error}") from error

    def _within(self, installer: Installer, fill: Callable[[int], Iterator[str]], keep: int) -> Iterator[str]:
        folder = self._known_places().location
        if not (folder / "bin" / "activate").exists():
            yield f"making the virtual environment {folder}"
            command = installer.making(folder)
            yield from self._programs.run(command, f"{' '.join(_words(command))} failed", keep=keep)
        before = contents(self.site_packages)
        try:
            yield from self._finish(installer, keep)
            yield from fill(keep)
        finally:
            if must_renew(before, contents(self.site_packages)):
                self._on_change()

    def _finish(self, installer: Installer, keep: int) -> Iterator[str]:
        """Do again an installation that was interrupted, and before that take out what it left half-made."""
        path = self._known_places().location / UNFINISHED
        try:
            unfinished = json.loads(path.read_text("utf-8"))
            arguments, wanted = list(unfinished["arguments"]), list(unfinished["wanted"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            arguments, wanted = [], []
        yield f"an installation was interrupted, and is done again: {' '.join(wanted)}"
        take_out_halves(self.site_packages)
        try:
            if arguments:
                yield from self._fill(installer, arguments, wanted, keep)
        except PluginError as error:
            if self._programs.is_closed:
                raise
            yield str(error)
        path.unlink(missing_ok=True)

    def _fill(self, installer: Installer, arguments: list[str], wanted: list[str], keep: int) -> Iterator[str]:
        folder = self._known_places().location
        logger.info("installing packages wanted=%s location=%s installer=%s", wanted, folder, installer.name)
        unfinished = folder / UNFINISHED
        write_file(unfinished, json.dumps({"arguments": arguments, "wanted": wanted}).encode())
        try:
            command = installer.installing(folder, arguments)
            yield from self._programs.run(command, f"{installer.name} install failed", keep=keep)
        except Interrupted:
            raise
        except PluginError:  # by itself it leaves things whole
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.unlink(missing_ok=True)
        self._record(wanted)

    def _record(self, wanted: list[str]) -> None:
        """Note what was asked for and what is there now, so that the environment can be made again elsewhere."""
        places = self._known_places()
        path = places.location / RECORD
        try:
            before: list[str] = json.loads(path.read_text("utf-8"))["requested"]
        except (OSError, ValueError, KeyError, TypeError):
            before = []
        found = installed(self.site_packages)
        record = {"requested": list(dict.fromkeys([*before, *wanted])), "installed": found}
        listed = [line for name, line in pinned(self.site_packages).items() if name not in ("pip", "setuptools")]
        head = "# Written by the server: what its plugins import. influxdb3 install package -r installs it elsewhere."
        try:
            write_file(path, (json.dumps(record, indent=2) + "\n").encode())
            write_file(places.plugin_dir / LISTED, "\n".join([head, *listed, ""]).encode())
        except OSError:
            logger.exception("what was installed is not noted path=%s", path)

    def _installer(self) -> Installer:
        self._known_places()
        return find_installer(self._package_manager)

    def _known_places(self) -> EnvironmentPlaces:
        if self._places is None:
            raise EngineOff(NO_PLUGIN_DIR)
        return self._places


def installed(packages: Path) -> dict[str, str]:
    """Return name and version of what is installed in a ``site-packages`` folder."""
    import importlib.metadata  # here: start-up time of servers that do not look at packages

    found = importlib.metadata.distributions(path=[str(packages)])
    return dict(sorted((d.metadata["Name"], d.version) for d in found if d.metadata["Name"]))


def pinned(packages: Path) -> dict[str, str]:
    """Return, by name, the requirements that install what is in a ``site-packages`` folder again."""
    import importlib.metadata  # see above

    found = {}
    for one in importlib.metadata.distributions(path=[str(packages)]):
        origin = one.read_text("direct_url.json")  # of what did not come from an index
        name = one.metadata["Name"]
        found[name] = f"{name} @ {json.loads(origin)['url']}" if origin else f"{name}=={one.version}"
    return dict(sorted(found.items()))


def contents(packages: Path) -> dict[str, int]:
    """Return what tells two states of a ``site-packages`` folder apart: entries by name, with their times of change."""
    try:
        with os.scandir(packages) as entries:
            marks = [e for e in entries if e.name.endswith((".dist-info", ".egg-info", ".pth"))]
            return {entry.name: entry.stat().st_mtime_ns for entry in marks}
    except FileNotFoundError:
        return {}


def must_renew(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Return whether a process that has seen ``before`` cannot import ``after``.

    What was replaced or removed may be imported; ``.pth`` files are read when a process starts. What is only new is found.
    """
    gone = any(after.get(name) != changed for name, changed in before.items())
    return gone or any(name.endswith(".pth") for name in after.keys() - before.keys())


def take_out_halves(packages: Path) -> None:
    """Take out of a ``site-packages`` folder what a killed installer left, so that the next one does not take it for whole.

    Installers write the list of a package's files last, and set aside what they replace under names that begin with ``~``.
    """
    for path in list(packages.glob("*.dist-info")):
        if not (path / "RECORD").exists():
            shutil.rmtree(path, ignore_errors=True)
    for path in list(packages.glob("~*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _words(command: Sequence[str]) -> Sequence[str]:
    """Return the part of a command that names what it is about, without places."""
    return ("python", *command[1:3]) if command[1] == "-m" else (Path(command[0]).name, command[1])
