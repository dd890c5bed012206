"""Environments of single plugins, for those that say what they need: built in the background, kept, shared, tidied up."""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.clock import Clock
from engine.errors import EngineError, InvalidRequest, PluginError
from engine.host.protocol import PluginSource
from engine.host.stamps import Stamp
from engine.plugins.installers import Programs, find_installer
from engine.plugins.kept_environments import KeptEnvironments
from engine.plugins.processes import HostConfig, host_environment
from engine.plugins.requirements import Wanted, files_read, read_wanted
from engine.plugins.workers import Workers

logger = logging.getLogger(__name__)

PROBE = "engine.host.probe"
SIDE_BY_SIDE = 2
FIRST_RETRY_NS = 10_000_000_000
LONGEST_RETRY_NS = 600_000_000_000
TOUCH_NS = 3_600_000_000_000
"""So often it is noted that an environment is in use."""

MOST_TOLD = 200
"""So many lines of an installer's output go into the log of a trigger."""

Tell = Callable[[str, str], None]
"""Takes level and text of a log line."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A plugin can run; ``virtual_env`` ``None`` = with what is installed for all plugins."""

    key: str = ""
    virtual_env: Path | None = None


@dataclass(frozen=True, slots=True)
class Building:
    """A plugin's environment is not there yet; ``text`` says how far it is, ``problem`` why the last try failed."""

    text: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A plugin cannot have its environment, for the present; ``text`` says why."""

    text: str


State = Ready | Building | Failed
FOR_ALL = Ready()


@dataclass(frozen=True, slots=True)
class EnvironmentsConfig:
    """How environments are built.

    Attributes:
        folder: where they are kept, each by its key.
        package_manager: see ``find_installer``.
        host: how plugin hosts are started; ``None`` = plugins run in the server itself, where all import the same.
        in_use: returns the plugins of all triggers there are, for what is kept.
    """

    folder: Path
    package_manager: str
    host: HostConfig | None
    in_use: Callable[[], Iterable[Path]]


@dataclass(frozen=True, slots=True)
class _Read:
    """What a plugin asked for when its files were read; not ``is_settled``: they may have changed unnoticed since."""

    version: str
    stamps: tuple[tuple[str, Stamp | None], ...]
    is_settled: bool
    wanted: Wanted | None

    def is_of(self, version: str) -> bool:
        """Return whether it still holds for a plugin with this hash of its code."""
        if self.version != version or not self.is_settled:
            return False
        return all(_stamp(path) == stamp for path, stamp in self.stamps)


@dataclass(slots=True, eq=False)
class _Known:
    """One environment, by its key.

    Attributes:
        problem: why it could not be built, ``None`` unless that is how it is.
        listeners: who is told how it goes on, as long as it is built.
    """

    wanted: Wanted
    plugin: Path
    is_ready: bool = False
    is_building: bool = False
    problem: str | None = None
    failures: int = 0
    retry_at_ns: int = 0
    began_ns: int = 0
    touched_ns: int = 0
    latest: str = ""
    told: int = 0
    listeners: dict[Tell, None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what it is for, for people."""
        lines = ", ".join(self.wanted.lines)
        return lines if len(lines) <= 120 else f"{lines[:120]}…"


class OwnEnvironments:
    """Finds, builds and keeps the environments of plugins; all methods may be called from any thread."""

    def __init__(self, config: EnvironmentsConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._kept = KeptEnvironments(config.folder, clock)
        self._programs = Programs()
        self._workers = Workers("plugin-environment", SIDE_BY_SIDE)
        self._changed = threading.Condition()
        self._known: dict[str, _Known] = {}
        self._read: dict[str, _Read] = {}

    # ---- what plugins need

    def of(self, source: PluginSource, version: str, tell: Tell | None = None) -> State:
        """Return how it is with the environment of a plugin, and begin to build it if it is missing.

        Costs little. ``version`` is the hash of the plugin's code, ``tell`` hears how the building goes on.
        """
        if self._config.host is None:
            return FOR_ALL
        try:
            wanted = self._wanted_by(source, version)
        except (PluginError, OSError) as error:
            return Failed(f"plugin {source.filename}: {error}")
        return FOR_ALL if wanted is None else self._state(wanted, Path(source.path), tell)

    def wait(self, source: PluginSource, version: str, tell: Tell | None = None) -> Ready | Failed:
        """Do as ``of``, and return when it is built, or could not be."""
        while isinstance(state := self.of(source, version, tell), Building):
            with self._changed:
                self._changed.wait(1.0)
        return state

    def problem(self, source: PluginSource, version: str) -> str | None:
        """Return why runs of a plugin wait or fail because of its environment; nothing is begun."""
        if self._config.host is None:
            return None
        try:
            wanted = self._wanted_by(source, version)
        except (PluginError, OSError) as error:
            return str(error)
        with self._changed:
            known = self._known.get(wanted.key) if wanted is not None else None
            if known is None:
                return None
            return self._progress(known) if known.is_building and known.problem is None else known.problem

    def check(self, source: PluginSource, version: str) -> str | None:
        """Return what the author of a trigger of this plugin should know; begin to build what is missing.

        Raises:
            InvalidRequest: what it says of that is not to be understood, or asks for another Python.
            Forbidden: it needs an environment that is not there, and nothing may be installed.
            PluginError: there is nothing to install with.
        """
        try:
            wanted = self._wanted_by(source, version)
        except (PluginError, OSError) as error:
            raise InvalidRequest(f"plugin {source.filename}: {error}") from error
        if wanted is None:
            return None
        if self._config.host is None:
            return f"plugin {source.filename} asks for packages of its own, which plugins inside the server cannot have"
        if not self._kept.is_whole(wanted.key):
            try:
                find_installer(self._config.package_manager)
            except EngineError as refused:
                needs = f"Plugin {source.filename} needs an environment of its own: {', '.join(wanted.lines)}"
                raise type(refused)(f"{refused} {needs}") from refused
        state = self._state(wanted, Path(source.path), None)
        if isinstance(state, Building):
            return f"runs of plugin {source.filename} wait until its environment is built: {', '.join(wanted.lines)}"
        return state.text if isinstance(state, Failed) else None

    def close(self) -> None:
        """End what is being built; what is not whole is built anew when it is asked for."""
        self._programs.close()

    def _wanted_by(self, source: PluginSource, version: str) -> Wanted | None:
        known = self._read.get(source.path)
        if known is not None and known.is_of(version):
            return known.wanted
        path = Path(source.path)
        if known is not None and not path.exists():
            return known.wanted  # its code runs on as it was, so does its environment
        stamps = tuple((str(file), _stamp(str(file))) for file in files_read(path)) if path.is_dir() else ()
        wanted = read_wanted(path, source.text)
        now_ns = self._clock.now_ns()
        is_settled = all(stamp is None or stamp.is_settled(now_ns) for _, stamp in stamps)
        self._read[source.path] = _Read(version, stamps, is_settled, wanted)
        return wanted

    # ---- how it is with an environment

    def _state(self, wanted: Wanted, plugin: Path, tell: Tell | None) -> State:
        now_ns = self._clock.monotonic_ns()
        with self._changed:
            known = self._known.get(wanted.key)
            if known is None:
                known = self._known[wanted.key] = _Known(wanted, plugin)
                known.is_ready = self._kept.is_whole(wanted.key, with_host=True)
            if known.is_ready and self._kept.is_there(wanted.key):
                if not known.touched_ns or now_ns - known.touched_ns > TOUCH_NS:
                    known.touched_ns = now_ns
                    self._kept.touch(wanted.key)
                return Ready(wanted.key, self._kept.path(wanted.key))
            if not known.is_building:
                if known.problem is not None and now_ns < known.retry_at_ns:
                    return Failed(known.problem)
                self._begin(known, now_ns)
            is_new = tell is not None and tell not in known.listeners
            if tell is not None:
                known.listeners[tell] = None
            state = Building(self._progress(known), known.problem)
        if is_new and tell is not None:
            tell("INFO", f"the environment is being built: {known.name}")
        return state

    def _begin(self, known: _Known, now_ns: int) -> None:
        known.is_ready, known.is_building, known.began_ns, known.latest, known.told = False, True, now_ns, "", 0
        logger.info("environment is being built: key=%s for=%s plugin=%s", known.wanted.key, known.name, known.plugin)
        self._workers.submit(lambda: self._build(known))

    def _progress(self, known: _Known) -> str:
        seconds = (self._clock.monotonic_ns() - known.began_ns) // 1_000_000_000
        latest = f": {known.latest}" if known.latest else ""
        return f"the environment ({known.name}) has been building for {seconds} s{latest}"

    # ---- building

    def _build(self, known: _Known) -> None:
        problem: str | None = None
        try:
            with self._kept.held(known.wanted.key) as keep:
                for line in self._steps(known, keep):
                    self._tell_progress(known, line)
        except EngineError as error:
            problem = str(error)
        except OSError as error:
            problem = f"{type(error).__name__}: {error}"
        if not self._programs.is_closed:
            self._ended(known, problem)
            self._kept.remove_unused(self._keys_in_use())

    def _steps(self, known: _Known, keep: int) -> Iterator[str]:
        """Make an environment whole; yield what the programs say that do it."""
        wanted, folder = known.wanted, self._kept.path(known.wanted.key)
        if not self._kept.is_whole(wanted.key):
            installer = find_installer(self._config.package_manager)
            if folder.exists():
                shutil.rmtree(folder)
            making = installer.making(folder, bare=True)
            yield from self._programs.run(making, "the virtual environment cannot be made", keep=keep)
            filling = installer.installing(folder, wanted.arguments)
            yield from self._programs.run(filling, f"{installer.name} install failed", keep=keep, cwd=wanted.folder)
        self._probe(folder, keep)
        self._check_unchanged(known)
        self._kept.complete(wanted)

    def _probe(self, folder: Path, keep: int) -> None:
        """Try whether a plugin host works there; raises ``PluginError`` with the end of what it says if it does not."""
        if self._config.host is None:
            return
        host = self._config.host.within(folder, PROBE)
        failure = "the plugin host does not work with these packages (it needs pyarrow, numpy, msgspec): it ended"
        for line in self._programs.run(host.command, failure, keep=keep, env=host_environment(host)):
            logger.debug("%s", line)

    def _keys_in_use(self) -> Iterator[str]:
        for plugin in self._config.in_use():
            try:
                wanted = read_wanted(plugin)
            except (EngineError, OSError):  # its trigger says what is wrong
                continue
            if wanted is not None:
                yield wanted.key

    def _check_unchanged(self, known: _Known) -> None:
        """Raise ``PluginError`` if the requirements were edited while they were being installed."""
        now = read_wanted(known.plugin) if known.plugin.is_dir() else known.wanted
        if now is None or now.key != known.wanted.key:
            raise PluginError("the requirements were changed while they were being installed")

    def _tell_progress(self, known: _Known, line: str) -> None:
        known.latest = line
        known.told += 1
        if known.told <= MOST_TOLD and not self._programs.is_closed:
            for tell in list(known.listeners):
                tell("INFO", line)

    def _ended(self, known: _Known, problem: str | None) -> None:
        now_ns = self._clock.monotonic_ns()
        with self._changed:
            known.is_building, known.is_ready = False, problem is None
            known.failures = known.failures + 1 if problem is not None else 0
            delay_ns = min(FIRST_RETRY_NS * 2 ** min(known.failures - 1, 10), LONGEST_RETRY_NS) if problem else 0
            known.retry_at_ns = now_ns + delay_ns
            known.problem = problem and f"the environment ({known.name}) could not be built: {problem}"
            listeners, known.listeners = list(known.listeners), {}
            self._changed.notify_all()
        took_s = (now_ns - known.began_ns) / 1e9
        if problem is None:
            level, text = "INFO", f"the environment is ready after {took_s:.1f} s"
            logger.info("environment is ready: key=%s for=%s seconds=%.1f", known.wanted.key, known.name, took_s)
        else:
            level, text = "ERROR", f"{known.problem}\nThe next try is in {delay_ns // 10**9} s, or when that changes."
            logger.error("environment not built: key=%s for=%s reason=%s", known.wanted.key, known.name, problem)
        for tell in listeners:
            tell(level, text)


def _stamp(path: str) -> Stamp | None:
    try:
        return Stamp.of(os.stat(path))  # noqa: PTH116 - at every run, and several times as fast
    except OSError:
        return None
