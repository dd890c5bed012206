"""Getting the bytes of a plugin: over http, from this machine's disk, from a git repository on it; all within bounds."""

import os
import subprocess
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from engine.clock import Clock
from engine.errors import PluginError
from engine.plugins.archives import Limits
from engine.plugins.repository_names import shown

TIMEOUT_S = 30.0
"""For the whole of one download, and of one call of git."""

SILENCE_S = 10.0
"""Longest time without a byte."""

_TRY_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


class Unreachable(Exception):
    """The repository cannot be reached now; nothing is said of what it has."""


class NotThere(PluginError):
    """The repository does not have it."""


class Transport:
    """Reads addresses; every method raises ``PluginError`` for what is refused and ``Unreachable`` for what may come later."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits

    def read(self, url: str) -> bytes:
        """Return what is at ``url`` (``http:``, ``https:``, ``file:``)."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "file":
            return self._download(url)
        path = local_path(url)
        if not path.is_file():
            raise _refused("404 Not Found", url)
        try:
            with path.open("rb") as file:
                content = file.read(self._limits.sent_bytes + 1)
        except OSError as error:
            raise PluginError(f"error reading plugin from repository: {url}: {error}") from error
        return self._bounded(content, url)

    def folder(self, url: str) -> dict[str, bytes]:
        """Return the files below the local folder at ``url``; hidden ones and bytecode are left out."""
        root = local_path(url)
        if not root.is_dir():
            raise _refused("404 Not Found", f"{url}/")
        found: dict[str, bytes] = {}
        left = self._limits.plugin_bytes
        try:
            for path in _plain_files(root):
                found[path.relative_to(root).as_posix()] = content = _at_most(path, left)
                left -= len(content)
                if left < 0 or len(found) > self._limits.plugin_files:
                    raise PluginError(self._too_large(url))
        except OSError as error:
            raise PluginError(f"error reading plugin from repository: {url}: {error}") from error
        return found

    def git_archive(self, url: str, revision: str, path: str) -> bytes:
        """Return a tar of ``path`` at ``revision`` in the git repository that the folder at ``url`` is, or is part of."""
        folder = local_path(url)
        command = ["git", "-C", str(folder), "archive", "--format=tar", revision, "--", path]
        environment = {**os.environ, "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        what = f"{shown(url)}{path}@{revision}"
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=TIMEOUT_S, check=False
            )
        except FileNotFoundError as error:
            raise PluginError(
                f"error fetching plugin from repository: git is not installed, which {what} needs"
            ) from error
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise PluginError(f"error fetching plugin from repository: {what}: {error}") from error
        if ended.returncode != 0:
            reason = ended.stderr.decode(errors="replace").strip().splitlines()
            raise _refused(f"404 Not Found ({reason[-1] if reason else 'git archive failed'})", what)
        return self._bounded(ended.stdout, what)

    def _download(self, url: str) -> bytes:
        import httpx  # costs start-up time, and most servers never need it

        until_ns = self._clock.monotonic_ns() + int(TIMEOUT_S * 1e9)
        content = bytearray()
        try:
            with httpx.stream("GET", url, follow_redirects=True, timeout=SILENCE_S) as answer:
                status = _status(answer.status_code)
                if answer.status_code in _TRY_LATER:
                    raise Unreachable(f"{status} {shown(url)}")
                if not answer.is_success:
                    raise _refused(status, url)
                for piece in answer.iter_bytes():
                    content += piece
                    self._bounded(content, url)
                    if self._clock.monotonic_ns() > until_ns:
                        raise Unreachable(f"not complete after {TIMEOUT_S:g} seconds: {shown(url)}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(f"{shown(url)}: {type(error).__name__}: {error}") from error
        return bytes(content)

    def _bounded(self, content: bytes | bytearray, url: str) -> bytes:
        if len(content) > self._limits.sent_bytes:
            raise PluginError(self._too_large(url))
        return content  # type: ignore[return-value] # a bytearray is only looked at while it grows

    def _too_large(self, url: str) -> str:
        most = self._limits.sent_bytes >> 20
        return f"error reading plugin from repository: {shown(url)} is larger than {most} MiB, or has too many files"


def local_path(url: str) -> Path:
    """Return the path of a ``file:`` address."""
    return Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))


def _status(code: int) -> str:
    """Return a status with its own phrase, whatever the server calls it."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _refused(status: str, url: str) -> NotThere:
    return NotThere(f"error fetching plugin from repository: {status} {shown(url)}")


def _at_most(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(max(most_bytes, 0) + 1)


def _plain_files(root: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
