from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from influxdb3_cli.values import QuickReader, read_quickly


class Colour(StrEnum):
    RED = "red"


def even(text: str | int) -> int:
    if int(text) % 2:
        raise typer.BadParameter(f"{text} is odd")
    return int(text)


def command(
    name: str = "",
    colour: Colour = Colour.RED,
    path: Path | None = None,
    there: Annotated[Path | None, typer.Option(exists=True)] = None,
    count: Annotated[int, typer.Option(parser=even)] = 2,
    number: int = 0,
    flag: bool = False,
    words: list[str] | None = None,
) -> None:
    pass


def parameter(name: str) -> Any:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return next(p for p in get_command(app).params if p.name == name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "text"),
        ("name", ""),
        ("name", None),
        ("colour", "red"),
        ("colour", Colour.RED),
        ("path", "a/b"),
        ("there", "/"),
        ("count", "4"),
        ("count", 2),
        ("number", "7"),
        ("flag", "true"),
        ("flag", "false"),
        ("words", ["a", "b"]),
        ("words", None),
    ],
)
def test_a_value_is_what_typer_reads(name: str, value: object) -> None:
    slow, quick = parameter(name), parameter(name)
    read_quickly([quick])
    assert isinstance(quick.get_runtime_param(), QuickReader)
    expected = slow.get_runtime_param().coerce(value, param=slow, ctx=None)
    assert quick.get_runtime_param().coerce(value, param=quick, ctx=None) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("colour", "green"), ("there", "/gone"), ("count", "3"), ("count", "x"), ("number", "x")]
)
def test_what_is_wrong_is_told_in_typers_words(name: str, value: str) -> None:
    slow, quick = parameter(name), parameter(name)
    read_quickly([quick])
    told = []
    for one in (slow, quick):
        with pytest.raises(typer.BadParameter) as refused:
            one.get_runtime_param().coerce(value, param=one, ctx=None)
        told.append(refused.value.message)
    assert told[0] == told[1]
