"""The reference of commands, from the tree of commands itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.main import get_command

from docs.generator.markdown import code, codes, prose, table
from influxdb3_cli.app import app
from influxdb3_cli.examples import examples_of
from influxdb3_cli.help import lines_of

PROGRAM = "influxdb3"
SHARED = ("--host", "--token", "--tls-ca", "--tls-no-verify")
"""Options that say which server is asked and how: told once, for they are the same everywhere."""

_AS_IT_IS = "\b"
"""Stands before a paragraph of a help text whose lines Click leaves as they are."""

_BRACKET = re.compile(r"^(.*?)\s*\[((?:env var|default|required|x>|\d).*)\]$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Told:
    """One argument or option as ``--help`` tells it."""

    spelling: str
    text: str
    rest: str

    @property
    def row(self) -> tuple[str, str, str]:
        """Return the cells of a table."""
        return (
            code(self.spelling),
            prose(self.text),
            "; ".join(_condition(part) for part in self.rest.split("; ") if part),
        )

    def is_of(self, names: tuple[str, ...]) -> bool:
        """Return whether this is an option of one of ``names``."""
        return not set(re.split(r"[ ,]+", self.spelling)).isdisjoint(names)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield all commands that the help shows, with their full names, groups before what is in them."""
    yield from _below(PROGRAM, get_command(app))


def _below(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if not command.hidden:
            yield f"{path} {name}", command
            if hasattr(command, "commands"):
                yield from _below(f"{path} {name}", command)


def _other_names(path: str) -> list[str]:
    """Return the hidden commands that are the same as the one of ``path``."""
    group: Any = get_command(app)
    *groups, last = path.split()[1:]
    for name in groups:
        group = group.commands[name]
    own = group.commands[last].help
    return [f"{PROGRAM} {' '.join([*groups, n])}" for n, c in group.commands.items() if c.hidden and c.help == own]


def told(path: str, command: Any) -> list[Told]:
    """Return the arguments and options of ``command`` that its help shows."""
    context = typer.Context(command, info_name=path)
    return [_told(line.name, line.text) for line in lines_of(command, context)]


def _told(spelling: str, text: str) -> Told:
    found = _BRACKET.match(text)
    return Told(spelling, found[1], found[2]) if found else Told(spelling, text, "")


def _condition(part: str) -> str:
    what, _, value = part.partition(": ")
    if what == "env var":
        return codes(value.split(", "))
    return f"{what} {code(value)}" if value else prose(what)


def markdown() -> str:
    """Return a section for each group of commands and for each command."""
    shared = next(_server_options(path, command) for path, command in commands() if path == f"{PROGRAM} query")
    root = _parameters(told(PROGRAM, get_command(app)))
    intro = f"{root}\n\n## Options of all commands that ask a server\n\n{_parameters(list(shared))}"
    return "\n\n".join([intro, *(_section(path, command, shared) for path, command in commands())])


def _server_options(path: str, command: Any) -> tuple[Told, ...]:
    return tuple(row for row in told(path, command) if row.is_of(SHARED))


def _section(path: str, command: Any, shared: tuple[Told, ...]) -> str:
    depth = len(path.split())
    parts = [f"{'#' * depth} {path}", *map(_paragraph, _paragraphs(command.help)), *_examples(path)]
    if others := _other_names(path):
        parts.append(f"Also: {codes(others)}.")
    if not hasattr(command, "commands"):
        usage = command.get_usage(typer.Context(command, info_name=path))
        parts.append(f"```text\n{usage}\n```")
        if path == f"{PROGRAM} serve":
            parts.append("Its options are the [settings](settings.md).")
        else:
            parts.append(_own_parameters(path, command, shared))
    return "\n\n".join(part for part in parts if part)


def _paragraphs(text: str | None) -> list[str]:
    return re.split(r"\n\s*\n", (text or "").replace("\f", "").strip())


def _paragraph(text: str) -> str:
    lines = text.removeprefix(_AS_IT_IS)
    return prose(text) if lines == text else f"```text\n{lines.strip()}\n```"


def _examples(path: str) -> Iterator[str]:
    if examples := examples_of(path):
        yield "```console\n" + "\n".join(f"$ {example}" for example in examples) + "\n```"


def _own_parameters(path: str, command: Any, shared: tuple[Told, ...]) -> str:
    asks_server = _server_options(path, command) == shared
    own = [
        row
        for row in told(path, command)
        if not row.is_of(("--help", "--help-all")) and not (asks_server and row in shared)
    ]
    also = f"And the [options of all commands that ask a server](#{_ANCHOR})." if asks_server else ""
    return "\n\n".join(part for part in (_parameters(own), also) if part)


_ANCHOR = "options-of-all-commands-that-ask-a-server"


def _parameters(rows: list[Told]) -> str:
    return table(("Argument or option", "Meaning", "Default, variable"), [row.row for row in rows]) if rows else ""
