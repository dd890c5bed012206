"""Writing plugin files so that a reader sees the old ones or the new ones, never a half."""

import contextlib
import ctypes
import errno
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.plugins.places import VENV_MARK

logger = logging.getLogger(__name__)

LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>tmp|old)", re.DOTALL)

_AT_CWD = -100
_EXCHANGE = 2
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def write_file(path: Path, content: bytes) -> None:
    """Create or replace the file ``path`` and the folders above it.

    Raises:
        OSError: it cannot be written; nothing has changed then but folders.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path, "tmp")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            aside.unlink(missing_ok=True)
        raise


def replace_folder(path: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Have the folder ``path`` hold exactly ``files`` (relative path, content); it is created if it is missing.

    After a crash it holds the old files or the new ones; ``clear_leftovers`` removes what else is left.

    Raises:
        OSError: it cannot be written; the old folder stays as it was.
    """
    new = _aside(path, "tmp")
    try:
        new.mkdir(parents=True)
        for relative, content in files:
            write_file(new / relative, content)
        if path.exists():
            _swap(new, path)
        else:
            new.rename(path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def undoing(paths: Sequence[Path]) -> Iterator[None]:
    """Put the files at ``paths``, and the folders above them, back to what they are now if the block raises."""
    before = {path: path.read_bytes() if path.is_file() else None for path in paths}
    folders = {parent for path in paths for parent in path.parents if not parent.exists()}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            with contextlib.suppress(OSError):  # what made the block fail is the one to tell
                if content is not None:
                    write_file(path, content)
                elif path.is_file():
                    path.unlink()
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):  # somebody else has put something into it
                folder.rmdir()
        raise


def clear_leftovers(root: Path) -> None:
    """Tidy up below ``root`` what ``write_file`` and ``replace_folder`` left when the process was killed."""
    for path, name, kind in list(_leftovers(root)):
        target = path.with_name(name)
        try:
            if kind == "old" and not target.exists():
                path.rename(target)
                logger.warning("a plugin's replacement was interrupted, the old one is back: path=%s", target)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            logger.warning("cannot tidy up the plugin folder: path=%s reason=%s", path, error)


def _swap(new: Path, path: Path) -> None:
    """Exchange two folders; what was at ``path`` is at ``new`` afterwards, or gone.

    In one step where the system can do that, else in two that are undone when the second fails.
    """
    if _exchange(new, path):
        return
    old = _aside(path, "old")
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux); return whether the system and the disk can do that."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _aside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.{kind}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _leftovers(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each leftover with the name that it stands for, and its kind; hidden folders and environments hold none."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        logger.warning("cannot look into the plugin folder: path=%s reason=%s", folder, error)
        return
    for entry in entries:
        found = LEFTOVER.fullmatch(entry.name)
        path = Path(entry.path)
        if found:
            yield path, found["name"], found["kind"]
        elif entry.is_dir(follow_symlinks=False) and not _holds_none(path):
            yield from _leftovers(path)


def _holds_none(folder: Path) -> bool:
    return folder.name.startswith((".", "__pycache__")) or (folder / VENV_MARK).exists()
