"""The plugins of a folder in the layout of the public repository: files, what manifests ask for, what headers say."""

import ast
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENTRIES = {
    "process_writes": "writes",
    "process_scheduled_call": "schedule",
    "process_request": "request",
}
"""The functions that triggers call, and the kind of their trigger."""

ARGUMENT_TABLES = {
    "writes": ("onwrite_args_config", "data_write_args_config", "data_writes_args_config"),
    "schedule": ("scheduled_args_config", "schedule_args_config"),
    "request": ("http_args_config", "request_args_config"),
}
BODY_TABLES = ("http_body_config", "http_args_config", "scheduled_args_config")
NOT_PLUGINS = ("test_", "conftest.py", "setup.py")
DISTRIBUTIONS = {"influxdata_plugin_utils": "influxdata-plugin-utils"}
"""What plugins import without that their manifest names it, for it comes with the product."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a plugin as its header describes it."""

    name: str
    example: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """A plugin that lies in the folder.

    Attributes:
        name: from its manifest, else that of its file or folder.
        path: of its file, or of its folder if that is a package, below the folder that was looked through.
        entries: the functions that it has, in the order of ``ENTRIES``.
        declared: those that its manifest names; without manifest the same as ``entries``.
        packages: requirements that its manifest and its requirements file name, and what comes with the product.
        arguments: by kind of trigger.
        body: members of a request's body.
        configs: settings files beside it that can be used as they are, below the folder.
        problem: why it cannot be a plugin, ``None`` if it can.
    """

    name: str
    path: str
    entries: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    arguments: dict[str, tuple[Argument, ...]] = field(default_factory=dict)
    body: tuple[Argument, ...] = ()
    configs: tuple[str, ...] = ()
    problem: str | None = None


def find_plugins(folder: Path) -> list[FoundPlugin]:
    """Return the plugins below ``folder``, by path; whoever is no plugin – helpers, tests – is not among them."""
    return list(_plugins_of(folder, folder))


def _plugins_of(folder: Path, root: Path) -> Iterator[FoundPlugin]:
    manifest = _manifest(folder)
    package = folder / "__init__.py"
    if package.is_file() and (manifest is not None or _entries_of(package)):
        yield _plugin(package, folder, manifest, root)
        return
    files = [file for file in sorted(folder.glob("*.py")) if not file.name.startswith(NOT_PLUGINS)]
    plugins = [file for file in files if _entries_of(file)]
    if manifest is not None and not plugins:
        name = _name(manifest, folder.name)
        yield FoundPlugin(name, _below(folder, root), problem=f"no file in it has one of {', '.join(ENTRIES)}")
    for file in plugins:
        yield _plugin(file, folder, manifest, root)
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not inner.name.startswith((".", "__")) and inner.name not in ("tests", "node_modules"):
            yield from _plugins_of(inner, root)


def _plugin(file: Path, folder: Path, manifest: dict[str, Any] | None, root: Path) -> FoundPlugin:
    is_package = file.name == "__init__.py"
    entries, header = tuple(_entries_of(file)), _header(file)
    triggers = (manifest or {}).get("plugin", {}).get("triggers", entries)
    tables = {kind: _arguments(header, names) for kind, names in ARGUMENT_TABLES.items()}
    return FoundPlugin(
        name=_name(manifest, folder.name if is_package else file.stem),
        path=_below(folder if is_package else file, root),
        entries=entries,
        declared=tuple(name for name in ENTRIES if name in triggers),
        packages=_packages(folder, manifest, file),
        arguments=tables,
        body=next((found for table in BODY_TABLES if (found := _arguments(header, (table,)))), ()),
        configs=tuple(_below(path, root) for path in sorted(folder.glob("*.toml")) if _is_usable(path)),
    )


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / "manifest.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _name(manifest: dict[str, Any] | None, other: str) -> str:
    return str((manifest or {}).get("plugin", {}).get("name", other))


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _entries_of(file: Path) -> list[str]:
    """Return the entry functions of a file; for one that this Python does not compile, those that its text defines."""
    text = file.read_text(encoding="utf-8", errors="replace")
    defined = {node.name for node in _tree(file).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    imported = {
        name.asname or name.name for node in _tree(file).body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    return [name for name in ENTRIES if name in defined | imported or (not _tree(file).body and f"def {name}(" in text)]


def _header(file: Path) -> dict[str, Any]:
    """Return the JSON object that the docstring of a plugin begins with, nothing if there is none."""
    text = (ast.get_docstring(_tree(file), clean=False) or "").lstrip()
    try:
        header, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return {}
    return header if isinstance(header, dict) else {}


def _arguments(header: dict[str, Any], tables: tuple[str, ...]) -> tuple[Argument, ...]:
    rows: list[dict[str, Any]] = next((header[table] for table in tables if table in header), [])
    return tuple(Argument(row["name"], _text(row.get("example", "")), bool(row.get("required"))) for row in rows)


def _text(example: Any) -> str:
    if isinstance(example, str):
        return example
    return json.dumps(example)


def _packages(folder: Path, manifest: dict[str, Any] | None, file: Path) -> tuple[str, ...]:
    asked = list((manifest or {}).get("dependencies", {}).get("python", []))
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        lines = (line.split("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
        asked += [line for line in lines if line and not line.startswith("-")]
    asked += [DISTRIBUTIONS[name] for name in _imports(file) if name in DISTRIBUTIONS]
    return tuple(dict.fromkeys(asked))


def _imports(file: Path) -> list[str]:
    names = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module.split(".")[0])
    return [name for name in dict.fromkeys(names) if name not in sys.stdlib_module_names]


def _is_usable(config: Path) -> bool:
    """Return whether a settings file is complete: the repository's templates have ``your_…`` where values go."""
    text = config.read_text(encoding="utf-8")
    values = [line for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#")]
    return config.name != "manifest.toml" and bool(values) and not any("your_" in line for line in values)
