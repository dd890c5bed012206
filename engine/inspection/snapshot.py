"""What a node's catalog and manifest say: the definitions that a server would start with, and the tables that it has."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from engine.errors import StorageError
from engine.paths import NodePaths
from engine.storage.manifest import FileEntry, Manifest, decode_manifest

_HASH_DIGITS = 9
"""So much of a token's hash is shown, here as in ``system.tokens``."""


@dataclass(frozen=True, slots=True)
class Look:
    """How closely to look.

    Attributes:
        is_full: columns and files of tables too, and all keys of triggers and caches.
        is_checked: damage is an error; without it what is readable is shown.
    """

    is_full: bool = False
    is_checked: bool = True


def read_snapshot(node: Path, look: Look) -> dict[str, Any]:
    """Return from the folder ``node`` the catalog's ``databases`` and ``tokens``, and what the manifest says.

    Raises:
        StorageError: a file is missing, or cannot be read.
    """
    paths = NodePaths(node.parent, node.name)
    catalog = _catalog(paths)
    manifest = _manifest(paths, look)
    tables = _tables(manifest, look)
    databases = catalog.get("databases", {})
    tokens = catalog.get("tokens", {})
    return {
        "format_version": catalog.get("format_version"),
        "cluster_uuid": catalog.get("cluster_uuid"),
        "rows_until": manifest.rows_until,
        "state_until": manifest.state_until,
        "checkpoint": manifest.checkpoint,
        "databases": {name: _database(entry, tables[entry.get("id")], look) for name, entry in databases.items()},
        "tokens": {name: _token(entry) for name, entry in tokens.items()},
    }


def _catalog(paths: NodePaths) -> dict[str, Any]:
    try:
        return {key: _plain(value) for key, value in tomli.loads(paths.catalog.read_text(encoding="utf-8")).items()}
    except FileNotFoundError as error:
        raise StorageError(
            f"{paths.catalog} is not there; --data-dir and --node-id (or --catalog-prefix) say where it is"
        ) from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{paths.catalog}: {error}") from error


def _plain(value: Any) -> Any:
    """Return ``value`` of TOML with times as text."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


def _manifest(paths: NodePaths, look: Look) -> Manifest:
    try:
        data = paths.manifest.read_bytes()
    except FileNotFoundError as error:
        raise StorageError(f"{paths.manifest} is not there, though a catalog is") from error
    return decode_manifest(data, str(paths.manifest), is_checked=look.is_checked)


def _tables(manifest: Manifest, look: Look) -> dict[Any, dict[str, Any]]:
    """Return the tables by the id of their database and by name, as the manifest knows them."""
    files: dict[int, list[FileEntry]] = defaultdict(list)
    for file in manifest.files:
        files[file.table_id].append(file)
    found: dict[Any, dict[str, Any]] = defaultdict(dict)
    for schema in manifest.schemas:
        mine = files[schema.table_id]
        table: dict[str, Any] = {
            "id": schema.table_id,
            "columns": len(schema.columns),
            "files": len(mine),
            "rows": sum(file.live_rows for file in mine),
            "size_bytes": sum(file.size_bytes for file in mine),
        }
        if look.is_full:
            table["columns"] = {column.name: column.type.short for column in schema.columns}
            table["files"] = [_file(file) for file in mine]
        found[schema.database_id][schema.name] = table
    return found


def _file(file: FileEntry) -> dict[str, Any]:
    return {
        "name": file.name,
        "positions": [file.low, file.high],
        "times_ns": [file.min_time, file.max_time],
        "rows": file.live_rows,
        "size_bytes": file.size_bytes,
    }


def _database(entry: Mapping[str, Any], tables: Mapping[str, Any], look: Look) -> dict[str, Any]:
    known = {name: {**entry.get("tables", {}).get(name, {}), **table} for name, table in tables.items()}
    whole = {**entry, "tables": {**entry.get("tables", {}), **known}}
    if look.is_full:
        return whole
    for kind in ("last_caches", "distinct_caches"):
        if kind in whole:
            whole[kind] = {table: sorted(caches) for table, caches in whole[kind].items()}
    if "triggers" in whole:
        shown = ("id", "spec", "plugin", "enabled")
        whole["triggers"] = {
            name: {key: trigger[key] for key in shown if key in trigger} for name, trigger in whole["triggers"].items()
        }
    return whole


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "hash": str(entry.get("hash", ""))[:_HASH_DIGITS]}
