"""Environments of plugins on the disk: which of them are whole, what they are, which may go."""

import contextlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from engine.clock import Clock
from engine.plugins.environment import pinned
from engine.plugins.installers import held, site_packages
from engine.plugins.requirements import Wanted
from engine.plugins.uploads import write_file

logger = logging.getLogger(__name__)

MARK = "environment.json"
"""Written last: an environment without it is not whole."""

HOST_PACKAGES = ("pyarrow", "numpy", "msgspec")
"""What the plugin host itself is made of, and an environment may have otherwise."""

UNUSED_NS = 7 * 86_400_000_000_000
"""An environment that no trigger asks for goes after so long."""


class KeptEnvironments:
    """The environments in ``folder``, each in a folder named by its key."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def path(self, key: str) -> Path:
        """Return where an environment is, or would be."""
        return self._folder / key

    def held(self, key: str, *, wait: bool = True) -> AbstractContextManager[int]:
        """Hold an environment, so that nobody else builds or removes it; see ``installers.held``."""
        return held(self._folder / f"{key}.lock", wait=wait)

    def is_there(self, key: str) -> bool:
        """Return whether an environment that was whole has not been removed since; costs little."""
        return os.path.exists(f"{self._folder}/{key}/{MARK}")  # noqa: PTH110 - at every run, and several times as fast

    def is_whole(self, key: str, *, with_host: bool = False) -> bool:
        """Return whether an environment was built; ``with_host``: and the plugin host as it is now works with it."""
        folder = self.path(key)
        try:
            mark = json.loads((folder / MARK).read_text("utf-8"))
            return (folder / "bin" / "python").exists() and (not with_host or mark["host"] == _host_versions())
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def complete(self, wanted: Wanted) -> None:
        """Note that an environment is whole, and that the plugin host as it is now works with it."""
        folder = self.path(wanted.key)
        record = {
            "requested": wanted.lines,
            "installed": list(pinned(site_packages(folder)).values()),
            "host": _host_versions(),
        }
        os.sync()  # before the mark: what power loss takes from an environment would never be found out
        write_file(folder / MARK, (json.dumps(record, indent=2) + "\n").encode())

    def touch(self, key: str) -> None:
        """Note that an environment was used."""
        with contextlib.suppress(OSError):  # a folder that is read only needs no tidying up
            os.utime(self.path(key) / MARK)

    def remove_unused(self, needed: Iterable[str]) -> None:
        """Remove environments that were not used for a while, except those that are ``needed``."""
        kept, now_ns = set(needed), self._clock.now_ns()
        try:
            folders = [path for path in self._folder.iterdir() if path.is_dir() and path.name not in kept]
        except OSError as error:
            logger.warning("environments cannot be listed: folder=%s reason=%s", self._folder, error)
            return
        for folder in folders:
            self._remove_if_unused(folder, now_ns)

    def _remove_if_unused(self, folder: Path, now_ns: int) -> None:
        mark = folder / MARK
        try:
            used_ns = (mark if mark.exists() else folder).stat().st_mtime_ns
            if now_ns - used_ns < UNUSED_NS:
                return
            with self.held(folder.name, wait=False):
                mark.unlink(missing_ok=True)
                shutil.rmtree(folder)
        except BlockingIOError:
            return
        except OSError as error:
            logger.warning("an unused environment cannot be removed: folder=%s reason=%s", folder, error)
        else:
            logger.info("an unused environment is removed: folder=%s", folder)


def _host_versions() -> list[str]:
    from importlib.metadata import version  # here: start-up time of servers without such environments

    return [sys.version, *(f"{name} {version(name)}" for name in HOST_PACKAGES)]
