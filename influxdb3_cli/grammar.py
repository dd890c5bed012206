"""How the words of a command are read, where the product's parser and Typer's differ.

An option stands once unless it makes a list; a value that begins with a dash is joined to its option (``--token=-x``);
``-d=foo`` is ``-d foo``; options of a group may stand behind its subcommand; some lists take all words up to the next option;
a variable that is set counts, also when it is empty, and a flag's variable is exactly ``true`` or ``false``.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from influxdb3_cli.help import PAGE_OPTIONS, HasPage
from influxdb3_cli.values import read_quickly

_GREEDY = frozenset({"--tags", "--restrict-plugin-triggers-to"})
_BOOLEANS = ("true", "false")


@dataclass(frozen=True, slots=True)
class Known:
    """What the options of one command are.

    Attributes:
        with_value: those that take a value, in all their spellings.
        has_subcommands: the first word that is no option begins another command.
    """

    with_value: frozenset[str]
    has_subcommands: bool = False


def prepared(words: Sequence[str], known: Known) -> list[str]:
    """Return ``words`` in the form that Typer reads as they are meant.

    Raises:
        typer.BadParameter: an option lacks its value.
    """
    rest, done = list(words), list[str]()
    while rest:
        word = rest.pop(0)
        if word == "--" or (known.has_subcommands and not word.startswith("-")):
            return [*done, word, *rest]
        if word[:2] in known.with_value and word[2:3] == "=" and word[1] != "-":
            done += [word[:2], word[3:]]
        elif word in known.with_value and rest:
            done += [word, _value(word, rest)]
        else:
            done.append(word)
    return done


def hoisted(words: Sequence[str], with_value: frozenset[str]) -> list[str]:
    """Return ``words`` of a group with its own options first, also those that were typed behind its subcommand."""
    rest, first, others = list(words), list[str](), list[str]()
    while rest and rest[0] != "--":
        word = rest.pop(0)
        if word in with_value and rest:
            first += [word, rest.pop(0)]
        elif "=" in word and word.partition("=")[0] in with_value:
            first.append(word)
        else:
            others.append(word)
    return [*first, *others, *rest]


def _value(option: str, rest: list[str]) -> str:
    """Take the value of ``option`` from the beginning of ``rest`` and return it."""
    if _is_option(rest[0]):
        raise typer.BadParameter(
            f"a value is needed, and {rest[0]!r} looks like an option; a value that begins so is written {option}={rest[0]}",
            param_hint=f"'{option}'",
        )
    taken = [rest.pop(0)]
    while option in _GREEDY and rest and not _is_option(rest[0]):
        taken.append(rest.pop(0))
    return ",".join(taken)


def _is_option(word: str) -> bool:
    return word.startswith("-") and not word[1:2].isdigit() and word != "-"


def with_empty_variables(
    given: Mapping[str, Any], parameters: Sequence[Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return what was ``given``, and the variables of ``parameters`` that are set to nothing, which Typer passes over.

    Raises:
        typer.BadParameter: a variable of a flag is neither ``true`` nor ``false``, or one of a path is empty.
    """
    found = dict(given)
    for parameter in parameters:
        text = environ.get(parameter.envvar) if isinstance(parameter.envvar, str) else None
        if text is None or found.get(parameter.name) is not None:
            continue
        if getattr(parameter, "is_bool_flag", False):
            if text not in _BOOLEANS:
                raise typer.BadParameter(f"{text!r}: expected exactly true or false", param=parameter)
        elif not text:
            if parameter.type_descriptor.is_path:
                raise typer.BadParameter("'': an empty string is no path; unset the variable", param=parameter)
            found[parameter.name] = text
    return found


class _Strict(HasPage):
    """What commands and groups have in common; it stands before the class of Typer."""

    def make_parser(self, context: Any) -> Any:
        """Return a parser of Typer that reads words as this module says."""
        parser = super().make_parser(context)  # type: ignore[misc] # of the class that follows
        read_quickly(self.get_params(context))
        read, is_group = parser.parse_args, isinstance(self, TyperGroup)
        options = {**parser._short_opt, **parser._long_opt}
        is_inner_group = (
            is_group and context.parent is not None
        )  # the root has its words before the command, as others have
        known = Known(frozenset(name for name, option in options.items() if option.takes_value), is_group)

        def parse_args(args: list[str]) -> Any:
            if context.resilient_parsing:  # completion, where words are not complete
                return read(args)
            words = hoisted(args, known.with_value) if is_inner_group else args
            try:
                given, rest, order = read(prepared(words, known))
                _refuse_repeated(order)
                return with_empty_variables(given, self.params, os.environ), rest, order  # type: ignore[attr-defined]
            except typer.BadParameter as error:
                error.ctx, error.cmd = context, context.command  # what shows the usage above the message
                raise

        parser.parse_args = parse_args
        return parser


def _refuse_repeated(order: Sequence[Any]) -> None:
    """Raise ``typer.BadParameter`` if a parameter that has one value stands in ``order`` twice."""
    for number, parameter in enumerate(order):
        may_repeat = parameter.multiple or parameter.is_eager or getattr(parameter, "count", False)
        if parameter in order[:number] and not may_repeat:
            spellings = " / ".join(f"'{name}'" for name in parameter.opts)
            raise typer.BadParameter("cannot be used multiple times", param_hint=spellings)


def _asks_for_page(words: Sequence[str]) -> bool:
    return any(word in PAGE_OPTIONS for word in takewhile(lambda word: word != "--", words))


class Command(_Strict, TyperCommand):
    """A command."""


class Group(_Strict, TyperGroup):
    """A group of commands that has options of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read ``args``; who asks for the page of a command below need not give what the group needs."""
        before = ctx.resilient_parsing
        is_page_below = ctx.parent is not None and args and args[0] in self.commands and _asks_for_page(args)
        ctx.resilient_parsing = before or is_page_below
        try:
            return super().parse_args(ctx, args)
        finally:
            ctx.resilient_parsing = before


def give_grammar(group: typer.Typer) -> None:
    """Have all commands of ``group`` read their words as this module says."""
    for command in group.registered_commands:
        command.cls = Command
    group.info.cls = Group
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            give_grammar(inner.typer_instance)
