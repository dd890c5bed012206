"""``influxdb3 write``: send line protocol to a server."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import InvalidRequest
from engine.model.precision import Precision
from influxdb3_cli import output
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.options import DEFAULT_HOST, Database, Host, Token, check_url, checked, connect, whole_number
from influxdb3_cli.progress import QUIET, Bar, Unit, Work, is_shown
from influxdb3_cli.texts import os_error
from influxdb3_cli.transfer import Progress, cut_at_lines, send_all

_BLOCK_BYTES = 1 << 20
_REQUESTS = "Requests"


def _sent_precision(word: str) -> str:
    """Return the long word that requests use."""
    try:
        return Precision.parse(word).value
    except InvalidRequest as error:
        raise InvalidRequest(f"unrecognized precision unit: {word}") from error


def write(
    database: Database,
    lines: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LINE_PROTOCOL", help="The lines, in one pair of quotes; else --file, else standard input."
        ),
    ] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
    write_host: Annotated[
        str | None,
        typer.Option(
            envvar="INFLUXDB3_WRITE_HOST_URL",
            metavar="URL",
            callback=check_url,
            help="URL of the server for writes, instead of --host.",
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the lines from this file.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            "-p",
            metavar="auto|s|ms|us|ns",
            callback=checked(_sent_precision),
            help="Unit of the timestamps; if not given, the server guesses it.",
        ),
    ] = None,
    accept_partial: Annotated[
        bool,
        typer.Option("--accept-partial", help="Keep the good lines when others are bad, as the server does anyway."),
    ] = False,
    no_sync: Annotated[
        bool, typer.Option("--no-sync", help="Do not wait until the lines are durable.", rich_help_panel=_REQUESTS)
    ] = False,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress the requests.", rich_help_panel=_REQUESTS)] = False,
    max_request_size: Annotated[
        int,
        typer.Option(
            parser=whole_number(1), metavar="BYTES", help="Most bytes of a request.", rich_help_panel=_REQUESTS
        ),
    ] = 10_485_760,
    max_concurrent_requests: Annotated[
        int,
        typer.Option(
            parser=whole_number(1), metavar="N", help="Most requests at the same time.", rich_help_panel=_REQUESTS
        ),
    ] = 32,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not tell the progress.")] = False,
) -> None:
    """Write line protocol. Short: w.

    A line is TABLE,TAG=VALUE FIELD=VALUE TIMESTAMP; without a timestamp it gets the time of the server. Database, table
    and columns are made when they are missing.
    """
    from influxdb3_cli.client import WriteOptions  # here: start-up time, as in options.connect

    options = WriteOptions(precision, accept_partial, no_sync, gzip)
    pieces = cut_at_lines(_input(lines, file), max_request_size)
    size = file.stat().st_size if file is not None and file.is_file() and not lines else None
    report = _Report(is_wanted=not (quiet or QUIET.get()), is_last_only=is_shown())
    try:
        with (
            connect(write_host or host, token) as client,
            Bar(Work("Writing", Unit.BYTES, size), is_wanted=report.is_wanted) as bar,
        ):
            arrived = send_all(lambda piece: client.write_lp(database, piece, options), pieces, max_concurrent_requests)
            for piece in arrived:
                report.add(piece)
                bar.reach(report.done.size_bytes)
    except CommandFailed:
        report.end()
        raise
    report.end()


class _Report:
    """Tells how much has arrived: after each request, or at the end only, where a bar is shown meanwhile."""

    def __init__(self, *, is_wanted: bool, is_last_only: bool) -> None:
        self.is_wanted = is_wanted
        self.done = Progress()
        self._is_last_only = is_last_only
        self._start_ns = time.monotonic_ns()

    def add(self, piece: bytes) -> None:
        """Count the request of ``piece``."""
        self.done = self.done.after(piece)
        if not self._is_last_only:
            self._tell()

    def end(self) -> None:
        """Tell what came of it all."""
        if self._is_last_only and self.done.requests:
            self._tell()

    def _tell(self) -> None:
        if self.is_wanted:
            output.note(self.done.report(time.monotonic_ns() - self._start_ns))


def _input(lines: list[str] | None, file: Path | None) -> Iterator[bytes]:
    """Yield what there is to write, block by block."""
    if lines:
        if len(lines) > 1:
            raise CommandFailed(
                "ensure that a single protocol line string is provided as the final argument, enclosed in quotes"
            )
        yield lines[0].encode(errors="surrogateescape")
    elif file is not None:
        yield from _blocks(file)
    elif sys.stdin.isatty():
        raise CommandFailed("No input from stdin detected, no string was passed in, and no file path was given")
    else:
        while block := sys.stdin.buffer.read(_BLOCK_BYTES):
            yield block


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise CommandFailed(f"error reading file: {os_error(error)}") from error
