"""The options that several commands share, and how their values are read."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from engine.errors import InvalidRequest
from engine.model.retention import parse_period
from influxdb3_cli import completion
from influxdb3_cli.trust import TRUST

if TYPE_CHECKING:
    from influxdb3_cli.client import InfluxClient

DEFAULT_HOST = "http://127.0.0.1:8181"


class Format(StrEnum):
    """How rows are printed."""

    PRETTY = "pretty"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class FileFormat(StrEnum):
    """How rows are printed or written to a file."""

    PRETTY = "pretty"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def connect(host: str, token: str | None) -> "InfluxClient":
    """Return a client of the server at ``host``."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # its own command line, which would load rich
    from influxdb3_cli.client import InfluxClient  # here: httpx would double the time of --help

    return InfluxClient(host, token, TRUST.get())


def check_url(value: str | None) -> str | None:
    """Return scheme, host and port of ``value``; the rest of a URL does not count."""
    if value is None:
        return None
    try:
        url = urlsplit(value)
        is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError as error:
        raise typer.BadParameter(f"{value!r}: {error}") from error
    if not is_whole:
        raise typer.BadParameter(f"{value!r}: relative URL without a base; say http://<host>:<port>")
    return f"{url.scheme}://{url.netloc}"


def check_token(value: str | None) -> str | None:
    """Return ``value`` if a header can carry it; it is a secret, so it is not quoted."""
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise typer.BadParameter("a token has only printable ASCII characters and no blanks")
    return value


def whole_number(least: int, most: int | None = None) -> Callable[[str | int], int]:
    """Return an option's parser for whole numbers in these bounds."""

    def parse(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r}: not a whole number") from None
        if value < least:
            raise typer.BadParameter(f"{value}: value must be at least {least}")
        if most is not None and value > most:
            raise typer.BadParameter(f"{value}: value must be at most {most}")
        return value

    return parse


def checked(rule: Callable[[str], str]) -> Callable[[str | None], str | None]:
    """Return an option's callback that reads its value by ``rule``, a function that raises ``InvalidRequest``."""

    def callback(value: str | None) -> str | None:
        try:
            return None if value is None else rule(value)
        except InvalidRequest as error:
            raise typer.BadParameter(f"{value!r}: {error}") from error

    return callback


def comma_list(values: list[str] | None) -> list[str]:
    """Return the items of an option that takes ``a,b`` and may be repeated."""
    return [item for value in values or () for item in value.split(",")]


def key_values(values: list[str] | None, option: str) -> dict[str, str] | None:
    """Return what ``k=v,k2=v2`` says, ``None`` if ``option`` was not given; of equal keys the last one counts."""
    if values is None:
        return None
    items = comma_list(values)
    for item in items:
        if "=" not in item:
            raise typer.BadParameter(f'{item!r}: must be formatted as "key=value"', param_hint=option)
    return dict(item.split("=", 1) for item in items)


def pairs(values: list[str] | None, sign: str, option: str) -> dict[str, str]:
    """Return what ``name<sign>value`` says, given once for each; of equal names the last one counts."""
    for value in values or ():
        if not value.partition(sign)[1] or not value.partition(sign)[0].strip():
            raise typer.BadParameter(f'{value!r}: must be formatted as "name{sign}value"', param_hint=option)
    return {name.strip(): text for name, _, text in (value.partition(sign) for value in values or ())}


def chosen_letters(ids: list[str] | None, is_all: bool) -> list[str] | None:
    """Return the ids of the dead letters that are meant, ``None`` = all."""
    if is_all == bool(ids):
        raise typer.BadParameter("which dead letters? Give their ids, or --all", param_hint="--id")
    return comma_list(ids) or None


def period(text: str | int) -> int:
    """Return the whole seconds of a retention period such as ``30d``."""
    if isinstance(text, int):
        return text
    try:
        return parse_period(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error


Host = Annotated[
    str,
    typer.Option(
        "--host", "-H", envvar="INFLUXDB3_HOST_URL", metavar="URL", callback=check_url, help="URL of the server."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="INFLUXDB3_AUTH_TOKEN", metavar="TOKEN", callback=check_token, help="Token to present."
    ),
]
Database = Annotated[
    str,
    typer.Option(
        "--database",
        "-d",
        envvar="INFLUXDB3_DATABASE_NAME",
        metavar="NAME",
        help="Name of the database.",
        autocompletion=completion.databases,
    ),
]
DatabaseName = Annotated[
    str,
    typer.Argument(
        envvar="INFLUXDB3_DATABASE_NAME",
        metavar="DATABASE_NAME",
        help="Name of the database.",
        show_default=False,
        autocompletion=completion.databases,
    ),
]
TableName = Annotated[
    str,
    typer.Argument(
        metavar="TABLE_NAME", help="Name of the table.", show_default=False, autocompletion=completion.tables
    ),
]
TriggerName = Annotated[
    str,
    typer.Argument(
        metavar="TRIGGER_NAME", help="Name of the trigger.", show_default=False, autocompletion=completion.triggers
    ),
]
OfTrigger = Annotated[
    str | None,
    typer.Option(
        "--trigger",
        "-t",
        metavar="NAME",
        help="Only those of this trigger.",
        show_default=False,
        autocompletion=completion.triggers,
    ),
]
LetterIds = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID,…", help="These dead letters.", show_default=False)
]
AllLetters = Annotated[bool, typer.Option("--all", help="All dead letters that there are.")]
RetentionPeriod = Annotated[
    int | None,
    typer.Option(
        "--retention-period",
        parser=period,
        metavar="DURATION",
        help="How long rows are kept, such as 30d.",
        show_default=False,
    ),
]
NewRetentionPeriod = Annotated[
    str | None,
    typer.Option(
        "--retention-period",
        "-r",
        metavar="DURATION",
        help="How long rows are kept, such as 30d; or none.",
        show_default=False,
    ),
]
HardDelete = Annotated[
    str | None,
    typer.Option(
        "--hard-delete",
        metavar="WHEN",
        help="When the data goes: never, now, default (after 72 hours), or a time like 2026-11-21T08:00:00Z.",
        show_default=False,
    ),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How rows are printed.")]
InputArguments = Annotated[
    list[str] | None,
    typer.Option("--input-arguments", metavar="KEY=VALUE,…", help="Arguments for the plugin."),
]
