"""The options of commands about last-value and distinct-value caches, and how their values are read."""

from typing import Annotated

import typer

from engine.model.caches import MOST_COUNT
from engine.model.durations import NS_PER_SECOND, parse_duration
from influxdb3_cli import completion

CacheName = Annotated[str, typer.Argument(metavar="CACHE_NAME", help="Name of the cache.", show_default=False)]
NewCacheName = Annotated[
    str | None,
    typer.Argument(
        metavar="CACHE_NAME", help="Name of the cache; without it one is made of table and columns.", show_default=False
    ),
]
OfTable = Annotated[
    str, typer.Option("--table", "-t", metavar="TABLE", help="Table of the cache.", autocompletion=completion.tables)
]


def seconds(text: str | int) -> int:
    """Return the whole seconds of a duration such as ``4 hours``."""
    if isinstance(text, int):
        return text
    try:
        return parse_duration(text) // NS_PER_SECOND
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error


def row_count(text: str | int) -> int:
    """Return how many rows of a key a last-value cache shall hold."""
    try:
        count = int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected an unsigned integer for last cache count") from None
    if not 1 <= count <= MOST_COUNT:
        raise typer.BadParameter(f"{count}: invalid count for last cache provided; 1 to {MOST_COUNT} are allowed")
    return count


def cardinality(text: str | int) -> int:
    """Return how many combinations a distinct-value cache shall hold."""
    try:
        count = int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: not a whole number") from None
    if count == 0:
        raise typer.BadParameter("0: number would be zero for non-zero type")
    if count < 0:
        raise typer.BadParameter(f"{count}: must be at least 1")
    return count
