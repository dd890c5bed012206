"""Which files a node's folder holds: looked at from outside, whether a server runs or not."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import StorageError
from engine.paths import CATALOG, MANIFEST

_LOG_SUFFIX = ".wal"
_POSITION_DIGITS = 20

OF_CATALOG = ("catalog", "manifest", "checkpoint", "log")
"""The kinds of files from which a server makes its catalog when it starts."""


def list_files(node: Path, *, is_complete: bool) -> dict[str, Any]:
    """Return of the folder ``node`` the ``files``, in the order of their paths, ``log_count`` and ``total_bytes``.

    A file has ``kind``, ``sequence`` (the position that its name says, or null), ``path`` below it,
    ``size_bytes`` and ``last_modified``. Unless ``is_complete`` only the files of the catalog are listed.

    Raises:
        StorageError: there is no such folder.
    """
    if not node.is_dir():
        raise StorageError(f"no node is at {node}; --data-dir and --node-id (or --catalog-prefix) say where it is")
    files = [file for file in map(_described, _walk(node)) if is_complete or file["kind"] in OF_CATALOG]
    return {
        "files": files,
        "log_count": sum(file["kind"] == "log" for file in files),
        "total_bytes": sum(file["size_bytes"] for file in files),
    }


def _walk(node: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield path below the folder and state of each file that is there long enough to be looked at."""
    for place, folders, names in os.walk(node):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            try:
                yield path.relative_to(node), path.stat()
            except FileNotFoundError:
                continue  # a running server removed it meanwhile


def _described(found: tuple[Path, os.stat_result]) -> dict[str, Any]:
    path, state = found
    digits = path.name[:_POSITION_DIGITS]
    kind = _kind(path)
    has_position = kind in ("log", "checkpoint") and len(digits) == _POSITION_DIGITS and digits.isdigit()
    return {
        "kind": kind,
        "sequence": int(digits) if has_position else None,
        "path": str(path),
        "size_bytes": state.st_size,
        "last_modified": datetime.fromtimestamp(state.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _kind(path: Path) -> str:
    """Return the kind of a file by its place below the node's folder."""
    if len(path.parts) == 1:
        known = {CATALOG: "catalog", MANIFEST: "manifest"}
        return known.get(path.name, "rejected" if path.name.startswith(f"{CATALOG}.rejected") else "other")
    folders = {
        "wal": "log",
        "checkpoints": "checkpoint",
        "parquet": "parquet",
        "caches": "cache",
        "backfills": "backfill",
    }
    return folders.get(path.parts[0], "other")
