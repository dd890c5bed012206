"""``influxdb3 create token``: from a server, or beforehand into a file that a server takes over."""

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.model.tokens import OPERATOR_NAME, OfflineToken, encode_offline_token
from engine.model.tokens import create_token as new_text
from influxdb3_cli import output
from influxdb3_cli.cache_options import seconds
from influxdb3_cli.errors import CommandFailed, FileTrouble
from influxdb3_cli.options import DEFAULT_HOST, Host, Token, connect

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

_MS_PER_S = 1000
_OWNER_ONLY = 0o600


class TokenFormat(StrEnum):
    """How a new token is printed."""

    TEXT = "text"
    JSON = "json"


def create_token(
    admin: Annotated[
        bool, typer.Option("--admin", help="Create an admin token, which may do everything; there is no other kind.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A further token of this name; without it the operator token _admin."),
    ] = None,
    expiry: Annotated[
        int | None,
        typer.Option(
            parser=seconds,
            metavar="DURATION",
            help="How long the token of --name is valid, such as 90d; for ever without it.",
        ),
    ] = None,
    regenerate: Annotated[
        bool,
        typer.Option("--regenerate", help="Give the operator token a new text; the old one opens nothing any more."),
    ] = False,
    fmt: Annotated[TokenFormat, typer.Option("--format", help="How the token is printed.")] = TokenFormat.TEXT,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no server: write a file for serve --admin-token-file.")
    ] = False,
    output_file: Annotated[Path | None, typer.Option(metavar="FILE", help="The file that --offline writes.")] = None,
    host: Host = DEFAULT_HOST,
    token: Token = None,
) -> None:
    """Create a new auth token. It is shown once; the server keeps a hash of it.

    The first one is the operator token, which a new server gives to whoever asks first. Commands take a token from
    --token or INFLUXDB3_AUTH_TOKEN.
    """
    if not admin:
        output.note("error: Missing required subcommand. Use: influxdb3 create token --admin [OPTIONS]")
        raise typer.Exit(2)
    _check(name, expiry, output_file, is_renewed=regenerate, is_offline=offline)
    try:
        if output_file is not None:
            text = _write_offline(output_file, name, expiry)
            output.line(f"Token saved to: {output_file}")
        else:
            with connect(host, token) as client:
                text = _from_server(client, name, expiry, is_renewed=regenerate)
    except CommandFailed as error:
        output.token_failure(error)
        raise typer.Exit(1) from error
    (output.token_json if fmt is TokenFormat.JSON else output.token_block)(text)


def _check(name: str | None, expiry: int | None, file: Path | None, *, is_renewed: bool, is_offline: bool) -> None:
    if is_renewed and name is not None:
        raise typer.BadParameter(
            "--regenerate cannot be used with --name, --regenerate only applies for operator token",
            param_hint="--regenerate",
        )
    if is_renewed and is_offline:
        raise typer.BadParameter("only a server can do that; not with --offline", param_hint="--regenerate")
    if expiry is not None and name is None:
        raise typer.BadParameter("the operator token is valid for ever; say --name NAME", param_hint="--expiry")
    if is_offline and file is None:
        raise typer.BadParameter("where to? Say --output-file FILE", param_hint="--offline")
    if file is not None and not is_offline:
        raise typer.BadParameter("only with --offline", param_hint="--output-file")


def _from_server(client: "InfluxClient", name: str | None, expiry: int | None, *, is_renewed: bool) -> str:
    if is_renewed:
        output.line("Are you sure you want to regenerate admin token? Enter 'yes' to confirm")
        if sys.stdin.readline().strip() != "yes":
            raise CommandFailed("Cannot regenerate token without confirmation")
        return client.regenerate_admin_token()
    return client.create_admin_token() if name is None else client.create_named_token(name, expiry)


def _write_offline(path: Path, name: str | None, expiry: int | None) -> str:
    """Write a new token to the file ``path``, which only its owner may read; return the text of the token."""
    expiry_ms = None if expiry is None else (int(time.time()) + expiry) * _MS_PER_S
    offline = OfflineToken(new_text(), OPERATOR_NAME if name is None else name, expiry_ms)
    aside = path.with_name(f".{path.name}.tmp")
    try:
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            file.write(encode_offline_token(offline))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise FileTrouble(error) from error
    return offline.token
