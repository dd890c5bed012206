"""What ``gh:…`` asks for, and where a repository has that: text to value, without network or disk."""

import re
import urllib.parse
from dataclasses import dataclass, replace

from engine.errors import InvalidRequest, PluginError
from engine.plugins.places import leaves_folder, traversal

PREFIX = "gh:"
REVISION = "{revision}"
DEFAULT_REVISION = "HEAD"
PLAIN = "/@:!$&'()*+,;=~%"
"""What stands in a path as it is; ``%`` among it, for who has escaped his name himself."""

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")

_CHECKSUM = re.compile(r"sha256=([0-9a-f]{64})")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_GITHUB_RAW = re.compile(r"https://raw\.githubusercontent\.com/([^/]+)/([^/]+)/([^/]+)/(.*)")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """``gh:PATH[@REVISION][#sha256=HEX]``; a path that ends in ``/`` is a folder, a package.

    Attributes:
        path: relative to the repository, without the slash of a folder.
        sha256: the hash that its content must have.
    """

    text: str
    path: str
    is_folder: bool
    revision: str | None = None
    sha256: str | None = None

    @property
    def copy_key(self) -> str:
        """Return what tells its copy from others of the same repository; a checksum has one that nothing else replaces."""
        revision = f"@{self.revision}" if self.revision else ""
        checksum = f"#{self.sha256}" if self.sha256 else ""
        return self.path + ("/" if self.is_folder else "") + revision + checksum


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A file that is had by its address."""

    url: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    url: str


@dataclass(frozen=True, slots=True)
class Archived:
    """Something in an archive: that of the first of ``urls`` which is there.

    Attributes:
        inside: its path in the archive; '' = the archive holds nothing else.
    """

    urls: tuple[str, ...]
    inside: str


@dataclass(frozen=True, slots=True)
class InGit:
    """Something in a revision of the git repository (or of a folder in one) at the ``file:`` address ``url``."""

    url: str
    revision: str
    path: str


Location = SingleFile | Folder | Archived | InGit


def parse_repository_name(text: str) -> RepositoryName:
    """Return what ``text`` (``gh:…``) names.

    Raises:
        InvalidRequest: its revision or checksum is none.
        PluginError: it leads out of the repository.
    """
    rest, has_checksum, checksum = text.removeprefix(PREFIX).partition("#")
    path, has_revision, revision = rest.rpartition("@") if "@" in rest else (rest, "", "")
    path = path.lstrip("/")
    found = _CHECKSUM.fullmatch(checksum.lower())
    if has_checksum and found is None:
        raise InvalidRequest(f"plugin '{text}': '#{checksum}' is no checksum, expected #sha256= and 64 hex digits")
    if has_revision and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InvalidRequest(
            f"plugin '{text}': '@{revision}' is no revision, expected a tag, branch or commit: "
            "letters, digits, '.', '_', '-', '+', '/'"
        )
    if leaves_folder(path):
        raise PluginError(traversal(text))
    if not path.strip("/") or "\0" in path:
        raise InvalidRequest(f"plugin '{text}' names no file, expected gh:PATH[@REVISION][#sha256=HEX]")
    return RepositoryName(text, path.rstrip("/"), path.endswith("/"), revision or None, found[1] if found else None)


def locate(base: str, name: RepositoryName) -> Location:
    """Return where the repository at ``base`` has ``name``.

    ``{revision}`` in the address stands for the revision; an address that ends like an archive is one. Without either,
    GitHub's raw addresses and git repositories of this machine have revisions.

    Raises:
        InvalidRequest: ``name`` has a revision, and the address has no place for it.
    """
    wanted = name.revision
    if REVISION in base:
        base, wanted = base.replace(REVISION, urllib.parse.quote(wanted or DEFAULT_REVISION)), None
    if urllib.parse.urlsplit(base).path.lower().endswith(ARCHIVES):
        _refuse_revision(replace(name, revision=wanted), base)
        return Archived((base,), name.path)
    base = base if base.endswith("/") else f"{base}/"
    github = _GITHUB_RAW.fullmatch(base)
    if github is not None:
        return _on_github(github, name, wanted)
    if base.startswith("file:") and wanted is not None:
        return InGit(base, wanted, name.path)
    _refuse_revision(replace(name, revision=wanted), base)
    url = base + urllib.parse.quote(name.path, safe=PLAIN)
    if not name.is_folder:
        return SingleFile(url)
    if base.startswith("file:"):
        return Folder(url)
    return Archived((f"{url}.zip", f"{url}.tar.gz"), "")


def shown(url: str) -> str:
    """Return ``url`` as messages may show it: without user and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def _on_github(base: re.Match[str], name: RepositoryName, revision: str | None) -> Location:
    owner, repository, branch, below = base.groups()
    revision = urllib.parse.quote(revision or branch)
    if name.is_folder:
        url = f"https://codeload.github.com/{owner}/{repository}/tar.gz/{revision}"
        return Archived((url,), below + name.path)
    path = urllib.parse.quote(below + name.path, safe=PLAIN)
    return SingleFile(f"https://raw.githubusercontent.com/{owner}/{repository}/{revision}/{path}")


def _refuse_revision(name: RepositoryName, base: str) -> None:
    if name.revision is not None:
        raise InvalidRequest(
            f"plugin '{name.text}': the plugin repository {shown(base)} has no place for a revision; "
            "put {revision} into --plugin-repo, as in https://example.com/plugins/{revision}/"
        )
