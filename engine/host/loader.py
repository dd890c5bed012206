"""From a plugin's files to the function that a run calls; files that changed are read anew between runs."""

import builtins
import importlib
import os
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from engine.clock import Clock
from engine.host.errors import PLUGIN_CODE, RunFailed, details_of, rendered
from engine.host.foresight import rows_may_wait
from engine.host.packages import Package, PackageFinder
from engine.host.protocol import PluginSource, RunKind
from engine.host.stamps import Stamp
from engine.lineprotocol.builder import LineBuilder
from engine.model.trigger_spec import entry_function

LogLine = Callable[[str, str], None]

PARAMETERS: dict[RunKind, str] = {
    "wal": "(influxdb3_local, table_batches, args=None)",
    "schedule": "(influxdb3_local, call_time, args=None)",
    "request": "(influxdb3_local, query_parameters, request_headers, request_body, args=None)"
    " -> Tuple[str, Optional[Dict[str, str]]]",
}


@dataclass(frozen=True, slots=True)
class SingleFile:
    """One version of a plugin that is one file; ``stamp`` is ``None`` while the file may still change unnoticed."""

    stamp: Stamp | None
    text: str
    code: CodeType
    rows_may_wait: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin's function, ready to be called.

    Attributes:
        rows_may_wait: whether the rows of a batch can be made when the plugin asks for them, see ``foresight``.
        source: the text of a single file, for tracebacks.
    """

    function: Callable[..., Any]
    rows_may_wait: bool
    source: str | None = None
    package: Package | None = None


class PluginLoader:
    """All plugins of this process; may be used by several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, SingleFile] = {}
        self._packages: dict[str, Package] = {}
        self._finder = PackageFinder()
        self._lock = threading.Lock()
        self._must_look_again = False
        builtins.LineBuilder = LineBuilder  # type: ignore[attr-defined] # plugins use the bare name

    def load(self, source: PluginSource, kind: RunKind, log: LogLine) -> Loaded:
        """Return the function of the plugin that runs of ``kind`` call, after the plugin's top-level code ran.

        What cannot be read any more keeps working as it was read last.

        Raises:
            RunFailed: there is no such plugin or no such function, or a folder cannot be imported.
            BaseException: whatever the top-level code of a file raises.
        """
        if self._must_look_again:
            self._must_look_again = False
            importlib.invalidate_caches()
        else:
            _look_for_new_folders()
        if source.problem is not None:
            raise RunFailed("load", source.problem)
        try:
            status = os.stat(source.path)  # noqa: PTH116 - at every run, and a ``Path`` takes four times as long
        except OSError:
            status = None
        if stat.S_ISDIR(status.st_mode) if status else source.path in self._packages:
            return self._from_folder(source, kind)
        return self._from_file(source, kind, status and Stamp.of(status), log)

    def note_import_error(self) -> None:
        """Look for new packages before the next load: one was missing."""
        self._must_look_again = True

    def close(self) -> None:
        """Take the packages out of Python's tables."""
        self._finder.close()

    def _from_file(self, source: PluginSource, kind: RunKind, stamp: Stamp | None, log: LogLine) -> Loaded:
        file = self._files.get(source.path)
        if file is None or (stamp is not None and file.stamp != stamp):
            file = self._files[source.path] = self._read(source, stamp, file, log)
        names: dict[str, Any] = {}
        exec(file.code, names)
        function = names.get(entry_function(kind))
        if function is None:
            raise _missing(kind)
        return Loaded(function, file.rows_may_wait, file.text)

    def _read(self, source: PluginSource, stamp: Stamp | None, known: SingleFile | None, log: LogLine) -> SingleFile:
        try:
            text = Path(source.path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            if known is None and source.text is None:
                raise _unreadable(source.path, error) from error
            log("ERROR", f"error reading plugin file {source.path}, its last version goes on: {error}")
            if known is not None:
                return known
            text = source.text or ""
        if "\0" in text:
            raise RunFailed("load", "plugin code contains null bytes")
        same = known is not None and known.text == text
        code = known.code if known and same else compile(text, PLUGIN_CODE, "exec", dont_inherit=True)
        is_settled = stamp is not None and stamp.is_settled(self._clock.now_ns())
        may_wait = known.rows_may_wait if known and same else rows_may_wait(text)
        return SingleFile(stamp if is_settled else None, text, code, may_wait)

    def _from_folder(self, source: PluginSource, kind: RunKind) -> Loaded:
        with self._lock:
            package = self._packages.get(source.path)
            if package is None:
                package = self._packages[source.path] = Package(source.path, self._finder, self._clock)
        module = package.current()
        name = entry_function(kind)
        try:
            function = getattr(module, name)
        except AttributeError:
            raise _missing(kind) from None
        except Exception as error:
            text = f"Failed to load function '{name}' from plugin module '{package.public_name}': {rendered(error)}"
            raise RunFailed("load", text, details_of(error, None)) from error
        return Loaded(function, package.rows_may_wait, package=package)


def _look_for_new_folders() -> None:
    """Let Python look again for folders of ``sys.path`` that were not there: it does not, and plugins catch ImportErrors."""
    for folder, finder in list(sys.path_importer_cache.items()):
        if finder is None:
            sys.path_importer_cache.pop(folder, None)


def _missing(kind: RunKind) -> RunFailed:
    name = entry_function(kind)
    should = f"Should be defined as: {name}{PARAMETERS[kind]}"
    return RunFailed("entry_point", f"the {name} function is not present in the plugin. {should}")


def _unreadable(path: str, error: Exception) -> RunFailed:
    if isinstance(error, FileNotFoundError):
        return RunFailed("load", f"reading plugin file: Plugin not found: {path}")
    return RunFailed("load", f"reading plugin file: {error}")
