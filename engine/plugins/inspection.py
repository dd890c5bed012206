"""What can be said of plugin source without running it: does it compile, and which names does it define."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.model.trigger_spec import RunKind, entry_function

LONGEST_SOURCE = 1 << 20
"""Longer text is not looked into: nobody wrote it, and reading it would keep the server busy."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in one source text.

    Attributes:
        names: what stands in its module after it ran, as far as that can be seen.
        is_complete: whether there is nothing that could bring more names (``from x import *``).
        problem: why it does not compile, as Python says it; ``None`` if it does.
    """

    names: frozenset[str] = frozenset()
    is_complete: bool = True
    problem: str | None = None


def inspect_source(text: str, filename: str = "<string>") -> Inspection:
    """Look into ``text``; ``filename`` is how messages call it."""
    if len(text) > LONGEST_SOURCE:
        return Inspection(is_complete=False)
    try:
        tree = ast.parse(text, filename)
        compile(tree, filename, "exec", dont_inherit=True)
        names = frozenset(_names(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Inspection(problem=f"{type(error).__name__}: {error}")
    return Inspection(names - UNKNOWABLE, names.isdisjoint(UNKNOWABLE))


def problems_of(plugin: str, texts: Mapping[str, str], kind: RunKind) -> list[str]:
    """Return why a trigger of ``kind`` could not run ``plugin``, as far as its texts tell.

    ``texts`` are the text of a single file under ``''``, or those of a package by relative path.
    """
    found = {name: inspect_source(text, name or "<string>") for name, text in texts.items()}
    problems = [f"plugin {plugin}: {look.problem}" for look in found.values() if look.problem]
    name, main = entry_function(kind), found.get("__init__.py", found.get("", Inspection()))
    if not problems and main.is_complete and name not in main.names:
        problems.append(f"plugin {plugin} does not define {name}, which its trigger calls")
    return problems


UNKNOWABLE = frozenset({"*", "__getattr__"})


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module binds outside of its functions; ``*`` for those that nobody can know."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Name(id="exec" | "globals"):
                yield "*"
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                pass
            case _:
                yield from _names(node)
