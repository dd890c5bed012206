"""``influxdb3 backup``: a copy of a running server's data."""

from pathlib import Path
from typing import Annotated

import typer

from influxdb3_cli import output
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect
from influxdb3_cli.progress import Bar, Unit, Work
from influxdb3_cli.texts import format_size
from influxdb3_cli.unpack import check_target, unpack


def backup(
    folder: Annotated[
        Path, typer.Argument(help="Where the backup goes on this machine: an empty folder, or a new one.")
    ],
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Copy a running server's data into a folder.

    `serve` starts another server from it. Writes, queries and triggers go on meanwhile. In the backup is everything that
    was acknowledged before the command: rows, definitions, tokens, caches, and how far each trigger is. Plugin files are
    not: keep the plugin folder too.
    """
    check_target(folder)
    with connect(host, token) as client, Bar(Work("Receiving", Unit.BYTES)) as bar, client.backup() as pieces:
        made = unpack(bar.counted(pieces), folder)
    for name in made.missing:
        output.note(f"the server has lost {name}, so it is not in the backup either")
    output.line(f"Backup of {made.node_id} complete: {made.files} files, {format_size(made.size_bytes)}")
    output.line(f"Start a server from it: influxdb3 serve --data-dir {folder} --node-id {made.node_id}")
