"""Help pages: what a command is for, how it is called, examples, and its options below headings."""

import copy
import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from influxdb3_cli.examples import examples_of

WIDEST = 120
"""Columns of a page in a wide terminal; names of variables are long, and a narrower page breaks them."""

ARGUMENTS, OPTIONS, SERVER, HELP = "Arguments", "Options", "Server to ask", "Help"

PAGE_OPTIONS = ("-h", "--help", "--help-all")
_SERVER_OPTIONS = ("--host", "--query-host", "--write-host", "--token", "--tls-ca", "--tls-no-verify")
_FIRST, _LAST = (ARGUMENTS, OPTIONS), (SERVER, HELP)

_SHORT_PAGES = {"influxdb3 serve": ("Common options", HELP)}
"""Commands with so many options that ``--help`` shows only these headings of them, and ``--help-all`` the rest."""

COMMAND_GROUPS = {
    "Common Commands": {
        "serve": "Run a server until it is told to stop",
        "query": "Run a query and print its rows",
        "write": "Write line protocol",
        "update": "Change a database, a table or a trigger",
    },
    "Resource Management": {
        "create": "Create a database, a cache, a table, a trigger or a token",
        "show": "Show databases, tokens, triggers, dead letters, system tables",
        "delete": "Delete databases, tables, triggers, tokens, backfills, caches",
        "enable": "Start a trigger",
        "disable": "Stop a trigger",
        "apply": "Make the triggers of a server those that a TOML file declares",
        "export": "Write the triggers of a server as a file for apply",
    },
    "Triggers at Work": {
        "logs": "Show or follow the log of a trigger",
        "backfill": "Send stored rows through a trigger",
        "retry": "Run dead letters again",
        "test": "Run a plugin without effects",
    },
    "System Management": {
        "install": "Install Python packages for the plugins",
        "backup": "Copy a running server's data into a folder",
        "debug": "Look at the files of a server",
        "completion": "Print what makes a shell complete commands and names",
    },
}
"""The help of ``influxdb3`` itself: headings, commands, and the first sentence of each one's page.

The sentences stand here once more because to make all commands takes twice as long as all the rest of this page.
"""

_SHORTER = {"query": "query, q", "write": "write, w"}
_WORDS_OF_TYPES = {"path": "PATH", "str": "TEXT", "int": "N"}
_WORDED_DEFAULT = re.compile(r"default: \(([^)]*)\)")
"""How Typer shows a default that its option has words for."""

_HELP_ALL = "help.all"
_WIDEST_NAME = 30
"""An option that is longer has its text on the next line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One argument, option or command of a page.

    Attributes:
        name: how it is written.
        text: what it means, with its default and its environment variables.
    """

    heading: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """Lines below a heading, as name and text."""

    heading: str
    lines: tuple[tuple[str, str], ...]


def sections(lines: Iterable[Line], shown: Sequence[str] = ()) -> list[Section]:
    """Return ``lines`` below their headings: arguments and plain options first, then others as they come, help at the end.

    ``shown``: only these headings; empty = all.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        found.setdefault(line.heading, []).append((line.name, line.text))
    own = [heading for heading in found if heading not in (*_FIRST, *_LAST)]
    ordered = [heading for heading in (*_FIRST, *own, *_LAST) if heading in found]
    return [Section(heading, tuple(found[heading])) for heading in ordered if not shown or heading in shown]


def plain_name(name: str, *, is_argument: bool) -> str:
    """Return how an option or argument is written, without the names of types that Typer puts into it."""
    word, _, kind = name.partition(" <")
    if not kind:
        return name
    inner = kind.removesuffix(">")
    shown = inner if "|" in inner else "" if is_argument else _WORDS_OF_TYPES.get(inner, inner)
    return f"{word.upper() if is_argument else word} {shown}".rstrip()


def usage_piece(piece: str) -> str:
    """Return a piece of a usage line with a needed argument as ``<NAME>``, where Typer writes ``{name}``."""
    return re.sub(r"\{(.*)\}", lambda found: f"<{found[1].upper()}>", piece)


def heading_of(parameter: Any) -> str:
    """Return the heading below which ``parameter`` of Typer stands: its own one, else that of its kind."""
    if own := getattr(parameter, "rich_help_panel", None):
        return str(own)
    if parameter.param_type_name == "argument":
        return ARGUMENTS
    return SERVER if parameter.opts[0] in _SERVER_OPTIONS else OPTIONS


def first_sentence(text: str) -> str:
    """Return the sentence of a help text that stands for it in a list, without its full stop."""
    paragraph = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    return re.split(r"(?<=[^.])[.;] (?=\S)", paragraph, maxsplit=1)[0].removesuffix(".")


def lines_of(command: Any, context: Any) -> list[Line]:
    """Return a line for each argument and option of ``command`` that is shown."""
    found = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            text = _WORDED_DEFAULT.sub(r"default: \1", record[1])
            found.append(Line(heading_of(parameter), plain_name(record[0], is_argument=is_argument), text))
    return found


def command_lines(group: Any, context: Any) -> list[Line]:
    """Return a line for each command of ``group`` that is shown."""
    if context.parent is None and "serve" in group.commands:
        grouped = [(heading, *pair) for heading, pairs in COMMAND_GROUPS.items() for pair in pairs.items()]
        return [Line(heading, _SHORTER.get(name, name), text) for heading, name, text in grouped]
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    shown = {name: command for name, command in commands.items() if not command.hidden}
    return [Line("Commands", name, first_sentence(command.help or "")) for name, command in shown.items()]


class HasPage:
    """What commands and groups have in common; it stands before the class of Typer."""

    _help_all: Any = None

    def get_help_option_names(self, context: Any) -> list[str]:
        """Return how the page is asked for, the same for all commands."""
        return list(PAGE_OPTIONS[:-1])

    def get_help_option(self, context: Any) -> Any:
        """Return the option that shows the page."""
        option = super().get_help_option(context)  # type: ignore[misc] # of the class that follows
        option.help = "Show this page and end."
        option.rich_help_panel = HELP
        return option

    def get_params(self, context: Any) -> list[Any]:
        """Return the parameters of the command, and ``--help-all``, which only pages with a short form show."""
        parameters = super().get_params(context)  # type: ignore[misc] # of the class that follows
        if self._help_all is None:
            self._help_all = copy.copy(parameters[-1])
            self._help_all.name, self._help_all.opts = "help_all", [PAGE_OPTIONS[-1]]
            self._help_all.help = "Show all options and end."
            self._help_all.hidden = context.command_path not in _SHORT_PAGES
            show = parameters[-1].callback
            self._help_all.callback = lambda context, option, is_given: _show_all(show, context, option, is_given)
        return [*parameters, self._help_all]

    def collect_usage_pieces(self, context: Any) -> list[str]:
        """Return the words of the usage line: those of Typer, and the options that are needed."""
        first, *rest = map(usage_piece, super().collect_usage_pieces(context))  # type: ignore[misc] # of that class
        needed = [
            f"{max(parameter.opts, key=len)} <{parameter.metavar or 'VALUE'}>"
            for parameter in self.get_params(context)
            if parameter.required and parameter.param_type_name == "option"
        ]
        return [first, *needed, *rest]

    def format_help(self, context: Any, formatter: Any) -> None:
        """Write the page into ``formatter``, which knows how wide it may be."""
        about, *more = _paragraphs(getattr(self, "help", None) or "")
        formatter.width = min(formatter.width, WIDEST)
        formatter.write_text(about)
        formatter.write_paragraph()
        self.format_usage(context, formatter)  # type: ignore[attr-defined] # of the class that follows
        for paragraph in more:
            formatter.write_paragraph()
            formatter.write_text(paragraph)
        _write_examples(formatter, examples_of(context.command_path))
        shown = () if context.meta.get(_HELP_ALL) else _SHORT_PAGES.get(context.command_path, ())
        lines = lines_of(self, context)
        commands = command_lines(self, context) if hasattr(self, "commands") else []
        parts = [*sections(commands), *sections(lines)]
        _write_sections(formatter, [part for part in parts if not shown or part.heading in shown])
        if left := [part.heading for part in parts if shown and part.heading not in shown]:
            formatter.write_paragraph()
            formatter.write_text(f"More options, which --help-all shows: {', '.join(left)}.")
        if commands:
            formatter.write_paragraph()
            formatter.write_text(f"More about a command: {context.command_path} COMMAND --help")


def _show_all(show: Any, context: Any, option: Any, is_given: bool) -> Any:
    context.meta[_HELP_ALL] = is_given
    return show(context, option, is_given)


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n", inspect.cleandoc(text)) if text else [""]


def _write_examples(formatter: Any, examples: Sequence[str]) -> None:
    """Write command lines as they are: a line that is broken cannot be copied."""
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for example in examples:
                formatter.write("".join(f"  {line}\n" for line in example.splitlines()))


def _write_sections(formatter: Any, parts: Sequence[Section]) -> None:
    for part in parts:
        with formatter.section(part.heading):
            formatter.write_dl(part.lines, col_max=_WIDEST_NAME)
