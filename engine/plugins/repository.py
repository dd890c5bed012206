"""Plugins that triggers name as ``gh:…``: single files from one base address, kept on disk for times without network."""

import hashlib
import logging
import urllib.parse
from pathlib import Path

from engine.errors import PluginError
from engine.plugins.uploads import write_file

logger = logging.getLogger(__name__)

PREFIX = "gh:"
TIMEOUT_S = 30.0


class Repository:
    """The files below ``base`` (``http:``, ``https:`` or ``file:``), each kept in ``cache_dir`` once it was fetched."""

    def __init__(self, base: str, cache_dir: Path) -> None:
        self._base = base if base.endswith("/") else f"{base}/"
        self._cache_dir = cache_dir

    def cached(self, name: str) -> Path:
        """Return where the file ``name`` is kept, if it was fetched ever."""
        digest = hashlib.sha256((self._base + name).encode()).hexdigest()
        return self._cache_dir / digest[:16] / (name.rpartition("/")[2] or "plugin")

    def fetch(self, name: str) -> Path:
        """Get the file ``name``, keep it, return where. Without network the one that was kept before is returned.

        Raises:
            PluginError: it is not there, is no text, or cannot be reached and was never fetched.
        """
        path = self.cached(name)
        url = self._base + name
        try:
            content = self._read(url)
        except OSError as error:
            if path.exists():
                logger.warning("plugin not reachable, the copy on disk is used url=%s reason=%s", url, error)
                return path
            raise PluginError(f"error getting plugin from repository: {url}: {error}") from error
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise PluginError(f"error reading plugin from repository: {url}: {error}") from error
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)
        return path

    def _read(self, url: str) -> bytes:
        scheme, _, _, _, _ = parts = urllib.parse.urlsplit(url)
        if scheme == "file":
            path = Path(urllib.parse.unquote(parts.path))
            if not path.is_file():
                raise PluginError(f"error fetching plugin from repository: 404 Not Found {url}")
            return path.read_bytes()
        return _download(url)


def _download(url: str) -> bytes:
    """Return the body of ``url``; raises ``OSError`` for whatever kept the answer from coming."""
    import httpx  # costs start-up time, and most servers never need it

    try:
        answer = httpx.get(url, follow_redirects=True, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        status = f"{answer.status_code} {answer.reason_phrase}".strip()
        raise PluginError(f"error fetching plugin from repository: {status} {url}")
    return answer.content
