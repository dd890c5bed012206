"""``influxdb3 debug``: look at the files of a node, without a server and without changing anything."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import EngineError
from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import whole_number
from influxdb3_cli.texts import format_size, quote

app = typer.Typer(help="Look at the files of a server.", no_args_is_help=True)
catalog = typer.Typer(
    help="Look at the files of a node's catalog: catalog.toml, manifest, checkpoint, log. Nothing is changed, no server is "
    "asked; one may run meanwhile.",
    no_args_is_help=True,
)
app.add_typer(catalog, name="catalog")

_MOST_POSITION = 2**63


@app.callback()
def group() -> None:
    """Look at the files of a server."""


class DebugFormat(StrEnum):
    """How what was found is printed."""

    PRETTY = "pretty"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Where:
    """Which folder is looked at, and how it is printed."""

    node: Path
    fmt: DebugFormat


_DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar=["INFLUXDB3_DATA_DIR", "INFLUXDB3_DB_DIR"],
        metavar="FOLDER",
        help="The data directory of the server.",
    ),
]
_NodeId = Annotated[
    str,
    typer.Option(
        "--node-id",
        envvar=["INFLUXDB3_NODE_ID", "INFLUXDB3_NODE_IDENTIFIER_PREFIX"],
        metavar="NAME",
        help="The node, whose folder in the data directory has this name.",
    ),
]
_Prefix = Annotated[
    str | None,
    typer.Option(
        "--catalog-prefix",
        envvar="INFLUXDB3_CATALOG_PREFIX",
        metavar="PATH",
        help="That folder, where it has another name; goes before --node-id.",
        show_default=False,
    ),
]
_ClusterId = Annotated[str | None, typer.Option("--cluster-id", envvar="INFLUXDB3_ENTERPRISE_CLUSTER_ID", hidden=True)]
_Format = Annotated[DebugFormat, typer.Option("--format", help="How it is printed.")]


def _with_place(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command``, which takes ``where``, with the options that say so.

    The options of object stores are taken too, as the product has them; catalog and log are in the data directory here,
    whatever the store.
    """

    def run(
        data_dir: Path,
        node_id: str,
        catalog_prefix: str | None,
        cluster_id: str | None,
        fmt: DebugFormat,
        **given: Any,
    ) -> None:
        own = {name: value for name, value in given.items() if name in wanted}
        node = data_dir.expanduser() / (catalog_prefix or cluster_id or node_id)
        try:
            command(**own, where=Where(node.absolute(), fmt))
        except EngineError as error:
            raise CommandFailed(str(error)) from error
        except OSError as error:
            raise CommandFailed(f"{error.filename}: {error.strerror}") from error

    wanted = {name: p for name, p in inspect.signature(command).parameters.items() if name != "where"}
    place = [
        ("data_dir", _DataDir, Path("~/.influxdb")),
        ("node_id", _NodeId, "node0"),
        ("catalog_prefix", _Prefix, None),
        ("cluster_id", _ClusterId, None),
        ("fmt", _Format, DebugFormat.PRETTY),
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(p.replace(kind=keyword) for p in wanted.values()),
        *(inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in place),
        *_store_options(),
    ]
    # Typer reads parameters from the signature.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = command.__doc__
    return run


def _store_options() -> Iterator[inspect.Parameter]:
    from engine.setting import Setting  # here, with the settings: only for these commands
    from engine.settings import SETTINGS

    def is_of_store(setting: Setting) -> bool:
        return setting.name.startswith(("object-store", "aws-", "google-", "azure-", "bucket"))

    for setting in filter(is_of_store, SETTINGS):
        option = typer.Option(f"--{setting.name}", hidden=True)
        kind: object = Annotated[bool, option] if setting.is_flag else Annotated[str | None, option]
        default = False if setting.is_flag else None
        name = setting.name.replace("-", "_")
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


@catalog.command("ls", hidden=True)
@catalog.command("list")
@_with_place
def list_files(
    is_complete: Annotated[bool, typer.Option("--all", help="List Parquet files and all others too.")] = False,
    *,
    where: Where,
) -> None:
    """List the files of the catalog, with their sizes. Short: ls."""
    from engine.inspection.files import list_files as look  # here: start-up time of every other command

    found = look(where.node, is_complete=is_complete)
    if where.fmt is DebugFormat.JSON:
        output.emit_json(found)
        return
    for file in found["files"]:
        sequence = "-" if file["sequence"] is None else file["sequence"]
        size = format_size(file["size_bytes"])
        output.line(f"{file['kind']:<10}  {sequence:>10}  {size:>10}  {file['last_modified']}  {file['path']}")
    total = format_size(found["total_bytes"])
    output.line(f"{len(found['files'])} files, {found['log_count']} of the log, {total}")


@catalog.command("snapshot")
@_with_place
def show_snapshot(
    is_full: Annotated[bool, typer.Option("--full", help="Tell columns, files and all keys too.")] = False,
    skip_crc: Annotated[bool, typer.Option("--skip-crc", help="Read a damaged manifest as far as it goes.")] = False,
    *,
    where: Where,
) -> None:
    """Show what catalog and manifest say: databases, tables, triggers, caches, tokens, how far the log is stored."""
    from engine.inspection.snapshot import Look, read_snapshot  # here: start-up time

    found = read_snapshot(where.node, Look(is_full=is_full, is_checked=not skip_crc))
    if where.fmt is DebugFormat.JSON:
        output.emit_json(found)
        return
    for line in _outline(found, 0):
        output.line(line)


@catalog.command("sequence")
@_with_place
def show_sequence(
    sequence: Annotated[
        int | None,
        typer.Argument(
            parser=whole_number(0, _MOST_POSITION),
            metavar="SEQUENCE",
            help="Position of a record that the file holds; without it the newest file.",
            show_default=False,
        ),
    ] = None,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Tell frames without their records.")] = False,
    skip_crc: Annotated[bool, typer.Option("--skip-crc", help="Go on behind frames that are damaged.")] = False,
    *,
    where: Where,
) -> None:
    """Show what a file of the log holds, record by record; of rows and values of plugins only how large they are."""
    from engine.inspection.segment import SegmentLook, read_segment  # here: start-up time

    look = SegmentLook(sequence, with_records=not headers_only, is_checked=not skip_crc)
    found = read_segment(where.node, look)
    if where.fmt is DebugFormat.JSON:
        output.emit_json(found)
    else:
        for line in _log_lines(found):
            output.line(line)
    if found["problem"]:
        raise CommandFailed(found["problem"])


def _log_lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['file']}, begins at position {found['first_position']}, {len(found['frames'])} frames"
    for frame in found["frames"]:
        last = frame["first_position"] + frame["record_count"] - 1
        damage = ", damaged" if frame.get("is_damaged") else ""
        size = format_size(frame["size_bytes"])
        yield f"frame at {frame['offset']}: positions {frame['first_position']} to {last}, {size}{damage}"
        for record in frame.get("records", ()):
            rest = {key: value for key, value in record.items() if key not in ("position", "kind")}
            yield f"  {record['position']} {record['kind']} {json.dumps(rest, ensure_ascii=False)}"


def _outline(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Yield a line for each key, what belongs to it below it."""
    for key, inner in value.items():
        name = "  " * depth + (key if key.replace("_", "").isalnum() else quote(key))
        if isinstance(inner, dict):
            yield f"{name}:" if inner else f"{name}: none"
            yield from _outline(inner, depth + 1)
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield f"{name}:"
            yield from ("  " * (depth + 1) + json.dumps(item, ensure_ascii=False) for item in inner)
        else:
            text = inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
            yield f"{name}: {text}"
