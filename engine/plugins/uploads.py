"""Writing plugin files so that a reader sees the old ones or the new ones, never a half."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Create or replace the file ``path`` and the folders above it.

    Raises:
        OSError: it cannot be written; nothing has changed then but folders.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            aside.unlink(missing_ok=True)
        raise


def replace_folder(path: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Have the folder ``path`` hold exactly ``files`` (relative path, content); it is created if it is missing.

    Raises:
        OSError: it cannot be written; the old folder stays as it was.
    """
    mark = secrets.token_hex(8)
    new, old = path.with_name(f".{mark}.tmp"), path.with_name(f".{mark}.old")
    try:
        new.mkdir(parents=True)
        for relative, content in files:
            write_file(new / relative, content)
        had_one = path.exists()
        if had_one:
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if had_one:
                old.rename(path)
            raise
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
